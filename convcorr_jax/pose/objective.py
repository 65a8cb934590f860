"""What training minimises: squared differences to Gaussian targets.

    E = 1/N sum_j sum_xy (H'_j(x, y) - H_j(x, y))^2

over the N joints of the batch that are present.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def heatmap_error(
    heatmaps: Float[Array, "b h w j"], targets: Float[Array, "b h w j"]
) -> Float[Array, ""]:
    """The error E; joints whose target is NaN do not count, and without any joint it is 0."""
    present = ~jnp.isnan(targets).any(axis=(1, 2), keepdims=True)
    squares = jnp.where(present, heatmaps - targets, 0.0) ** 2
    return squares.sum() / jnp.maximum(present.sum(), 1)
