"""One vector for a whole picture: a layer's activations, flattened, at unit length.

Source: Sharif Razavian et al. 2014, section 3.1, whose f is fc6 at unit length. Where the weights at hand have
no fully connected layers, pool5, which fc6 reads, takes its place.
"""

from collections.abc import Iterable
from itertools import islice

import numpy as np
from jaxtyping import Float, UInt8

from convcorr_jax.backbone import activations, preprocess
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.descriptors.convolutional import unit_length
from convcorr_jax.errors import InputError

# Pictures that go through the network in one call.
_BATCH = 16


def default_layer(weights: Weights) -> str:
    """The paper's fc6, or pool5 where the weights do not reach so far."""
    return "fc6" if "fc6" in weights.layers else "pool5"


def global_features(
    squares: Iterable[UInt8[np.ndarray, "side side 3"]], *, weights: Weights, layer: str
) -> Float[np.ndarray, "n d"]:
    """The features of any number of pictures of one size, in batches of one compiled program.

    A picture of which a layer sees nothing (activations that are all zero) has a feature of zeros.

    Args:
        squares: 8-bit RGB; any iterable, so that not all need to be in memory.
        weights: of a network.
        layer: whose activations are taken, row by row, cell by cell.

    Raises:
        InputError: there are no pictures, they differ in size, or as `backbone.activations`.
    """
    rest = iter(squares)
    rows: list[np.ndarray] = []
    while batch := list(islice(rest, _BATCH)):
        if len({one.shape for one in batch}) > 1:
            raise InputError(
                f"pictures of sizes {sorted({one.shape[:2] for one in batch})} are described together; "
                "one size is expected"
            )
        # The last batch is filled up, so that one compiled program serves all; few pictures to a power of two.
        size = _BATCH if rows else 1 << (len(batch) - 1).bit_length()
        filled = np.stack(batch + batch[-1:] * (size - len(batch)))
        inputs = preprocess(filled, network=weights.network)
        maps = activations(weights.params, inputs, network=weights.network, layers=[layer])
        flat = unit_length(maps[layer].reshape(size, -1))
        rows.append(np.asarray(flat)[: len(batch)])
    if not rows:
        raise InputError("there are no pictures to describe; at least one is expected")
    return np.concatenate(rows)
