"""Scores of annotated photographs against their labels, and a baseline: the most similar example, copied."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from convcorr_jax import coords, images, metrics
from convcorr_jax.annotation.calibration import RIGHT
from convcorr_jax.annotation.shape import complex_of, diameter
from convcorr_jax.backbone import activations, preprocess
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.errors import InputError
from convcorr_jax.io import read_image
from convcorr_jax.labels import FoundObject, FoundPhotograph, LabelledPhotograph
from convcorr_jax.report import interval_curves, pixels
from convcorr_jax.retrieval import nearest_neighbors
from convcorr_jax.shapes import Image

# The descriptor of a photograph that copying compares.
_LAYER, _SIDE = "conv5_3", 224

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


def copy_nearest(
    examples: Sequence[LabelledPhotograph], paths: Sequence[Path], weights: Weights
) -> list[FoundPhotograph]:
    """Copy the objects of the example whose flattened conv5_3 of VGG16 has the greatest cosine similarity.

    Photographs are squashed to 224 x 224 pixels; points keep their place relative to the photograph's sides.
    """
    sizes, described = zip(
        *(_described(path, weights) for path in (*(e.path for e in examples), *paths)), strict=True
    )
    count = len(examples)
    database, queries = np.stack(described[:count]), np.stack(described[count:])
    nearest = np.asarray(nearest_neighbors(queries, database, k=1).indices)[:, 0]
    found = []
    for path, size, number in zip(paths, sizes[count:], nearest.tolist(), strict=True):
        move = coords.resize(sizes[number], size)
        objects = []
        for one in examples[number].objects:
            points, absent = move(one.points), np.isnan(one.points[:, 0])
            box = coords.tight_box(points[~absent])
            objects.append(FoundObject(points, None, box, None, absent=absent))
        found.append(FoundPhotograph(path, size, tuple(objects)))
    return found


def _described(path: Path, weights: Weights) -> tuple[tuple[int, int], np.ndarray]:
    image = read_image(path)
    inputs = preprocess(images.resize(image, (_SIDE, _SIDE)).image[None], network=weights.network)
    maps = activations(weights.params, inputs, network=weights.network, layers=[_LAYER])[_LAYER]
    return image.shape[:2], np.asarray(maps).ravel()


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
