"""One vector for a whole image: a layer's activations, flattened and scaled to unit length.

Source: Sharif Razavian et al. 2014, section 3.1, where the feature f is fc6 at unit length. Differs from the
paper: weights without fully connected layers use pool5, the input of fc6.
"""

import math
from collections.abc import Iterable
from itertools import islice

import numpy as np
from jaxtyping import Float, UInt8

from convcorr_jax.arrays import padded_batches
from convcorr_jax.backbone import Network, activations, channels, grid_size, preprocess
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.descriptors.convolutional import unit_length
from convcorr_jax.errors import InputError

# Images of one forward pass.
_BATCH = 16


def default_layer(weights: Weights) -> str:
    """Return the paper's fc6, or pool5 if the weights have no fully connected layers."""
    return "fc6" if "fc6" in weights.layers else "pool5"


def feature_count(network: Network, layer: str, *, side_px: int) -> int:
    """Return how many numbers `global_features` computes for an image.

    Raises:
        InputError: the layer is unknown or too deep for the size.
    """
    return math.prod(grid_size(network, layer, (side_px, side_px))) * channels(network, layer)


def global_features(
    squares: Iterable[UInt8[np.ndarray, "side side 3"]], *, weights: Weights, layer: str
) -> Float[np.ndarray, "n d"]:
    """Compute the features of any number of images of one size, in batches of one compiled program.

    An image whose activations are all zero has a feature of zeros. Activations are flattened in the order row,
    column, channel.

    Raises:
        InputError: there are no images, they differ in size, or the layer is unknown, without filters or too
            deep for the size.
    """
    remaining = iter(squares)
    rows: list[np.ndarray] = []
    while batch := list(islice(remaining, _BATCH)):
        if len({square.shape for square in batch}) > 1:
            raise InputError(
                f"images of sizes {sorted({square.shape[:2] for square in batch})} are described together; "
                "one size is expected"
            )
        # Fewer images than one batch are padded to a power of two only.
        size = _BATCH if rows else 1 << (len(batch) - 1).bit_length()
        ((padded, count),) = padded_batches(len(batch), size=size)
        inputs = preprocess(np.stack(batch)[padded], network=weights.network)
        maps = activations(weights.params, inputs, network=weights.network, layers=[layer])
        flat = unit_length(maps[layer].reshape(size, -1))
        rows.append(np.asarray(flat)[:count])
    if not rows:
        raise InputError("there are no images to describe; at least one is expected")
    return np.concatenate(rows)
