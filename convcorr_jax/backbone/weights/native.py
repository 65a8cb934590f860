"""Our own format: an ``.npz`` with ``<layer>_w`` [outputs, inputs, height, width] and ``<layer>_b`` [outputs].

The name of the network may be stored as the text ``network``, which is then checked; `save` writes it.
"""

from pathlib import Path

import numpy as np

from convcorr_jax.backbone.networks import Network, Params, filter_shapes
from convcorr_jax.backbone.weights.layout import Stored
from convcorr_jax.errors import InputError
from convcorr_jax.io import write_arrays


def save(path: str | Path, params: Params, *, network: Network) -> None:
    """Write a network's filters so that `load` reads them back bit for bit.

    Args:
        path: the ``.npz`` file.
        params: the network's filters.
        network: the layer table.

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

    Args:
        path: the file.
        network: the layer table.

    Raises:
        InputError: the file names another network.
        Exception: the file is damaged; zipfile and NumPy raise many kinds of errors.
    """
    with np.load(path, allow_pickle=False) as arrays:
        if "network" in arrays and str(arrays["network"]) != network.name:
            raise InputError(f"{path} holds weights of {arrays['network']}, not of {network.name}")
        return {
            name: Stored(arrays[f"{name}_w"], arrays[f"{name}_b"])
            for name in filter_shapes(network)
            if f"{name}_w" in arrays
        }
