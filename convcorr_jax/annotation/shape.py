"""Shapes of objects: similarities between windows and photographs, and the mean shape of the examples.

Points (x, y) are complex numbers ``x + iy`` here, so that a similarity is ``z -> a z + b``: ``|a|`` is the
scale, and the phase of a the angle in radians, clockwise in an image.

Source: Gower 1975, *Generalized Procrustes analysis*; the iteration stops when the mean no longer changes.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Complex, Float
from scipy import optimize, special
from scipy.spatial import Delaunay, QhullError

from convcorr_jax.errors import InputError

RIGID_RESIDUAL = 0.075
"""A set whose leave-one-out residual is below this share of its diameter is treated as one rigid body."""
_ITERATIONS = 20
# A shape is a mirrored one if its residual is above the first share of its diameter, and falls to the second
# share of itself when the shape is mirrored.
_UNLIKE, _MIRRORED_SHARE = 0.06, 0.6
# The limits of `swap_sides` and `symmetric`, and the cost of a pair of points whose names differ.
_PAIRED_SHARE, _ALIKE, _NEVER = 0.85, 0.15, 1e6
_SIDES = {"left": "right", "right": "left", "l": "r", "r": "l", "L": "R", "R": "L"}
_SIDE = r"left|right|(?<![a-z])[lr](?![a-z])"
# What separates the parts of a name, such as lEye, that are written without a space.
_JOINT = r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"
# The side in a name of capitals, such as FL or LF.
_OF_CAPITALS = r"(?<=[A-Z])[LR]$|^[LR](?=[A-Z])"
_WIDE_ANGLE, _COMMON_DIRECTION, _USUAL = np.deg2rad(23), 0.7, 0.8
# Few examples understate how far objects turn.
_ANGLE_FACTOR, _MORE_ANGLE = 1.2, np.deg2rad(14)


class Similarity(NamedTuple):
    """The map ``z -> a z + b`` of points."""

    a: complex
    b: complex

    def __call__(self, points: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n 2"]:
        """Map points."""
        return points_of(self.move(complex_of(points)))

    def move(self, numbers: Complex[np.ndarray, "*n"]) -> Complex[np.ndarray, "*n"]:
        """Map points that are complex numbers."""
        return self.a * numbers + self.b

    @property
    def inverse(self) -> "Similarity":
        """The map back."""
        return Similarity(1 / self.a, -self.b / self.a)

    def between_mirrored(self, source_width: float, target_width: float) -> "Similarity":
        """Return the same map between images that are both mirrored left to right."""
        a = self.a.conjugate()
        return Similarity(a, target_width - 1 - a * (source_width - 1) - self.b.conjugate())

    def __matmul__(self, first: "Similarity") -> "Similarity":
        """Map by ``first``, and then by this."""
        return Similarity(self.a * first.a, self.a * first.b + self.b)


def complex_of(points: Float[np.ndarray, "*n 2"]) -> Complex[np.ndarray, "*n"]:
    """Return points as complex numbers."""
    return points[..., 0] + 1j * points[..., 1]


def points_of(numbers: Complex[np.ndarray, "*n"]) -> Float[np.ndarray, "*n 2"]:
    """Return complex numbers as points."""
    return np.stack([np.real(numbers), np.imag(numbers)], axis=-1)


def share_outside(
    places: Complex[np.ndarray, "*n"], deviations: Float[np.ndarray, "*n"] | float, size: Sequence[int]
) -> Float[np.ndarray, "*n"]:
    """Return the probability that points, normally distributed about places, are outside a photograph."""
    inside = np.ones(places.shape)
    for place, side in ((places.real, size[1]), (places.imag, size[0])):
        low, high = (special.ndtr((end - place) / deviations) for end in (-0.5, side - 0.5))
        inside *= high - low
    return 1 - inside


def fit_similarity(
    source: Complex[np.ndarray, " n"], target: Complex[np.ndarray, " n"], *,
    weights: Float[np.ndarray, " n"] | None = None,
) -> Similarity:  # fmt: skip
    """Return the similarity of weighted least squares; pairs of which one is NaN do not count.

    With a single pair, or with points at one place, it is a shift.
    """
    known = np.isfinite(source) & np.isfinite(target)
    source, target = source[known], target[known]
    if not len(source):
        raise InputError("two objects have no point in common")
    w = None if weights is None else weights[known]
    middle, place = np.average(source, weights=w), np.average(target, weights=w)
    centred = source - middle
    weighted = centred if w is None else w * centred
    spread = np.vdot(weighted, centred).real
    a = complex(np.vdot(weighted, target - place) / spread) if spread > 0 else 1 + 0j
    a = a if abs(a) > 0 else 1 + 0j
    return Similarity(a, complex(place - a * middle))


def turn_between(source: Complex[np.ndarray, " n"], target: Complex[np.ndarray, " n"]) -> float:
    """Return the angle of the similarity from one shape to another, in radians."""
    return float(np.angle(fit_similarity(source, target).a))


def fit_robustly(
    source: Complex[np.ndarray, " n"], target: Complex[np.ndarray, " n"], weights: Float[np.ndarray, " n"], *,
    scale: float,
) -> Similarity:  # fmt: skip
    """Return the similarity that most points agree with.

    Least squares are solved three times anew with weights ``w / (1 + (r / scale)^2)`` of residuals r (Cauchy's
    function; Holland and Welsch 1977, *Robust regression using iteratively reweighted least-squares*).
    """
    fit = fit_similarity(source, target)
    for _ in range(3):
        closeness = 1 / (1 + (np.abs(fit.move(source) - target) / scale) ** 2)
        fit = fit_similarity(source, target, weights=weights * closeness)
    return fit


class MeanShape(NamedTuple):
    """The mean of shapes that differ by similarities: its points are centred, and its diameter is 1."""

    points: Complex[np.ndarray, " n"]
    angles: Float[np.ndarray, " examples"]
    """The angle of each example from the mean one, in radians."""
    diameters: Float[np.ndarray, " examples"]
    """The diameter of each example in pixels."""

    def angle_range(self, *, rigid: bool) -> float:
        """Return the largest angle from the upright position that is searched, in radians.

        Rigid objects turn by any angle if an example turns by more than 23 degrees. Where parts move, angles
        say less: all are searched if the mean of the unit vectors of the examples is shorter than 0.7.
        """
        angles = np.abs(self.angles)
        turned = np.quantile(angles, 1.0 if rigid else _USUAL)
        together = abs(np.exp(1j * self.angles).mean()) > _COMMON_DIRECTION
        if len(angles) < 2 or not together or (rigid and turned > _WIDE_ANGLE):
            return float(np.pi)
        return _ANGLE_FACTOR * float(turned) + float(_MORE_ANGLE)


def diameter(points: Complex[np.ndarray, " n"]) -> float:
    """Return the greatest distance of two of the known points."""
    known = points[np.isfinite(points)]
    return float(np.abs(known[:, None] - known).max()) if len(known) else 0.0


def dilate(points: Complex[np.ndarray, " n"], reach: float) -> Complex[np.ndarray, " m"]:
    """Return the corners of a regular polygon of this radius around each known point."""
    circle = reach * np.exp(2j * np.pi * np.arange(16) / 16)
    return (points[np.isfinite(points)][:, None] + circle).ravel()


def within_hull(
    points: Complex[np.ndarray, " m"], places: Float[np.ndarray, "h w 2"]
) -> Bool[np.ndarray, "h w"]:
    """Return which places are in the convex hull of points; all, if none is."""
    try:
        inside = Delaunay(points_of(points)).find_simplex(places.reshape(-1, 2)) >= 0
    except QhullError:
        return np.ones(places.shape[:2], bool)
    return inside.reshape(places.shape[:2]) if inside.any() else np.ones(places.shape[:2], bool)


def mean_shape(shapes: Sequence[Complex[np.ndarray, " n"]]) -> MeanShape:
    """Return the Procrustes mean of shapes, turned as they are turned on average.

    Raises:
        InputError: no shape has two points at different places.
    """
    known = [shape for shape in shapes if diameter(shape) > 0]
    if not known:
        raise InputError("no example has two points at different places")
    mean = max(known, key=lambda shape: (np.isfinite(shape).sum(), diameter(shape)))
    common = known
    for _ in range(_ITERATIONS):
        mean = (mean - np.nanmean(mean)) / diameter(mean)
        common = [shape for shape in known if (np.isfinite(shape) & np.isfinite(mean)).sum() > 1]
        moved = np.array([fit_similarity(shape, mean).move(shape) for shape in common])
        counts = np.isfinite(moved).sum(axis=0)
        mean = np.where(counts, np.nansum(moved, axis=0) / np.maximum(counts, 1), mean)
    mean = (mean - np.nanmean(mean)) / diameter(mean)
    fits = [fit_similarity(mean, shape).a for shape in common]
    turn = np.sum([a / abs(a) for a in fits])
    turn = turn / abs(turn) if abs(turn) > 1e-9 else 1.0
    return MeanShape(mean * turn, np.angle([a / turn for a in fits]), np.array([abs(a) for a in fits]))


def mirror_shape(points: Complex[np.ndarray, " n"], swaps: Sequence[int]) -> Complex[np.ndarray, " n"]:
    """Return a shape mirrored left to right; ``swaps`` has the place of each point in the mirrored shape."""
    return -np.conj(points[list(swaps)])


def swap_sides(names: Sequence[str], mean: Complex[np.ndarray, " n"]) -> tuple[int, ...]:
    """Return the place of each point's partner on the other side: left and right, l and r in their names.

    A first or last capital L or R beside another capital is a side if both are there: FL and FR, or LF and RF,
    but not TAIL alone.
    Names with numbers may count the sides in other orders, as ``left_eye_0`` and ``right_eye_3`` of a face,
    and numbers alone may tell sides. If there are points of two sides, those whose names are alike but for
    sides and numbers are also paired by their places: each with the nearest one in the mirrored mean shape,
    which is fitted to the shape by a similarity. These pairs are kept if they reduce the residual of the
    mirrored shape to less than 0.85 of it.

    >>> swap_sides(["nose", "leftEar", "rightEar", "l_eye", "r_eye", "left_hip"], np.arange(6) * 1j)
    (0, 2, 1, 4, 3, 5)
    """
    pairs = [_name_and_partner(name, names) for name in names]
    lower, partners = [name for name, _ in pairs], [partner for _, partner in pairs]
    found = [lower.index(one) if one in lower else k for k, one in enumerate(partners)]
    by_name = [one if found[one] == k else k for k, one in enumerate(found)]
    own, other = ([re.sub(r"\d+", "", one) for one in each] for each in (lower, partners))
    alike = np.array([[one == stem for one in own] for stem in other])
    if all(own[k] == other[k] or not alike[k].any() for k in range(len(own))) or not np.isfinite(mean).all():
        return tuple(by_name)
    np.fill_diagonal(alike, alike.diagonal() | ~alike.any(axis=1))
    by_place = by_name
    for _ in range(_ITERATIONS):
        mirrored = fit_similarity(mirror_shape(mean, by_place), mean).move(-np.conj(mean))
        squares = np.where(alike, np.abs(mirrored[:, None] - mean) ** 2, _NEVER)
        by_place, before = optimize.linear_sum_assignment(squares)[1].tolist(), by_place
        if by_place == before:
            break
    paired = [one for k, one in enumerate(by_place) if alike[k, one] and by_place[one] == k]
    by_residual = shape_distance(mean, mirror_shape(mean, by_place))
    better = by_residual < _PAIRED_SHARE * shape_distance(mean, mirror_shape(mean, by_name))
    return tuple(by_place if better and len(paired) == len(names) else by_name)


def _name_and_partner(name: str, names: Sequence[str]) -> tuple[str, str]:
    """Return a name in small letters, with its parts separated, and the one that its partner would have."""
    for side in re.finditer(_OF_CAPITALS, name):
        before, after = name[: side.start()], name[side.end() :]
        if before + _SIDES[side[0]] + after in names:
            own, other = (_separated(f"{before}_{one}_{after}") for one in (side[0], _SIDES[side[0]]))
            return own, other
    own = _separated(name)
    return own, re.sub(_SIDE, lambda match: _SIDES[match[0]], own)


def _separated(name: str) -> str:
    return re.sub(_JOINT, "_", name).lower()


def symmetric(shape: MeanShape, swaps: Sequence[int]) -> MeanShape:
    """Return the mean of a shape and its mirrored copy if points have partners and the two are alike.

    They are alike if the root of the mean squared distance, after a similarity, is below 0.15 diameters. The
    axis of the mean is turned upright if it is tilted by less than 23 degrees. So, a face that looks to a side
    says where the points of others are.
    """
    if not _has_like_sides(shape.points, swaps):
        return shape
    mirrored = mirror_shape(shape.points, swaps)
    twice = turn_between(mirrored, shape.points)
    tilt = twice / 2 if abs(twice / 2) < _WIDE_ANGLE else 0.0
    both = (shape.points + np.exp(1j * twice) * mirrored) * np.exp(-1j * tilt)
    return MeanShape(both / diameter(both), shape.angles + tilt, shape.diameters)


def _has_like_sides(mean: Complex[np.ndarray, " n"], swaps: Sequence[int]) -> bool:
    has_partners = tuple(swaps) != tuple(range(len(swaps)))
    return has_partners and shape_distance(mean, mirror_shape(mean, swaps)) < _ALIKE


def find_mirrored(shapes: Sequence[Complex[np.ndarray, " n"]], swaps: Sequence[int]) -> list[bool]:
    """Return which shapes are mirrored copies of what most of them are.

    Each shape and its mirrored copy are compared with the mean of all, which begins with the most complete one.
    None is a mirrored copy if the mean has two like sides (`symmetric`), as a face that looks to a side.
    """
    flags = [False] * len(shapes)
    if not any(diameter(shape) > 0 for shape in shapes):
        return flags
    mean = max(shapes, key=lambda shape: (np.isfinite(shape).sum(), diameter(shape)))
    for _ in range(3):
        flags = []
        for shape in shapes:
            plain = shape_distance(mean, shape)
            flags.append(
                plain > _UNLIKE and shape_distance(mean, mirror_shape(shape, swaps)) < _MIRRORED_SHARE * plain
            )
        mean = mean_shape(unmirrored(shapes, flags, swaps)).points
    if _has_like_sides(mean, swaps):
        return [False] * len(shapes)
    return [not flag for flag in flags] if 2 * sum(flags) > len(flags) else flags


def is_chiral(mean: Complex[np.ndarray, " n"], swaps: Sequence[int]) -> bool:
    """Return whether a shape differs from its mirrored copy."""
    return shape_distance(mean, mirror_shape(mean, swaps)) > _UNLIKE


def unmirrored(
    shapes: Sequence[Complex[np.ndarray, " n"]], flags: Sequence[bool], swaps: Sequence[int]
) -> list[Complex[np.ndarray, " n"]]:
    """Return shapes, of which those with a flag are mirrored back."""
    return [mirror_shape(one, swaps) if flag else one for one, flag in zip(shapes, flags, strict=True)]


def shape_distance(mean: Complex[np.ndarray, " n"], shape: Complex[np.ndarray, " n"]) -> float:
    """Return the root of the mean squared distance from the fitted mean, as a share of the shape's diameter.

    It is NaN with fewer than three points in common, or with all at one place.
    """
    if (np.isfinite(mean) & np.isfinite(shape)).sum() < 3 or not diameter(shape):
        return float("nan")
    distances = np.abs(fit_similarity(mean, shape).move(mean) - shape)
    return float(np.sqrt(np.nanmean(distances**2)) / diameter(shape))


def shape_residual(shapes: Sequence[Complex[np.ndarray, " n"]]) -> float:
    """Return the leave-one-out residual of the mean shape, as a share of the diameter.

    Each shape is compared with the mean of the others, which is fitted to it by a similarity: the root of the
    mean squared distance over its points, divided by its diameter; the median over shapes. With a single shape,
    or fewer than three points, nothing is left over to compare: NaN.
    """
    residuals = []
    for place, shape in enumerate(shapes):
        others = [other for number, other in enumerate(shapes) if number != place]
        if any(diameter(other) > 0 for other in others):
            residuals.append(shape_distance(mean_shape(others).points, shape))
    known = [one for one in residuals if not np.isnan(one)]
    return float(np.median(known)) if known else float("nan")
