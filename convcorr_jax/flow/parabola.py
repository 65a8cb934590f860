"""The vertex of a parabola through three samples, which refines an extremum below the sample spacing."""

from typing import TypeVar

import numpy as np
from jaxtyping import Array, Float

AnyArray = TypeVar("AnyArray", Float[Array, "*_"], Float[np.ndarray, "*_"])


def parabola_vertex(before: AnyArray, center: AnyArray, after: AnyArray) -> AnyArray:
    """Compute where the parabola through three equally spaced samples has its minimum.

    With samples a, b, c at -1, 0 and +1 the vertex is ``(a - c) / (2 (a - 2 b + c))``. For a maximum, pass the
    negated samples.

    >>> parabola_vertex(np.array([4.0]), np.array([1.0]), np.array([2.0]))
    array([0.25])

    Args:
        before: samples at -1, any shape, a NumPy or a JAX array.
        center: samples at 0.
        after: samples at +1.

    Returns:
        The vertex in sample spacings, between -0.5 and 0.5; 0 where the central sample is not a minimum, or
        where the curvature is infinite because a sample is; NaN where a sample is NaN.
    """
    # NumPy warns of the difference of two infinite samples, which is not used.
    with np.errstate(invalid="ignore"):
        return _vertex(center.__array_namespace__(), before, center, after)


def _vertex(xp, before, center, after):
    curvature = before - 2 * center + after
    lowest = (before >= center) & (after >= center) & (curvature > 0) & xp.isfinite(curvature)
    offset = xp.where(lowest, before - after, 0) / (2 * xp.where(lowest, curvature, 1))
    missing = xp.isnan(before) | xp.isnan(center) | xp.isnan(after)
    return xp.where(lowest, xp.clip(offset, -0.5, 0.5), xp.where(missing, xp.nan, 0.0))
