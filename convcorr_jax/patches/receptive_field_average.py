"""Mean receptive fields of similar features (Figure 2 of Long et al. 2014).

The mean of the receptive fields of a feature's nearest neighbours (`views.mean_windows` with the side of the
field) is sharp where they agree and has little contrast elsewhere.
"""

import numpy as np
from jaxtyping import Float

from convcorr_jax.errors import InputError
from convcorr_jax.shapes import Image


def expand_contrast(mean: Float[np.ndarray, "side side 3"]) -> Image:
    """Map the smallest value of an image, over all channels, to 0 and the largest to 255.

    Args:
        mean: an image of any range. An image of a single value becomes black.

    Raises:
        InputError: a value is NaN or infinite.
    """
    if not np.isfinite(mean).all():
        raise InputError("the mean image holds NaN or infinity; finite numbers are expected")
    # The spread of great numbers exceeds single precision; a single value has none.
    above = mean.astype(np.float64) - float(mean.min())
    return np.round(above / (above.max() or 1.0) * 255).astype(np.uint8)


def middle_share(mean: Float[np.ndarray, "side side 3"]) -> float:
    """Compute the fraction of an image's gradient energy that is in the middle ninth of its area.

    The energy is the squared length of the gradient, summed over the channels.

    >>> image = np.zeros((9, 9, 3))
    >>> image[4, 4] = 1.0
    >>> middle_share(image)
    1.0

    Args:
        mean: a square image of any range.

    Returns:
        The fraction between 0 and 1: 1/9 for evenly distributed detail, NaN for an image without detail.
    """
    side = mean.shape[0]
    vertical, horizontal = np.gradient(mean.astype(np.float64), axis=(0, 1))
    energy = (vertical**2 + horizontal**2).sum(-1)
    total = energy.sum()
    # If a third is not a whole number of pixels, a border pixel counts with the fraction of it that is inside.
    edges = np.arange(side)
    inside = np.clip(np.minimum(edges + 1, 2 * side / 3) - np.maximum(edges, side / 3), 0, 1)
    middle = (energy * inside[:, None] * inside[None]).sum()
    return float(middle / total) if total > 0 else float("nan")
