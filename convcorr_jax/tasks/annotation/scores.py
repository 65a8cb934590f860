"""Scores of annotated photographs against their labels, and peers that learn nothing or solve one equation."""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import spearmanr

from convcorr_jax import coords, images, metrics
from convcorr_jax.annotation import heads
from convcorr_jax.annotation.calibration import RIGHT
from convcorr_jax.annotation.shape import complex_of, diameter
from convcorr_jax.backbone import activations, cell_centers, preprocess
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.errors import InputError
from convcorr_jax.io import read_image
from convcorr_jax.labels import FoundObject, FoundPhotograph, LabelledPhotograph
from convcorr_jax.linear import ridge
from convcorr_jax.report import interval_curves, pixels
from convcorr_jax.shapes import Image

PEERS = ("copying", "nearest cell", "ridge detectors", "ridge")
"""The methods of `annotate_by_peers`."""
# The layers of whole photographs and of cells, and the side of the squares in which peers see photographs.
_WHOLE, _CELLS, _SIDE = "conv5_3", "conv4_3", 320
# The penalty of detectors as a share of the mean eigenvalue, and the least deviation of places, of the side.
_PENALTY, _LEAST_SPREAD = 0.01, 0.1

Length = Callable[[np.ndarray], float]
"""What divides the errors of an object with these points; NaN where it is unknown."""


def lengths(per: Sequence[str], names: Sequence[str]) -> Length:
    """Return the unit of distances: px, extent (the longer side of the points' box), or two named points."""
    if tuple(per) == ("px",):
        return lambda points: 1.0
    if tuple(per) == ("extent",):
        return lambda points: float(np.ptp(points[np.isfinite(points[:, 0])], axis=0).max()) or np.nan
    if len(per) == 2 and set(per) <= set(names):
        a, b = (names.index(name) for name in per)
        return lambda points: float(np.linalg.norm(points[a] - points[b])) or np.nan
    raise InputError(f"distances per {' '.join(per)}: px, extent or two of {', '.join(names)} are expected")


def score(
    found: Sequence[FoundPhotograph], truth: Sequence[LabelledPhotograph], *, within: float, length: Length
) -> dict[str, Any]:
    """Compare the objects of photographs with the labelled ones.

    Each labelled object is compared with the nearest one that is found and not yet taken; with none, the errors
    of its points are infinite. Objects are right if half of their points are ``within`` the distance. The
    interval of 95 % draws photographs. ``reliability`` has, of present points by fifths of the confidence, the
    mean confidence, the share within `RIGHT` of the object's diameter, and the number of points.
    """
    errors, confidence, radii, absent, photographs, diameters, returned = [], [], [], [], [], [], 0
    for number, (photograph, labelled) in enumerate(zip(found, truth, strict=True)):
        left = list(photograph.objects)
        returned += len(left)
        for one in labelled.objects:
            error, sure, radius, missing = _compare(left, one.points, unit := length(one.points))
            errors.append(error)
            confidence.append(sure)
            radii.append(radius)
            absent.append(missing)
            diameters.append(np.full(len(error), diameter(complex_of(one.points)) / unit))
            photographs.append(number)
    right = sum(bool((one <= within).sum() >= max(1, (~np.isnan(one)).sum() / 2)) for one in errors)
    units = np.repeat(photographs, [len(one) for one in errors])
    error, sure, radius, missing = (np.concatenate(part) for part in (errors, confidence, radii, absent))
    known = ~np.isnan(error)
    held = known & np.isfinite(radius)
    called, gone, both = (int(part.sum()) for part in (missing, ~known, missing & ~known))
    distances: np.ndarray = error[known]
    return {
        "within": float((distances <= within).mean()),
        "interval": {"within": list(_interval(distances <= within, units[known]))},
        "mean": _finite(distances.mean()),
        "median": _finite(np.median(distances)),
        "rmse": _finite(np.sqrt(np.mean(distances**2))),
        "coverage": float((error[held] <= radius[held]).mean()) if held.any() else None,
        "reliability": _reliability(sure[known], distances <= RIGHT * np.concatenate(diameters)[known]),
        "rank": _rank(sure[known], distances),
        "wrong": int((distances > within).sum()),
        "absent_precision": both / called if called else None,
        "absent_recall": both / gone if gone else None,
        "objects": len(errors),
        "object_precision": right / returned if returned else None,
        "object_recall": right / len(errors),
    }


def over_draws(runs: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Return the means of scores over runs, and the worst and best share of points that are right."""
    known = {
        name: [run[name] for run in runs] for name in ("within", "mean", "median", "rmse", "coverage", "rank")
    }
    means = {n: None if None in values else float(np.mean(values)) for n, values in known.items()}
    return {**means, "worst_within": min(known["within"]), "best_within": max(known["within"])}


def _compare(
    left: list[FoundObject], points: np.ndarray, unit: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Take the nearest object out of those that are left: its errors, confidence, radii and absent points."""
    distances = [np.linalg.norm(each.points - points, axis=1) for each in left]
    unknown = np.full(len(points), np.nan)
    if not distances:
        return np.where(np.isfinite(points[:, 0]), np.inf, np.nan), unknown, unknown, unknown == 0
    nearest = int(np.argmin([np.nanmedian(each) for each in distances]))
    best = left.pop(nearest)
    return (
        distances[nearest] / unit,
        unknown if best.confidence is None else best.confidence,
        unknown if best.radius_px is None else best.radius_px / unit,
        unknown == 0 if best.absent is None else best.absent,
    )


def _interval(right: np.ndarray, photographs: np.ndarray) -> metrics.Interval:
    numbers = metrics.group_numbers(photographs.tolist())
    sums = metrics.UnitSums(
        np.bincount(numbers, right)[:, None, None],
        np.bincount(numbers)[:, None].astype(float),
        np.zeros(numbers.max() + 1, np.int64),
    )
    return metrics.interval(metrics.bootstrap(sums)[:, 0])


def _rank(confidence: np.ndarray, error: np.ndarray) -> float | None:
    """Return Spearman's correlation; None where one of the two does not vary."""
    known = np.isfinite(confidence)
    if not known.any() or np.ptp(confidence[known]) == 0 or len(np.unique(error[known])) == 1:
        return None
    return float(spearmanr(confidence[known], error[known])[0])


def _reliability(confidence: np.ndarray, right: np.ndarray) -> list[tuple[float, float, int]]:
    fifth = np.minimum(np.floor(np.nan_to_num(confidence, nan=-1) * 5), 4)
    parts = [fifth == number for number in range(5)]
    return [
        (float(confidence[own].mean()), float(right[own].mean()), int(own.sum())) for own in parts if own.any()
    ]


def _finite(value: float) -> float | None:
    """Return a number, or None for the infinite errors of objects that were not found."""
    return float(value) if np.isfinite(value) else None


def annotate_by_peers(
    examples: Sequence[LabelledPhotograph], paths: Sequence[Path], weights: Weights
) -> dict[str, list[FoundPhotograph]]:
    """Annotate photographs by `PEERS`, on VGG16's features of photographs that are squashed to squares.

    - copying: the objects of the example whose flattened conv5_3 has the greatest cosine similarity.
    - nearest cell: the cell of conv4_3 that is most similar to that of the point in any example.
    - ridge detectors: the best cell by ridge regression from conv4_3 to Gaussians around the points, times a
      Gaussian prior of the examples' places (Long et al. 2014, section 5, with squares in place of the hinge).
    - ridge: points from flattened conv5_3, with the penalty of leave-one-out (Sharif Razavian et al. 2014). Of
      fewer than three examples, it is their mean.

    All but copying find the first object of examples, and no absent points; the ridge regression of points
    replaces absent ones of examples by their mean.
    """
    examples = [one for one in examples if one.objects]
    if not examples:
        raise InputError("no example shows an object; at least one is expected")
    known = [_look(one.path, weights) for one in examples]
    to_cells = cell_centers(weights.network, _CELLS).inverse
    shapes = np.stack([
        coords.resize(one.size, (_SIDE, _SIDE))(each.objects[0].points)
        for one, each in zip(known, examples, strict=True)
    ])  # fmt: skip
    places, (height, width) = to_cells(shapes), known[0].cells.shape[:2]
    grid = coords.cell_grid((height, width))[:, :, None]
    mean, absent = np.nanmean(places, axis=0), np.isnan(places[..., :1])
    spread = np.maximum(np.nanstd(places, axis=0), _LEAST_SPREAD * width)
    prior = np.exp(-(((grid - mean) / spread) ** 2).sum(axis=-1) / 2).astype(np.float32)
    column, row = np.where(absent, 0, places).round().astype(int).clip(0, width - 1).transpose(2, 0, 1)
    models = np.stack([one.cells[y, x] for one, x, y in zip(known, column, row, strict=True)]) * ~absent
    targets = [np.exp(-((grid - own) ** 2).sum(axis=-1) / 2) for own in np.where(absent, -100.0, places)]
    summed = reduce(ridge.add, map(_statistics, known, targets))
    detectors = ridge.solve(summed, penalty=_PENALTY * float(np.trace(summed.scatter)) / len(summed.scatter))
    wholes, usual = np.stack([one.whole for one in known]), np.nanmean(shapes, axis=0)
    linear = None
    if len(known) > 2:
        linear, _ = ridge.fit_best(wholes, np.float32(np.where(absent, usual, shapes)).reshape(len(known), -1))
    found: dict[str, list[FoundPhotograph]] = {name: [] for name in PEERS}
    for path in paths:
        one = _look(path, weights)
        number = int(np.argmax(wholes @ one.whole))
        move = coords.resize(known[number].size, one.size)
        objects = tuple(_object(move(each.points)) for each in examples[number].objects)
        found["copying"].append(FoundPhotograph(path, one.size, objects))
        alike = np.einsum("hwc,enc->hwen", one.cells, models).max(axis=2)
        scores = np.asarray(detectors.predict(one.cells.reshape(height * width, -1))).reshape(prior.shape)
        cells = {
            "nearest cell": heads.best(alike.clip(0)[None]).cells[0],
            "ridge detectors": heads.best(scores.clip(1e-6)[None], prior=prior).cells[0],
            "ridge": to_cells(usual if linear is None else linear.predict(one.whole[None])[0].reshape(-1, 2)),
        }
        to_photograph = coords.resize((_SIDE, _SIDE), one.size) @ to_cells.inverse
        for name, own in cells.items():
            points = to_photograph(np.asarray(own, float))
            found[name].append(FoundPhotograph(path, one.size, (_object(points),)))
    return found


def _statistics(seen: "_Seen", targets: np.ndarray) -> ridge.Statistics:
    rows, points = seen.cells.reshape(-1, seen.cells.shape[-1]), targets.shape[-1]
    return ridge.statistics(rows, np.float32(targets).reshape(-1, points))


def _object(points: np.ndarray) -> FoundObject:
    absent = np.isnan(points[:, 0])
    return FoundObject(points, None, coords.tight_box(points[~absent]), None, absent=absent)


class _Seen(NamedTuple):
    size: tuple[int, int]
    whole: np.ndarray
    """A unit vector."""
    cells: np.ndarray
    """A unit vector for each cell."""


def _look(path: Path, weights: Weights) -> _Seen:
    image = read_image(path)
    inputs = preprocess(images.resize(image, (_SIDE, _SIDE)).image[None], network=weights.network)
    maps = activations(weights.params, inputs, network=weights.network, layers=[_WHOLE, _CELLS])
    whole, cells = np.asarray(maps[_WHOLE]).ravel(), np.asarray(maps[_CELLS])[0]
    norms = np.linalg.norm(cells, axis=-1, keepdims=True)
    return _Seen(image.shape[:2], whole / max(np.linalg.norm(whole), 1e-6), cells / np.maximum(norms, 1e-6))


def example_curves(drawn: Mapping[str, Mapping[int, Mapping[str, Any]]], label: str) -> Image:
    """Draw the shares of points that are right over the number of examples, from the worst draw to the best.

    ``drawn`` has `over_draws` by number of examples, by method.
    """
    shares = {one: [row["within"] for row in own.values()] for one, own in drawn.items()}
    ranges = {
        one: [(row["worst_within"], row["best_within"]) for row in own.values()] for one, own in drawn.items()
    }
    x = list(next(iter(drawn.values())))
    return pixels(interval_curves(x, shares, ranges, x_label="examples", y_label=label))
