"""RGB reconstruction: a photograph's colours from a vector that describes it, by one linear function a colour.

A photograph is squashed to a square of 46 x 46 pixels; its 6348 colours, between 0 and 1, are the targets of a
ridge regression. What a probe answers is clipped to that range.

Source: Sharif Razavian et al. 2014, section 3.1.
"""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Array, Float, UInt8

from convcorr_jax import images
from convcorr_jax.errors import InputError
from convcorr_jax.linear.ridge import Ridge

SIDE_PX = 46


def rgb_targets(
    photographs: Iterable[UInt8[np.ndarray, "_ _ 3"]], *, side_px: int = SIDE_PX
) -> Float[np.ndarray, "n t"]:
    """The colours of photographs of any size, each squashed to a square: rows of ``3 side_px^2`` numbers.

    >>> rgb_targets([np.full((20, 30, 3), 255, np.uint8)], side_px=2).tolist()
    [[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]]

    Raises:
        InputError: there is no photograph, or the side is not positive.
    """
    if side_px < 1:
        raise InputError(f"side_px is {side_px}; at least 1 is expected")
    rows = [images.resize(one, (side_px, side_px)).image.reshape(-1) for one in photographs]
    if not rows:
        raise InputError("there is no photograph whose colours could be targets")
    return np.stack(rows).astype(np.float32) / 255


def reconstruct(
    ridge: Ridge, features: Float[Array, "n d"] | Float[np.ndarray, "n d"]
) -> Float[np.ndarray, "n side side 3"]:
    """The squares that a ridge fitted to `rgb_targets` sees in features, between 0 and 1.

    Raises:
        InputError: the ridge's targets are not the colours of a square.
    """
    return as_squares(np.asarray(ridge.predict(features)))


def as_squares(rows: Float[np.ndarray, "n t"]) -> Float[np.ndarray, "n side side 3"]:
    """Rows of colours, as of `rgb_targets`, as squares, clipped to 0 and 1.

    Raises:
        InputError: there are not ``3 side^2`` colours in a row.
    """
    side = round((rows.shape[1] / 3) ** 0.5)
    if 3 * side**2 != rows.shape[1]:
        raise InputError(f"rows of {rows.shape[1]} numbers are not the colours of a square")
    return np.clip(rows, 0, 1).reshape(-1, side, side, 3)


def absolute_error(
    seen: Float[np.ndarray, "n side side 3"], truth: Float[np.ndarray, "n side side 3"]
) -> Float[np.ndarray, " n"]:
    """The mean absolute difference of the colours of every square.

    >>> absolute_error(np.zeros((1, 2, 2, 3)), np.full((1, 2, 2, 3), 0.25))
    array([0.25])
    """
    return np.abs(seen - truth).mean(axis=(1, 2, 3))
