"""How likely matches are right: a probability for each cell, and a verdict on a pair, from the alignment alone.

The probability is a logistic regression, fitted to pairs whose matches are known: PF-WILLOW as released and
with b mirrored, warped photographs, faces, people, frames of a static scene, and photographs of unrelated
things. A match is right within a tenth of the object's larger side. `eval.alignment_verdicts` measures the
words on other pairs, and fits the coefficients to them anew.
"""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.ndimage import uniform_filter

# The coefficients of `match_features`.
_INTERCEPT, _COEFFICIENTS = 1.474, (0.698, -0.606, -2.479)
# A cell shows the same in both photographs if it stays in place and its descriptors are as similar as this.
_SAME_SIMILARITY, _SAME_CELLS = 0.75, 0.75
# Above this fraction of such cells the pair shows a static scene, of which the rest is of interest.
_STATIC = 0.15
# The similarity from which a cell of a static scene counts as unchanged.
_UNCHANGED = 0.8

GOOD = 0.62
"""The least probability of a good pair."""
POOR, POOR_POINTS = 0.33, 0.3
"""The probability below which a pair is poor: by its cells, and by points."""
DOUBTFUL_POINT = 0.5
"""Points with a lower confidence are drawn as doubtful."""


class Verdict(NamedTuple):
    """Whether a pair was aligned well."""

    word: Literal["good", "doubtful", "poor"]
    probability: float
    """The mean probability that a match of the object, or of the points, is right."""
    static: float
    """The fraction of cells that show the same at the same place of both photographs."""

    @property
    def is_static(self) -> bool:
        """Whether the pair shows a static scene, of which the verdict leaves out what did not change."""
        return self.static > _STATIC

    @property
    def sentence(self) -> str:
        """The verdict in words, without a full stop."""
        sentence = f"{self.word}: {100 * self.probability:.0f} % of the matches are expected to be right"
        if self.is_static:
            sentence += " where the photographs differ, since much of the background is the same"
        return sentence


def static_fraction(flow: Float[np.ndarray, "h w 2"], similarity: Float[np.ndarray, "h w"]) -> float:
    """Compute the fraction of cells that stay in place and show the same.

    ``similarity`` is that of the descriptors at the same place of both photographs.
    """
    stays = (np.linalg.norm(flow, axis=-1) < _SAME_CELLS) & (similarity > _SAME_SIMILARITY)
    return float(stays.mean())


def mutual_distinctness(
    distinctness: Float[np.ndarray, "h w"], cycle_error: Float[np.ndarray, "h w"]
) -> Float[np.ndarray, "h w"]:
    """Compute ``distinctness * exp(-cycle_error² / 2)``."""
    return distinctness * np.exp(-(cycle_error**2) / 2)


def match_features(
    flow: Float[np.ndarray, "h w 2"],
    distinctness: Float[np.ndarray, "h w"],
    cycle_error: Float[np.ndarray, "h w"],
    static: float,
) -> Float[np.ndarray, "h w 3"]:
    """Compute what the probability of a match depends on.

    The three are logarithms of the distinctness of mutual matches around the cell and of the squared
    differences between neighbours' displacements around it; and the excess of a static background.
    """
    bending, neighbors = np.zeros(flow.shape[:2]), np.zeros(flow.shape[:2])
    for axis in (0, 1):
        squares = (np.diff(flow, axis=axis) ** 2).sum(axis=-1)
        for side in (slice(1, None), slice(None, -1)):
            part = (side, slice(None)) if axis == 0 else (slice(None), side)
            bending[part] += squares
            neighbors[part] += 1
    return np.stack(
        [
            np.log(0.003 + uniform_filter(mutual_distinctness(distinctness, cycle_error), 3)),
            np.log(0.01 + uniform_filter(bending / np.maximum(neighbors, 1), 3)),
            np.full(flow.shape[:2], max(0.0, static - _STATIC)),
        ],
        axis=-1,
    )


def match_probability(features: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n"]:
    """Compute the probability that a match is right within a tenth of the object's larger side."""
    return 1 / (1 + np.exp(-(_INTERCEPT + features @ np.array(_COEFFICIENTS))))


def judge_cells(
    probability: Float[np.ndarray, "h w"], similarity: Float[np.ndarray, "h w"], *, static: float
) -> Verdict:
    """Judge a pair by the likelier half of its cells, or, in a static scene, by the cells that changed."""
    if static > _STATIC:
        weights = np.maximum(_UNCHANGED - similarity, 1e-6) ** 2
        mean = float((weights * probability).sum() / weights.sum())
    else:
        mean = float(np.sort(probability, axis=None)[probability.size // 2 :].mean())
    return Verdict(_word(mean, POOR), mean, static)


def judge_points(confidence: Float[np.ndarray, " n"], *, static: float) -> Verdict:
    """Judge a pair by the confidence of its points; those that are NaN have no vote, and at least one has."""
    mean = float(np.nanmean(confidence))
    return Verdict(_word(mean, POOR_POINTS), mean, static)


def _word(probability: float, poor: float) -> Literal["good", "doubtful", "poor"]:
    return "good" if probability >= GOOD else "doubtful" if probability >= poor else "poor"
