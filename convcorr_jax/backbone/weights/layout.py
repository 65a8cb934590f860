"""Conversion and checks of stored arrays into filters for the forward pass.

All readers return kernels as the frameworks store them, channels first: ``[outputs, inputs, height, width]``
for a convolution, ``[outputs, inputs * height * width]`` for a fully connected layer (flattened in that
order).

Our own format: an ``.npz`` with ``<layer>_w`` [outputs, inputs, height, width] and ``<layer>_b`` [outputs].

The name of the network may be stored as the text ``network``, which is then checked; `save` writes it.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from convcorr_jax.backbone.layers import convolutions
from convcorr_jax.backbone.networks import Filters, Network, Params, filter_shapes
from convcorr_jax.errors import InputError
from convcorr_jax.io import array_headers, load_arrays, write_arrays

# Smaller distributions of the weights omit these layers, and all tasks work without them.
_OPTIONAL = ("fc6", "fc7")


class Stored(NamedTuple):
    """The arrays of one layer in a file."""

    kernel: np.ndarray
    """Channels first: ``[outputs, inputs, height, width]``, or flattened."""
    bias: np.ndarray


def assemble(stored: Mapping[str, Stored], network: Network, *, source: str) -> Params:
    """Convert the arrays of a file, which messages call ``source``, to the network's filters.

    Raises:
        InputError: a layer other than fc6 and fc7 is missing, has another shape than in the table, or contains
            a value that is not finite.
    """
    params = {}
    for name, shape in filter_shapes(network).items():
        if name in stored:
            params[name] = _filters(stored[name], shape, what=f"{name} in {source}")
        elif name not in _OPTIONAL:
            raise InputError(f"{source} has no {name}, which {network.name} needs")
    return params


def available_layers(params: Params, network: Network) -> tuple[str, ...]:
    """Return the names of the layers that can be computed: all before the first convolution without filters."""
    names = []
    for layer in network.layers:
        if any(conv.name not in params for conv in convolutions(layer)):
            break
        names.append(layer.name)
    return tuple(names)


def check_shapes(
    kernel: tuple[int, ...], bias: tuple[int, ...], expected: tuple[int, int, int, int], *, what: str
) -> None:
    """Refuse, with an `InputError`, a layer's arrays whose shapes are not those in the network's table."""
    height, width, inputs, outputs = expected
    flat = (outputs, inputs * height * width)
    # Caffe's older files prepend ones to every shape up to four dimensions.
    if kernel not in {(outputs, inputs, height, width), flat, (1, 1, *flat)}:
        raise InputError(
            f"the kernel of {what} has shape {kernel}; {(outputs, inputs, height, width)} is expected"
        )
    if bias not in {(outputs,), (1, 1, 1, outputs)}:
        raise InputError(f"the bias of {what} has shape {bias}; {(outputs,)} is expected")


def count_numbers(network: Network) -> int:
    """Return how many numbers all filters of a network have."""
    return sum(math.prod(shape) + shape[-1] for shape in filter_shapes(network).values())


def _filters(stored: Stored, shape: tuple[int, int, int, int], *, what: str) -> Filters:
    height, width, inputs, outputs = shape
    check_shapes(stored.kernel.shape, stored.bias.shape, shape, what=what)
    for array in stored:
        if array.dtype != np.float32 or not np.isfinite(array).all():
            raise InputError(f"{what} holds values that are not finite 32-bit numbers")
    kernel = stored.kernel.reshape(outputs, inputs, height, width).transpose(2, 3, 1, 0)
    return Filters(jnp.asarray(kernel), jnp.asarray(stored.bias.reshape(outputs)))


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
