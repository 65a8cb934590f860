"""From arrays as a file stores them to filters as the forward pass takes them, with every check.

All readers hand over kernels as the frameworks keep them, channels first: ``[outputs, inputs, height, width]``
for a convolution, ``[outputs, inputs * height * width]`` for a fully connected layer (flattened in that order).
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from convcorr_jax.backbone.networks import Conv, Filters, Network, Params, filter_shapes
from convcorr_jax.errors import InputError

# Retrieval can do without these, and the smaller distributions of the weights leave them out.
_OPTIONAL = ("fc6", "fc7")


class Stored(NamedTuple):
    """Kernel and bias of one layer as a file has them, channels first."""

    kernel: np.ndarray
    bias: np.ndarray


def assemble(stored: Mapping[str, Stored], network: Network, *, source: str) -> Params:
    """The network's filters from a file's arrays.

    Raises:
        InputError: a layer is missing (fc6 and fc7 may be), has another shape than the table says, or holds
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
    """The layers that can be computed: all before the first convolution without filters."""
    names = []
    for layer in network.layers:
        if isinstance(layer, Conv) and layer.name not in params:
            break
        names.append(layer.name)
    return tuple(names)


def _filters(stored: Stored, shape: tuple[int, int, int, int], *, what: str) -> Filters:
    height, width, inputs, outputs = shape
    flat = (outputs, inputs * height * width)
    # Caffe's older files pad every shape with ones in front, to four dimensions.
    expected = {(outputs, inputs, height, width), flat, (1, 1, *flat)}
    if stored.kernel.shape not in expected:
        raise InputError(
            f"the kernel of {what} has shape {stored.kernel.shape}; "
            f"{(outputs, inputs, height, width)} is expected"
        )
    if stored.bias.shape not in {(outputs,), (1, 1, 1, outputs)}:
        raise InputError(
            f"the bias of {what} has shape {stored.bias.shape}; {(outputs,)} is expected"
        )
    for array in stored:
        if array.dtype != np.float32 or not np.isfinite(array).all():
            raise InputError(f"{what} holds values that are not finite 32-bit numbers")
    kernel = stored.kernel.reshape(outputs, inputs, height, width).transpose(2, 3, 1, 0)
    return Filters(jnp.asarray(kernel), jnp.asarray(stored.bias.reshape(outputs)))
