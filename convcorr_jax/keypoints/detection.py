"""Keypoint detectors: one linear classifier for every keypoint, applied to all candidates of a box.

A detector's score at a candidate is ``w . x + b``, where x is the window of descriptors around the candidate.
All detectors of a category are fitted together on one pool of candidates: the positive examples of every
keypoint, some random candidates, and, after every round of mining, those negative examples outside the pool
that violate the margin (``w . x + b > -1``) most. A candidate of the pool counts for the keypoints of which it
is a positive or negative example. Maps are descriptors of the candidates and of a rim of half a window around
them. Labels are 1 for positive examples, -1 for negative ones, 0 for candidates that do not count; others raise
an `InputError`.

The paper leaves open how many rounds of mining there are, how many negative examples each of them adds, and
from which pool mining starts.

Source: Long, Zhang and Darrell 2014, section 5.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num

from convcorr_jax.arrays import padded_batches
from convcorr_jax.errors import InputError
from convcorr_jax.flow import parabola_vertex
from convcorr_jax.linear import svm
from convcorr_jax.linear.svm import LinearSVM

# Random candidates of the initial pool for every positive example.
RANDOM_PER_EXAMPLE = 0.5
# Negative examples that a round of mining adds for every image and keypoint.
ADDED_PER_ROUND = 2
# The pool is padded, with rows and keypoints that do not count, to one of a few shapes, so that rounds and
# categories share a compiled program.
LEAST = svm.Least(rows=2048, classes=8)
# Images whose candidates are scored in one call.
IMAGES_AT_ONCE = 16
# A fit stops at a duality gap of this fraction of the objective.
TOLERANCE = 1e-3


class Detectors(NamedTuple):
    """A linear classifier of windows of descriptors for every keypoint."""

    weights: Float[Array, "n window window d"] | Float[np.ndarray, "n window window d"]
    bias: Float[Array, " n"] | Float[np.ndarray, " n"]


class MinedPool(NamedTuple):
    """The pool after a round of mining."""

    pool: Bool[np.ndarray, "images h w"]
    """What the next round fits."""
    violators: int
    """Candidates outside the previous pool that violate the margin of a keypoint."""


class BestCandidates(NamedTuple):
    """The candidate with the highest score for every keypoint."""

    points: Float[np.ndarray, "b n 2"]
    """Positions (x, y) in the frame of the candidates' centers."""
    candidates: Int[np.ndarray, "b n"]
    """Numbers of the candidates, counted row by row."""


@jax.jit
def score_candidates(
    maps: Num[Array, "b gh gw d"] | Num[np.ndarray, "b gh gw d"], detectors: Detectors
) -> Float[Array, "b h w n"]:
    """Compute ``w . x + b`` at every candidate for every keypoint; ``h`` is ``gh - window + 1``."""
    keypoints, window, _, length = detectors.weights.shape
    b, grid_height, grid_width, _ = maps.shape
    h, w = grid_height - window + 1, grid_width - window + 1
    # One product for all cells of the window, then a sum of shifted parts: a convolution with few outputs is
    # slow.
    flat = jnp.asarray(maps, jnp.float32).reshape(-1, length)
    parts = jnp.matmul(
        flat, detectors.weights.reshape(-1, length).T, precision=jax.lax.Precision.HIGHEST
    ).reshape(b, grid_height, grid_width, keypoints, window, window)
    total = sum(parts[:, i : i + h, j : j + w, :, i, j] for i in range(window) for j in range(window))
    return total + jnp.reshape(detectors.bias, (1, 1, 1, keypoints))


def score_images(
    maps: Num[np.ndarray, "images gh gw d"], detectors: Detectors
) -> Float[np.ndarray, "images h w n"]:
    """Compute `score_candidates` for one or more images, which may be mapped from disk, in batches."""
    size = min(IMAGES_AT_ONCE, len(maps))
    return np.concatenate(
        [
            np.asarray(score_candidates(maps[rows], detectors))[:own]
            for rows, own in padded_batches(len(maps), size=size)
        ]
    )


def initial_pool(labels: Num[np.ndarray, "images h w n"], *, seed: int) -> Bool[np.ndarray, "images h w"]:
    """Choose the positive examples of every keypoint, and at random about half as many other candidates."""
    _check_signs(labels)
    examples = (labels == 1).any(axis=-1)
    chance = RANDOM_PER_EXAMPLE * examples.mean()
    return examples | (np.random.default_rng(seed).random(examples.shape) < chance)


def fit_detectors(
    maps: Num[np.ndarray, "images gh gw d"],
    labels: Num[np.ndarray, "images h w n"],
    pool: Bool[np.ndarray, "images h w"],
    *,
    cost: float,
    start: Detectors | None = None,
) -> Detectors:
    """Fit the detectors of all keypoints to the candidates of a pool, by SVMs with the squared hinge.

    Args:
        cost: the SVMs' C, the weight of the loss against the squared norm of the weights.
        start: detectors of an earlier round, from which the fit starts.

    Raises:
        InputError: a descriptor is not finite, a label is not -1, 0 or 1, or the cost is not positive.
    """
    _check_signs(labels)
    window = maps.shape[1] - labels.shape[1] + 1
    places = np.nonzero(pool)
    signs = labels[places]
    padded = svm.pad(
        _windows(maps, places, window).astype(np.float32),
        signs == 1,
        weights=(signs != 0).astype(np.float32),
        least=LEAST,
    )
    rows, positive, weights = (jnp.asarray(part) for part in padded)
    machines = svm.fit(
        rows,
        positive,
        cost=cost,
        sample_weights=weights,
        start=None if start is None else _as_machine(start, rows, positive, cost * weights),
        tolerance=TOLERANCE,
    )
    keypoints = labels.shape[-1]
    return Detectors(
        np.asarray(machines.weights)[:keypoints].reshape(keypoints, window, window, maps.shape[-1]),
        np.asarray(machines.bias)[:keypoints],
    )


def mine_violators(
    maps: Num[np.ndarray, "images gh gw d"],
    labels: Num[np.ndarray, "images h w n"],
    pool: Bool[np.ndarray, "images h w"],
    detectors: Detectors,
) -> MinedPool:
    """Add the two worst violators of every image and keypoint to a pool.

    A violator is a negative example outside the pool with a score above -1.
    """
    _check_signs(labels)
    grown, violators = pool.copy(), 0
    for start in range(0, len(maps), IMAGES_AT_ONCE):
        block = slice(start, start + IMAGES_AT_ONCE)
        scores = score_images(maps[block], detectors)
        violates = (scores > -1) & (labels[block] == -1) & ~pool[block, :, :, None]
        violators += int(violates.any(axis=-1).sum())
        excess = np.where(violates, scores, -np.inf).reshape(len(scores), -1, scores.shape[-1])
        added = min(ADDED_PER_ROUND, excess.shape[1])
        worst = np.argpartition(-excess, added - 1, axis=1)[:, :added]
        image, rank, keypoint = np.nonzero(np.take_along_axis(excess, worst, axis=1) > -np.inf)
        grown[block].reshape(len(scores), -1)[image, worst[image, rank, keypoint]] = True
    return MinedPool(grown, violators)


def best_candidates(
    scores: Float[np.ndarray, "b h w n"], centers: Float[np.ndarray, "h w 2"], *, refine: bool = False
) -> BestCandidates:
    """Find the candidate with the highest score for every keypoint.

    The point of a keypoint is NaN if one of its scores is NaN.

    Args:
        refine: move each point to the vertex of the parabola through the best score and its two neighbors,
            on each axis independently, by at most half a cell. A candidate at the edge of the grid does not
            move across it.
    """
    b, h, w, n = scores.shape
    best = scores.reshape(b, h * w, n).argmax(axis=1)
    known = np.asarray(~np.isnan(scores).any(axis=(1, 2)))
    points = np.where(known[..., None], centers.reshape(-1, 2)[best], np.nan)
    if refine:
        spacing = centers[min(1, h - 1), min(1, w - 1)] - centers[0, 0]
        points = points + spacing * _refinement(scores, best)
    return BestCandidates(points, best)


def _refinement(scores: Float[np.ndarray, "b h w n"], best: Int[np.ndarray, "b n"]):
    """Compute the offset (x, y), in cells, of the parabolas' maxima from the best candidates."""
    image, keypoint = np.indices(best.shape)
    row, column = np.divmod(best, scores.shape[2])
    # A parabola's vertex is found for a minimum, so scores become costs; beyond the grid they are infinite.
    costs = np.pad(-scores, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=np.inf)
    center = -scores[image, row, column, keypoint]
    left, right = (costs[image, row + 1, column + step, keypoint] for step in (0, 2))
    above, below = (costs[image, row + step, column + 1, keypoint] for step in (0, 2))
    return np.stack([parabola_vertex(left, center, right), parabola_vertex(above, center, below)], axis=-1)


def _check_signs(labels: Num[np.ndarray, "images h w n"]) -> None:
    # Unsigned types hold 255 for -1, which equals no sign.
    if labels.dtype.kind != "i" or (labels.size and (labels.min() < -1 or labels.max() > 1)):
        raise InputError(f"labels are {labels.dtype}; signed numbers -1, 0 and 1 are expected")


def _windows(maps, places, window: int):
    """Return the descriptors in the window of every place (image, row, column), one row for each place."""
    image, row, column = places
    parts = [maps[image, row + i, column + j] for i in range(window) for j in range(window)]
    return np.concatenate(parts, axis=1)


def _as_machine(
    detectors: Detectors,
    rows: Float[Array, "m e"],
    positive: Bool[Array, "m n"],
    upper_bounds: Float[Array, "m n"],
) -> LinearSVM:
    """Return earlier detectors as the start of a fit; the squared hinge gives the dual from their margins."""
    classes = positive.shape[1]
    missing = (0, classes - len(detectors.bias))
    unknown = jnp.zeros(classes)
    weights = np.asarray(detectors.weights).reshape(len(detectors.bias), -1)
    machine = LinearSVM(
        jnp.asarray(np.pad(weights, (missing, (0, 0)))),
        jnp.asarray(np.pad(np.asarray(detectors.bias), missing)),
        objective=unknown,
        gap=unknown,
        rounds=jnp.zeros(classes, jnp.int32),
        converged=jnp.zeros(classes, bool),
        dual=jnp.zeros((classes, len(rows))),
    )
    margins = jnp.where(positive, 1, -1) * machine.decisions(rows)
    return machine._replace(dual=(2 * upper_bounds * jnp.maximum(1 - margins, 0)).T)
