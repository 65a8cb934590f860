"""Which peaks of heat-maps are an object: those near a turned mean shape, or those that suit known pairs."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Complex, Float, Int

from convcorr_jax.annotation.shape import Similarity, complex_of, fit_similarity, points_of, share_outside
from convcorr_jax.annotation.windows import STRIDE_PX, cells_of, pixels_of

# A point that no peak supports costs this; log-probabilities below it count no further.
_FLOOR = -7.0
# The standard deviation of points about the mean shape, as a share of the diameter.
_SPREAD = 0.12
_PEAKS = 3
_MOST_PAIRS = 60
# Pairs of points that are closer than this share of the diameter say little about angle and size.
_LEAST_LENGTH = 0.3
# Another hypothesis lies elsewhere or is turned otherwise: shares of the diameter, and radians.
_ELSEWHERE, _TURNED = 0.3, np.pi / 4
_LOOKED_AT = 200
# Pairs of points are as far apart as in a known shape, but for shares of the diameter and of the distance.
_PAIR_PEAKS, _PAIR_BASE, _PAIR_SHARE = 6, 0.05, 0.15
_PAIR_WEIGHT = 0.5


class Hypothesis(NamedTuple):
    """An object's similarity from the mean shape to pixels, and its mean log-probability of a point."""

    fit: Similarity
    score: float


class _Peaks(NamedTuple):
    places: Complex[np.ndarray, "n k"]
    logs: Float[np.ndarray, "n k"]


def _peaks(heat: Float[np.ndarray, "h w n"], count: int) -> _Peaks:
    """Return each point's greatest local maxima, as pixels, and the log of the probability around them."""
    from scipy import ndimage

    local = ndimage.maximum_filter(heat, (5, 5, 1)) == heat
    mass = ndimage.uniform_filter(heat, (3, 3, 1), mode="constant") * 9
    n = heat.shape[-1]
    best = np.argsort(-np.where(local, heat, -1).reshape(-1, n), axis=0)[:count]
    rows, columns = np.divmod(best, heat.shape[1])
    places = complex_of(pixels_of(np.stack([columns, rows], axis=-1).astype(float)))
    logs = np.log(np.maximum(np.take_along_axis(mass.reshape(-1, n), best, axis=0), 1e-12))
    return _Peaks(places.T, logs.T)


def find_objects(
    heat: Float[np.ndarray, "h w n"],
    mean: Complex[np.ndarray, " n"],
    *,
    sizes_px: tuple[float, float],
    angle_range: float,
    objects: int,
) -> Sequence[Hypothesis]:
    """Return the most probable places, angles and sizes of a shape, the best first.

    Each pair of peaks of two points is a hypothesis. Its score is the mean over points of ``log p - d^2 / (2
    s^2)`` for the best peak at the distance d from its place in the shape, with s = 0.12 diameters, and at
    least -7. The best are fitted to their peaks by least squares, and their sizes clipped to ``sizes_px``.

    Args:
        heat: the probabilities of points in cells.
        objects: the most hypotheses; they differ in place or angle.
    """
    peaks = _peaks(heat, _PEAKS if objects <= _PEAKS else objects + 2)
    a, b = _pairs(peaks, mean, sizes_px)
    left = np.argsort(-_scores(peaks, mean, a, b))
    found: list[Hypothesis] = []
    for _ in range(_LOOKED_AT):
        if not len(left) or len(found) == objects:
            break
        row, left = left[0], left[1:]
        one = _refitted(peaks, mean, Similarity(complex(a[row]), complex(b[row])), sizes_px)
        if abs(np.angle(one.fit.a)) > max(1.2 * angle_range, 0.1) and angle_range < np.pi:
            continue
        if all(_is_apart(one.fit.a, one.fit.b, other.fit) for other in found):
            found.append(one)
            left = left[_is_apart(a[left], b[left], one.fit)]
    return sorted(found, key=lambda one: -one.score)


def _is_apart(a: Any, b: Any, other: Similarity) -> Any:
    """Return whether similarities ``a, b`` lie elsewhere than another one, or are turned otherwise."""
    turned = np.abs(np.angle(a / other.a)) > _TURNED
    return turned | (np.abs(b - other.b) > _ELSEWHERE * np.minimum(np.abs(a), abs(other.a)))


def _pairs(peaks: _Peaks, mean: np.ndarray, sizes_px: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return the similarities ``a, b`` of pairs of peaks whose lengths are possible."""
    n, k = peaks.places.shape
    lengths = np.abs(mean[:, None] - mean)
    pairs = [pair for pair in combinations(range(n), 2) if lengths[pair] > _LEAST_LENGTH]
    pairs = sorted(pairs, key=lambda pair: -lengths[pair])[:_MOST_PAIRS]
    chosen = np.array([(i, j, p, q) for i, j in pairs for p in range(k) for q in range(k)], int).reshape(-1, 4)
    i, j, p, q = chosen.T
    use = (peaks.logs[i, p] > _FLOOR) & (peaks.logs[j, q] > _FLOOR)
    i, j, p, q = chosen[use].T
    first, second = peaks.places[i, p], peaks.places[j, q]
    a = (second - first) / (mean[j] - mean[i])
    possible = (np.abs(a) > 0.7 * sizes_px[0]) & (np.abs(a) < 1.4 * sizes_px[1])
    a, middle = a[possible], (first + second)[possible] / 2
    a = a / np.abs(a) * np.clip(np.abs(a), *sizes_px)
    return a, middle - a * ((mean[i] + mean[j]) / 2)[possible]


def _support(peaks: _Peaks, mean: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return ``log p - d^2 / (2 s^2)`` of every peak for every similarity, ``[m, n, k]``."""
    expected = a[:, None] * mean + b[:, None]
    spread = _SPREAD * np.abs(a)[:, None, None]
    return peaks.logs - np.abs(expected[..., None] - peaks.places) ** 2 / (2 * spread**2)


def _scores(peaks: _Peaks, mean: np.ndarray, a: np.ndarray, b: np.ndarray) -> Float[np.ndarray, " m"]:
    return np.maximum(_support(peaks, mean, a, b).max(axis=-1), _FLOOR).mean(axis=-1)


def _refitted(peaks: _Peaks, mean: np.ndarray, fit: Similarity, sizes_px: tuple[float, float]) -> Hypothesis:
    for _ in range(3):
        support = _support(peaks, mean, np.array([fit.a]), np.array([fit.b]))[0]
        used = support.max(axis=-1) > _FLOOR
        if used.sum() < 2:
            break
        target = np.where(used, peaks.places[np.arange(len(mean)), support.argmax(axis=-1)], np.nan)
        free = fit_similarity(mean, target)
        a = free.a / abs(free.a) * float(np.clip(abs(free.a), *sizes_px))
        # With the size clipped, the shift of least squares is another.
        fit = Similarity(a, complex(np.nanmean(target - a * mean)))
    return Hypothesis(fit, float(_scores(peaks, mean, np.array([fit.a]), np.array([fit.b]))[0]))


class Pairs(NamedTuple):
    """How the points of known shapes lie to one another: in shape m, point i is displaced by d_mij from j.

    Source: the spatial model of Tompson et al. 2015, section 3.3. Differs from the paper: the kernels are the
    densities of the examples' own displacements, not learned; messages are exchanged by peaks alone, and have
    half their weight, since those of many points are not independent.
    """

    displacements: Complex[np.ndarray, "m n n"]
    """Pixels; 0 where they are unknown."""
    variances: Float[np.ndarray, "m n n"]
    """s_mij^2: the sum of the squares of 0.05 diameters and of 0.15 |d_mij|."""
    known: Float[np.ndarray, "m n n"]
    """1 for two points of which neither is absent, else 0."""

    @classmethod
    def of(cls, shapes: Complex[np.ndarray, "m n"]) -> "Pairs":
        """Return the pairs of shapes in pixels, in which absent points are NaN."""
        apart = shapes[:, :, None] - shapes[:, None]
        known = np.isfinite(apart)
        lengths = np.abs(np.where(known, apart, 0))
        base = _PAIR_BASE * np.median(lengths.max(axis=(1, 2)))
        variances = base**2 + (_PAIR_SHARE * lengths) ** 2 + 1e-6
        others = ~np.eye(shapes.shape[1], dtype=bool)
        return cls(np.where(known, apart, 0), variances, (known & others).astype(float))

    def choose(self, heat: Float[np.ndarray, "h w n"]) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Return the cell of each point, counted along rows, that suits the other points, and its probability.

        Of the six greatest peaks a of a point i, with the probabilities p_i(a) of the cells around them, the
        one is chosen of which

            log p_i(a) + 1/2 sum_{j != i} log(sum_b p_j(b) mean_m N(x_a - x_b; d_mij, s_mij^2) + 1 / A)

        is the greatest, where A is the area of the map. Pairs that no shape has say nothing. The probability is
        the softmax of these sums.
        """
        from scipy import special

        peaks = _peaks(heat, min(_PAIR_PEAKS, heat.shape[0] * heat.shape[1]))
        places, p = peaks.places, np.exp(peaks.logs)
        apart = places[:, :, None, None] - places
        density = np.zeros(apart.shape)
        for parts in zip(*self, strict=True):
            d, v, use = (part[:, None, :, None] for part in parts)
            density += use * np.exp(-(np.abs(apart - d) ** 2) / (2 * v)) / (2 * np.pi * v)
        count = self.known.sum(axis=0)
        density /= np.maximum(count, 1)[:, None, :, None]
        area = heat.shape[0] * heat.shape[1] * STRIDE_PX**2
        messages = np.log(np.einsum("iajb,jb->iaj", density, p) + 1 / area)
        logs = peaks.logs + _PAIR_WEIGHT * np.where(count[:, None] > 0, messages, 0).sum(axis=-1)
        chosen = places[np.arange(len(places)), logs.argmax(axis=1)]
        cells = cells_of(points_of(chosen)).round().astype(int)
        return cells[:, 1] * heat.shape[1] + cells[:, 0], special.softmax(logs, axis=1).max(axis=1)

    def outside(
        self, points: Complex[np.ndarray, " n"], weights: Float[np.ndarray, " n"], back: Similarity,
        size: Sequence[int],
    ) -> Float[np.ndarray, " n"]:  # fmt: skip
        """Return the probability that each point is outside a photograph, by the places of the others.

        It is the mean over shapes and other points, with the weights of these over s_mij^2; 0 without pairs.

        Args:
            back: the similarity to the photograph.
            size: the size (height, width) of the photograph.
        """
        places = back.move(points + self.displacements)
        share = share_outside(places, np.sqrt(self.variances) * abs(back.a), size)
        weights = self.known * weights / self.variances
        return (weights * share).sum(axis=(0, 2)) / np.maximum(weights.sum(axis=(0, 2)), 1e-12)
