"""Label noise: how far the annotations of the same joints by several people are apart.

No model can be expected to be closer to one person's annotation than another person's is.

Source: Tompson et al. 2015, section 5, Table 1 and Figure 10: 13 people annotate 10 images.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from convcorr_jax.metrics.joint_table import COLUMNS, members_of

# Sides are exchanged if the sum of both distances becomes less than this fraction of itself. With 1, the noise
# of joints that are close to each other, such as the hips of a person in profile, would become too small.
_EXCHANGE_BELOW = 0.5


class LabelSpread(NamedTuple):
    """The label noise of one kind of joint, left and right together, in the unit of the annotations."""

    x: float
    """Mean standard deviation along x; NaN where no joint counts."""
    y: float
    """Mean standard deviation along y; NaN where no joint counts."""
    counted: int
    """The number of joints, of all images, with at least two annotations."""


class MatchedSides(NamedTuple):
    """Annotations whose left and right joints have been exchanged where they contradict a reference."""

    points: Float[np.ndarray, "images joints 2"]
    """The annotations (x, y)."""
    exchanged: Bool[np.ndarray, "images pairs"]
    """Which pairs of joints were exchanged."""
    compared: Bool[np.ndarray, "images pairs"]
    """Which pairs of joints have both joints in both annotations."""


def label_spreads(
    annotations: Float[np.ndarray, "annotators images joints 2"], joints: Sequence[str]
) -> dict[str, LabelSpread]:
    """Compute the standard deviation across annotators, averaged over images, for every column of joints.

    With the annotations a_1 ... a_n of one joint in one image along one axis, and N joints of all images,

        s^2 = 1/(n - 1) sum_k (a_k - mean a)^2,    sigma = 1/N sum s / c_4(n),

    where ``c_4(n) = sqrt(2/(n - 1)) Gamma(n/2) / Gamma((n - 1)/2)`` makes s / c_4 unbiased for normal noise:
    0.98 with 13 annotators, 0.80 with 2, for whom sigma is 0.89 times the mean distance along the axis.

    Args:
        annotations: joints (x, y), in any unit and in one frame for each image; NaN where an annotator did not
            annotate a joint. A joint with fewer than two annotations does not count.
        joints: names of the joints, in the order of the third axis.

    Returns:
        The spread of every column of `joint_table` that has joints, by its name.

    Raises:
        InputError: the names are not those of all joints, each once.

    Source: Tompson et al. 2015, section 5, Table 1.

    Differs from the paper: the division by c_4 makes spreads of different numbers of annotators comparable; the
    paper does not state which standard deviation it uses.
    """
    present = np.asarray(~np.isnan(annotations).any(axis=-1))
    counts = present.sum(axis=0)
    known = counts >= 2
    mean = (
        np.where(present[..., None], annotations, 0).sum(axis=0) / np.maximum(counts, 1)[..., None]
    )
    squares = np.where(present[..., None], (annotations - mean) ** 2, 0).sum(axis=0)
    factors = np.array([_c4(n) if n >= 2 else np.nan for n in range(len(annotations) + 1)])
    spreads = np.sqrt(squares / np.maximum(counts - 1, 1)[..., None]) / factors[counts][..., None]
    result = {}
    for column in COLUMNS:
        members = members_of((column,), joints, count=annotations.shape[2])
        if members:
            of_column = spreads[:, members][known[:, members]]
            x, y = of_column.mean(axis=0) if len(of_column) else (np.nan, np.nan)
            result[column] = LabelSpread(float(x), float(y), len(of_column))
    return result


def match_sides(
    points: Float[np.ndarray, "images joints 2"],
    reference: Float[np.ndarray, "images joints 2"],
    pairs: Sequence[tuple[int, int]],
) -> MatchedSides:
    """Exchange left and right joints where the annotation then agrees far better with a reference.

    A pair of joints is exchanged if the sum of the distances of both joints to the reference becomes less than
    half of what it was. Annotators confuse sides as a whole, which is not the noise of a joint's position.

    Args:
        points: annotated joints (x, y), in pixels; NaN where missing.
        reference: another annotation of the same joints, in the same frame.
        pairs: indices of left and right joints. A pair with a missing joint stays as it is.
    """
    matched = points.copy()
    exchanged, compared = np.zeros((2, len(points), len(pairs)), np.bool_)
    for number, (left, right) in enumerate(pairs):
        own = sum(_distances(points, reference, joint, joint) for joint in (left, right))
        other = _distances(points, reference, right, left)
        other = other + _distances(points, reference, left, right)
        compared[:, number] = ~np.isnan(own)
        exchanged[:, number] = other < _EXCHANGE_BELOW * own
        rows = np.flatnonzero(exchanged[:, number])
        matched[rows, left], matched[rows, right] = points[rows, right], points[rows, left]
    return MatchedSides(matched, exchanged, compared)


def _distances(points: np.ndarray, reference: np.ndarray, joint: int, other: int) -> np.ndarray:
    return np.linalg.norm(points[:, joint] - reference[:, other], axis=-1)


def _c4(n: int) -> float:
    """Return the expectation of the sample standard deviation of n normal numbers of variance 1."""
    return math.sqrt(2 / (n - 1)) * math.exp(math.lgamma(n / 2) - math.lgamma((n - 1) / 2))
