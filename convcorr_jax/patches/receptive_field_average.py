"""What the receptive fields of similar features have in common (Figure 2 of Long et al. 2014).

The mean of the receptive fields of a feature's nearest neighbours is sharp where they agree and plain
where they do not (`views.mean_windows`, with the side of the field).
"""

import numpy as np
from jaxtyping import Float

from convcorr_jax.shapes import Image


def expand_contrast(mean: Float[np.ndarray, "side side 3"]) -> Image:
    """A picture whose least value, over all channels, becomes 0 and whose greatest 255.

    One of a single value becomes black.
    """
    low, high = mean.min(), mean.max()
    spread = max(float(high - low), np.finfo(np.float32).tiny)
    return np.round((mean - low) / spread * 255).astype(np.uint8)


def middle_share(mean: Float[np.ndarray, "side side 3"]) -> float:
    """How much of a picture's gradient energy lies in the middle ninth of its area, between 0 and 1.

    The energy is the squared length of the gradient, summed over the channels. It is 1/9 where detail is
    spread evenly, and NaN where there is none.

    >>> picture = np.zeros((9, 9, 3))
    >>> picture[4, 4] = 1.0
    >>> middle_share(picture)
    1.0
    """
    side = mean.shape[0]
    vertical, horizontal = np.gradient(mean.astype(np.float64), axis=(0, 1))
    energy = (vertical**2 + horizontal**2).sum(-1)
    total = energy.sum()
    # Where thirds are not whole pixels, a border pixel counts for the part of it that lies inside.
    edges = np.arange(side)
    inside = np.clip(np.minimum(edges + 1, 2 * side / 3) - np.maximum(edges, side / 3), 0, 1)
    middle = (energy * inside[:, None] * inside[None]).sum()
    return float(middle / total) if total > 0 else float("nan")
