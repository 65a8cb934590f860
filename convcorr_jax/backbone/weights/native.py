"""Our own format: an ``.npz`` with ``<layer>_w`` [outputs, inputs, height, width] and ``<layer>_b`` [outputs].

The name of the network may be stored as the text ``network``, which is then checked; `save` writes it.
"""

from pathlib import Path

import numpy as np

from convcorr_jax.backbone.networks import Network, Params, filter_shapes
from convcorr_jax.backbone.weights.layout import Stored, check_shapes
from convcorr_jax.errors import InputError
from convcorr_jax.io import array_headers, load_arrays, write_arrays

# Characters of a network's name that messages quote.
_MAX_NAME = 40


def save(path: str | Path, params: Params, *, network: Network) -> None:
    """Write a network's filters so that `load` reads them back bit for bit.

    Raises:
        InputError: the folder cannot be written.
    """
    arrays = {"network": np.array(network.name)}
    for name, filters in params.items():
        arrays[f"{name}_w"] = np.asarray(filters.kernel).transpose(3, 2, 0, 1)
        arrays[f"{name}_b"] = np.asarray(filters.bias)
    write_arrays(path, **arrays)


def read(path: Path, network: Network) -> dict[str, Stored]:
    """Read kernel and bias of each of the network's convolutions that the file contains.

    Raises:
        InputError: the file is damaged, names another network, or has an array of another shape.
    """
    shapes = filter_shapes(network)
    headers = array_headers(path, names=["network", *(f"{n}_{part}" for n in shapes for part in "wb")])
    if "network" in headers:
        _check_network(path, network)
    stored = [name for name in shapes if f"{name}_w" in headers]
    for name in stored:
        if f"{name}_b" not in headers:
            raise InputError(f"{path} has no {name}_b, the bias of {name}")
        kernel, bias = headers[f"{name}_w"].shape, headers[f"{name}_b"].shape
        check_shapes(kernel, bias, shapes[name], what=f"{name} in {path}")
    arrays = load_arrays(path, names=[f"{name}_{part}" for name in stored for part in "wb"])
    return {name: Stored(arrays[f"{name}_w"], arrays[f"{name}_b"]) for name in stored}


def _check_network(path: Path, network: Network) -> None:
    name = str(load_arrays(path, names=("network",))["network"])
    if name != network.name:
        raise InputError(f"{path} holds weights of {name[:_MAX_NAME]}, not of {network.name}")
