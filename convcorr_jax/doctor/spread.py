"""A robust estimate of a standard deviation: the scaled median absolute deviation (MAD)."""

import numpy as np
from jaxtyping import Float

# The standard deviation of a normal distribution, in units of its median absolute deviation.
_STANDARD_DEVIATIONS_PER_MAD = 1.4826


def robust_spread(deviations: Float[np.ndarray, " n"]) -> float:
    """Estimate a standard deviation by ``1.4826 * median(|d|)``, consistent for a normal distribution.

    Args:
        deviations: ``[n]`` differences from the centre of the distribution; NaN is left out.

    >>> round(robust_spread(np.array([-1.0, 1.0, np.nan, 100.0, -1.0])), 4)
    1.4826
    """
    return _STANDARD_DEVIATIONS_PER_MAD * float(np.nanmedian(np.abs(deviations)))
