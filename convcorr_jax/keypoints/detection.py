"""Keypoint detectors: one linear classifier a keypoint, slid over the candidates of a box.

A detector's score at a candidate is ``w . x + b``, with x the window of descriptors around it. All detectors
of a category are trained together, on one pool of candidates: the examples of every keypoint, some others at
random, and after every round the counterexamples that violate the margin (``w . x + b > -1``) most and are not
in the pool yet. A candidate of the pool counts for the keypoints of which it is an example or a counterexample.

The paper leaves open how many rounds there are, how many counterexamples each adds, and where mining starts.

Source: Long, Zhang and Darrell 2014, section 5.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Int8, Num

from convcorr_jax.linear import svm
from convcorr_jax.linear.svm import LinearSVM

# Candidates taken at random to begin with, for every example.
OTHERS = 0.5
# Counterexamples that a round adds, of every image and for every keypoint.
ADDED = 2
# The pool is filled up to one of a few sizes, with rows that do not count, so that rounds share a program: to
# a multiple of the greatest power of two that is an eighth to a quarter of it, and of this.
ROWS_STEP = 4096
# Images whose candidates are scored in one call.
IMAGES_AT_ONCE = 16
TOLERANCE = 1e-3


class Detectors(NamedTuple):
    """A linear classifier of windows of descriptors for every keypoint."""

    weights: Float[Array, "n window window d"] | Float[np.ndarray, "n window window d"]
    bias: Float[Array, " n"] | Float[np.ndarray, " n"]


class Mined(NamedTuple):
    """What a round of mining found."""

    pool: Bool[np.ndarray, "images h w"]
    violators: int
    """Candidates outside the earlier pool that violate the margin of a keypoint; some of them joined it."""


class Peaks(NamedTuple):
    """Where keypoints are decided to be."""

    points: Float[np.ndarray, "b n 2"]
    candidates: Int[np.ndarray, "b n"]
    """Number of the best candidate, row by row."""


@jax.jit
def scores(
    maps: Num[Array, "b gh gw d"] | Num[np.ndarray, "b gh gw d"], detectors: Detectors
) -> Float[Array, "b h w n"]:
    """``w . x + b`` at every candidate, for every keypoint.

    Args:
        maps: descriptors of the grids; a rim of half a window belongs to no candidate.
        detectors: of the keypoints.
    """
    keypoints, window, _, length = detectors.weights.shape
    b, grid_height, grid_width, _ = maps.shape
    h, w = grid_height - window + 1, grid_width - window + 1
    # A product for all places of the window, then sums of shifted parts: few outputs make a slow convolution.
    flat = jnp.asarray(maps, jnp.float32).reshape(-1, length)
    parts = jnp.matmul(
        flat, detectors.weights.reshape(-1, length).T, precision=jax.lax.Precision.HIGHEST
    ).reshape(b, grid_height, grid_width, keypoints, window, window)
    total = sum(
        parts[:, i : i + h, j : j + w, :, i, j] for i in range(window) for j in range(window)
    )
    return total + jnp.reshape(detectors.bias, (1, 1, 1, keypoints))


def all_scores(
    maps: Num[np.ndarray, "images gh gw d"], detectors: Detectors
) -> Float[np.ndarray, "images h w n"]:
    """`scores` of many images, some at a time."""
    blocks = []
    for start in range(0, len(maps), IMAGES_AT_ONCE):
        block = maps[start : start + IMAGES_AT_ONCE]
        missing = min(IMAGES_AT_ONCE, len(maps)) - len(block)
        filled = np.pad(block, ((0, missing), (0, 0), (0, 0), (0, 0)))
        blocks.append(np.asarray(scores(filled, detectors))[: len(block)])
    return np.concatenate(blocks)


def first_pool(
    labels: Int8[np.ndarray, "images h w n"], *, seed: int
) -> Bool[np.ndarray, "images h w"]:
    """Every keypoint's examples, and half as many other candidates at random."""
    examples = (labels == 1).any(axis=-1)
    others = np.random.default_rng(seed).random(examples.shape) < OTHERS * examples.mean()
    return examples | others


def fit(
    maps: Num[np.ndarray, "images gh gw d"],
    labels: Int8[np.ndarray, "images h w n"],
    pool: Bool[np.ndarray, "images h w"],
    *,
    cost: float,
    start: Detectors | None = None,
) -> Detectors:
    """Detectors of all keypoints, by the squared hinge on the pool's candidates.

    Args:
        maps: descriptors of the grids, a rim of half a window around the candidates.
        labels: 1 for examples, -1 for counterexamples, 0 for what does not count.
        pool: the candidates that are fitted.
        cost: as of `svm.fit`.
        start: an earlier round's.

    Raises:
        InputError: as `svm.fit`.
    """
    window = maps.shape[1] - labels.shape[1] + 1
    places = np.nonzero(pool)
    count = len(places[0])
    missing = -count % max(ROWS_STEP, 2 ** (count.bit_length() - 3))
    windows = np.zeros((count + missing, window * window * maps.shape[-1]), np.float32)
    windows[:count] = _windows(maps, places, window)
    rows = jnp.asarray(windows)
    counted = np.pad(labels[places], ((0, missing), (0, 0)))
    positive, weights = jnp.asarray(counted == 1), jnp.asarray(counted != 0, jnp.float32)
    found = svm.fit(
        rows,
        positive,
        cost=cost,
        sample_weights=weights,
        start=None if start is None else _as_machine(start, rows, positive, cost * weights),
        tolerance=TOLERANCE,
    )
    return Detectors(
        np.asarray(found.weights).reshape(-1, window, window, maps.shape[-1]),
        np.asarray(found.bias),
    )


def mine(
    maps: Num[np.ndarray, "images gh gw d"],
    labels: Int8[np.ndarray, "images h w n"],
    pool: Bool[np.ndarray, "images h w"],
    detectors: Detectors,
) -> Mined:
    """Add to the pool each image's two worst violators of every keypoint that are not in it."""
    grown, violators = pool.copy(), 0
    for start in range(0, len(maps), IMAGES_AT_ONCE):
        some = slice(start, start + IMAGES_AT_ONCE)
        found = all_scores(maps[some], detectors)
        violates = (found > -1) & (labels[some] == -1) & ~pool[some, :, :, None]
        violators += int(violates.any(axis=-1).sum())
        excess = np.where(violates, found, -np.inf).reshape(len(found), -1, found.shape[-1])
        added = min(ADDED, excess.shape[1])
        worst = np.argpartition(-excess, added - 1, axis=1)[:, :added]
        image, rank, keypoint = np.nonzero(np.isfinite(np.take_along_axis(excess, worst, axis=1)))
        grown[some].reshape(len(found), -1)[image, worst[image, rank, keypoint]] = True
    return Mined(grown, violators)


def peaks(
    score: Float[np.ndarray, "b h w n"],
    centers: Float[np.ndarray, "h w 2"],
    *,
    refine: bool = False,
) -> Peaks:
    """The best candidate for every keypoint.

    Args:
        score: of every candidate, no NaN; greater is better.
        centers: (x, y) of the candidates, on a regular grid.
        refine: move to the top of the parabola through the best candidate and its two neighbours, on each
            axis for itself, by at most half a cell. At the grid's edge nothing moves.
    """
    b, h, w, n = score.shape
    best = score.reshape(b, h * w, n).argmax(axis=1)
    points = centers.reshape(-1, 2)[best]
    if refine and min(h, w) > 1:
        points = points + (centers[1, 1] - centers[0, 0]) * _parabola_tops(score, best)
    return Peaks(points, best)


def _parabola_tops(score, best):
    """Offset (x, y) in cells of each parabola's top from its middle sample."""
    image, keypoint = np.indices(best.shape)
    row, column = np.divmod(best, score.shape[2])
    # Beyond the grid there is nothing, and the bend is not finite.
    padded = np.pad(score, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    middle = score[image, row, column, keypoint]

    def top(before, after):
        bend = before - 2 * middle + after
        bent = np.isfinite(bend) & (bend < 0)
        return np.where(bent, before - after, 0) / np.where(bent, 2 * bend, 1)

    across = (padded[image, row + 1, column + step, keypoint] for step in (0, 2))
    down = (padded[image, row + step, column + 1, keypoint] for step in (0, 2))
    with np.errstate(invalid="ignore"):
        return np.stack([top(*across), top(*down)], axis=-1)


def _windows(maps, places, window: int):
    """The descriptors in the window of every place (image, row, column), as rows."""
    image, row, column = places
    parts = [maps[image, row + i, column + j] for i in range(window) for j in range(window)]
    return np.concatenate(parts, axis=1)


def _as_machine(
    detectors: Detectors,
    rows: Float[Array, "m e"],
    positive: Bool[Array, "m n"],
    caps: Float[Array, "m n"],
) -> LinearSVM:
    """Earlier detectors as a start; the dual is what the squared hinge makes of their margins."""
    n = len(detectors.bias)
    unknown = jnp.zeros(n)
    machine = LinearSVM(
        jnp.asarray(detectors.weights).reshape(n, -1),
        jnp.asarray(detectors.bias),
        objective=unknown,
        gap=unknown,
        iterations=jnp.zeros(n, jnp.int32),
        converged=jnp.zeros(n, bool),
        dual=jnp.zeros((n, len(rows))),
    )
    margins = jnp.where(positive, 1, -1) * machine.decisions(rows)
    return machine._replace(dual=(2 * caps * jnp.maximum(1 - margins, 0)).T)
