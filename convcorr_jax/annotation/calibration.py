"""How sure predictions are: the probability that a point is right, and a radius that holds the true one.

Both come from predictions of examples that the heads were not fitted to, with the failures of the search.

Source: Vovk, Gammerman and Shafer 2005, *Algorithmic Learning in a Random World* (split conformal prediction);
Lei et al. 2018, *Distribution-Free Predictive Inference for Regression*, section 5.2 (errors relative to their
expected size).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Complex, Float

from convcorr_jax.io import check_fields

RIGHT = 0.1
"""A point is right within this share of the object's diameter."""
COVERAGE = 0.9
# So few objects have no quantile of 90 %, because the points of an object are not independent; a point of its
# own needs more, or its radius varies with every example.
_LEAST_OBJECTS, _LEAST_OF_POINT = 9, 19
LEAST_SCORE = math.log(0.3)
"""A further object has at least this mean probability, if examples do not tell true ones from false ones."""
# Files of labels state rounded pixels.
_ROUNDED_PX = 0.05
# The weight of the prior belief that probabilities need no correction, in points.
_PRIOR_POINTS = 10
# Fewer absent points do not say from which probability on a point is absent.
_LEAST_ABSENT = 10
_FIELDS = {
    "probability": tuple[float, float], "spread": tuple[float, float], "quantiles": tuple[float | None, ...],
    "absent": float,
}  # fmt: skip


class HeldOut(NamedTuple):
    """What heads that were not fitted to labelled objects found of them."""

    photographs: tuple[str, ...]
    """The name of each object's photograph."""
    points: Complex[np.ndarray, "objects n"]
    """The labels, in pixels of the copy; NaN where a point is absent."""
    errors: Float[np.ndarray, "objects n"]
    """Shares of the diameter; NaN where a point is absent."""
    confidence: Float[np.ndarray, "objects n"]
    absent: Float[np.ndarray, "objects n"]
    scores: Float[np.ndarray, " found"]
    """Of every object that was found."""
    true: Float[np.ndarray, " found"]
    """1 if it is one, else 0."""

    @classmethod
    def join(cls, parts: Sequence["HeldOut"]) -> "HeldOut":
        """Return the objects of several parts."""
        names, *arrays = zip(*parts, strict=True)
        return cls(sum(names, ()), *(np.concatenate(each) for each in arrays))

    @property
    def right(self) -> float:
        """The share of points within `RIGHT` of the diameter."""
        return float((self.errors[np.isfinite(self.errors)] <= RIGHT).mean())

    def has(self, photograph: str, points: Complex[np.ndarray, " n"]) -> bool:
        """Return whether an object with these labels is one of them, but for rounding."""
        rows = [row for name, row in zip(self.photographs, self.points, strict=True) if name == photograph]
        return any(np.allclose(row, points, rtol=0, atol=_ROUNDED_PX, equal_nan=True) for row in rows)


@dataclass(frozen=True)
class Calibration:
    """Maps of the head's probability p of a point, by ``z = log(p / (1 - p))``."""

    probability: tuple[float, float] = (0.0, 1.0)
    """Intercept and slope: a point is right with the probability ``1 / (1 + exp(-(i + s z)))``."""
    spread: tuple[float, float] = (0.0, 0.0)
    """Intercept and slope of the logarithm of the expected error, as a share of the diameter."""
    quantiles: tuple[float, ...] = ()
    """By point, the quantile of errors over their expected size; NaN where it is unknown."""
    absent: float = 0.5
    """A point whose probability to be absent is at least this is called absent."""

    def right(self, confidence: Float[np.ndarray, "*b n"]) -> Float[np.ndarray, "*b n"]:
        """Return the probability that points are right."""
        intercept, slope = self.probability
        return 1 / (1 + np.exp(-(intercept + slope * _logit(confidence))))

    def radius(self, confidence: Float[np.ndarray, "*b n"]) -> Float[np.ndarray, "*b n"]:
        """Return the radius that holds the true point in 90 % of cases, as a share of the diameter."""
        if not self.quantiles:
            return np.full(confidence.shape, np.nan)
        intercept, slope = self.spread
        return np.exp(intercept + slope * _logit(confidence)) * np.array(self.quantiles)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON stores them."""
        quantiles = [None if math.isnan(q) else q for q in self.quantiles]
        numbers = {"probability": [*self.probability], "spread": [*self.spread], "quantiles": quantiles}
        return numbers | {"absent": self.absent}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Calibration":
        """Return the calibration that `to_json` stored."""
        check_fields(stored, _FIELDS, name="calibration")
        quantiles = tuple(math.nan if q is None else float(q) for q in stored["quantiles"])
        return cls(tuple(stored["probability"]), tuple(stored["spread"]), quantiles, float(stored["absent"]))


def _logit(p: np.ndarray) -> np.ndarray:
    clipped = np.clip(p, 1e-4, 1 - 1e-4)
    return np.log(clipped / (1 - clipped))


def calibrate(
    errors: Float[np.ndarray, "m n"], confidence: Float[np.ndarray, "m n"], absent: Float[np.ndarray, "m n"]
) -> Calibration:
    """Calibrate by the errors of held-out objects, as shares of their diameters; NaN where a point is absent.

    With ten absent points or more, points are called absent from the `best_threshold` of the held-out ones on,
    if the share of absent ones among those is nearer to 1 than to that among all points, and else from 1/2 on.

    The probability is a logistic regression, drawn to the identity by ten imagined points. The expected
    error is a regression of its logarithm, which does not rise with confidence; the radius is the conformal
    quantile of errors over it: of the point's own errors if there are at least 19, else of all points'. Of
    fewer than nine objects it is unknown.
    """
    known = np.isfinite(errors) & np.isfinite(confidence)
    if not known.any():
        return Calibration()
    z, error = _logit(confidence), np.maximum(errors, 1e-3)
    probability = _logistic(z[known], errors[known] <= RIGHT)
    slope, _ = np.polyfit(z[known], np.log(error[known]), 1) if np.ptp(z[known]) > 0.1 else (0.0, 0.0)
    slope = min(0.0, float(slope))
    intercept = float(np.mean(np.log(error[known]) - slope * z[known]))
    ratios = error / np.exp(intercept + slope * z)
    pooled = _quantile(ratios[known]) if known.any(axis=1).sum() >= _LEAST_OBJECTS else math.nan
    own = (ratios[known[:, k], k] for k in range(errors.shape[1]))
    quantiles = tuple(_quantile(each) if len(each) >= _LEAST_OF_POINT else pooled for each in own)
    gone, least = np.isnan(errors), Calibration.absent
    if gone.sum() >= _LEAST_ABSENT:
        best = best_threshold(absent.ravel(), gone.ravel(), int(gone.sum()))
        least = best if gone[absent >= best].mean() > (1 + gone.mean()) / 2 else least
    return Calibration(probability, (intercept, slope), quantiles, least)


def best_threshold(
    values: Float[np.ndarray, " m"], true: Float[np.ndarray, " m"] | Bool[np.ndarray, " m"], positives: int
) -> float:
    """Return the value from which on precision and recall have the greatest harmonic mean, F1.

    Args:
        true: which are true.
        positives: how many are true in all, with those that have no value.
    """
    order = np.argsort(-values)
    ordered, right = values[order], np.cumsum(true[order])
    f1 = 2 * right / (np.arange(1, len(ordered) + 1) + positives)
    # Between two equal values there is no threshold.
    f1[:-1][ordered[:-1] == ordered[1:]] = 0
    best = int(np.argmax(f1))
    return float(ordered[best : best + 2].mean())


def least_score(held: HeldOut) -> float:
    """Return the score from which on a further object of a photograph is one.

    Where all that was found is true, the least of its scores is no limit: it is `LEAST_SCORE`, if that is less.
    """
    if not len(held.scores):
        return LEAST_SCORE
    best = best_threshold(held.scores, held.true, len(held.errors))
    return min(best, LEAST_SCORE) if held.true.all() else best


def _quantile(values: Float[np.ndarray, " m"]) -> float:
    """Return the ``ceil((m + 1) 0.9)``-th smallest value."""
    rank = math.ceil((len(values) + 1) * COVERAGE)
    return float(np.sort(values)[rank - 1]) if rank <= len(values) else math.nan


def _logistic(z: Float[np.ndarray, " m"], right: Bool[np.ndarray, " m"]) -> tuple[float, float]:
    """Return intercept and slope by Newton's method, with imagined points on the identity."""
    grid = np.linspace(-3, 3, _PRIOR_POINTS)
    design = np.stack([np.ones(len(z) + len(grid)), np.concatenate([z, grid])], axis=1)
    target = np.concatenate([right.astype(float), 1 / (1 + np.exp(-grid))])
    weights = np.array([0.0, 1.0])
    for _ in range(30):
        p = 1 / (1 + np.exp(-design @ weights))
        hessian = (design * (p * (1 - p))[:, None]).T @ design + 1e-6 * np.eye(2)
        step = np.linalg.solve(hessian, design.T @ (target - p))
        weights = weights + np.clip(step, -1, 1)
    return float(weights[0]), max(0.05, float(weights[1]))
