"""Semantic directions of faces: cached fits, test faces moved along each direction, scores, and a figure."""

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from convcorr_jax import images, metrics, probes
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import Selection, fingerprint, load_image
from convcorr_jax.descriptors import global_features
from convcorr_jax.errors import InputError
from convcorr_jax.linear import grouped_folds
from convcorr_jax.linear.ridge import FoldSums, Ridge
from convcorr_jax.probes.rgb import SIDE_PX
from convcorr_jax.report import Direction, directions_data, image_grid, pixels
from convcorr_jax.runtime import CachedParts, stage
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.attributes import faces
from convcorr_jax.tasks.reading import evenly_spread
from convcorr_jax.tasks.variation_features import FeatureBlocks, PartContents, sum_parts, variation_parts

FOLDS = 4
"""Number of folds that choose penalties; the paper's."""
# Every third penalty of the grid is enough for colours, of which there are thousands.
_RGB_PENALTIES = slice(None, None, 3)
# Test faces that are moved, at most.
_MOVED = 50
_PANEL_PX = 92


class DirectionOptions(NamedTuple):
    """Options of the attribute probes and of the directions."""

    layer: str
    mirrored: bool
    """Train with every face and its mirror image."""
    penalty: float | None
    """Penalty of the directions; by default the greatest of the grid."""
    steps: int


class DirectionResult(NamedTuple):
    """Predicted attributes, and test faces moved along each attribute's direction."""

    penalties: Float[np.ndarray, " t"]
    thresholds: Float[np.ndarray, " t"]
    """Threshold between two values; NaN for attributes with more values."""
    held_out: Float[np.ndarray, "train t"]
    """Predictions for the training faces, without their mirror images, by probes fitted without them."""
    predicted: Float[np.ndarray, "test t"]
    low: Float[np.ndarray, " t"]
    """The least ``w . f`` of the training faces, where the range of lambda begins."""
    high: Float[np.ndarray, " t"]
    """The greatest ``w . f`` of the training faces, where the range of lambda ends."""
    along: Float[np.ndarray, "test t"]
    rgb_error: Float[np.ndarray, " test"]
    """Mean absolute error of the colours reconstructed from the test faces' features."""
    mean_image_error: Float[np.ndarray, " test"]
    """The same error for the mean of the training images."""
    reconstructed: UInt8[np.ndarray, "moved side side 3"]
    """Images reconstructed from some test faces before they are moved."""
    swept: UInt8[np.ndarray, "t moved steps side side 3"]
    """Images reconstructed from these faces at each step along each direction."""
    read_back: Float[np.ndarray, "t moved 2"]
    """The attribute, predicted from the features of the first and the last of these images."""
    unclipped: Float[np.ndarray, "moved side side 3"]
    """The colours of ``reconstructed`` before they are clipped."""
    changes: Float[np.ndarray, "t side side 3"]
    """The change of the colours for a step of length 1 along each direction."""


def probe_attributes(
    data: faces.AttributeData, weights: Weights, options: DirectionOptions, *, out: Path
) -> DirectionResult:
    """Fit attribute probes and directions, and move test faces, or read the result from the cache."""
    key = {
        "train": fingerprint(data.train.records),
        "test": fingerprint(data.test.records),
        "attributes": data.names,
        "weights": weights.fingerprint,
        **options._asdict(),
    }
    path = out / "probes" / f"{options.layer}.npz"
    return DirectionResult(**stage(path, key, lambda: _probe(data, weights, options, out)._asdict()))


def _probe(
    data: faces.AttributeData, weights: Weights, options: DirectionOptions, out: Path
) -> DirectionResult:
    layer, copies = options.layer, 2 if options.mirrored else 1
    train, test = data.train.records, data.test.records
    parts = face_parts(train, weights, layer=layer, copies=copies, folder=out / "train")
    values = faces.training_values(data, mirrored=options.mirrored).astype(np.float32)
    folds = grouped_folds(np.repeat(np.arange(len(train)), copies), k=FOLDS)
    sums = attribute_sums(parts, values, folds, path=out / "probes" / f"{layer}_sums.npz")
    to_attributes, to_colors = map(sums.select, np.split(np.arange(sums.targets), [values.shape[1]]))
    blocks = FeatureBlocks(parts)
    fitted = probes.fit_attributes_sums(to_attributes, blocks, values, names=data.names, folds=folds)
    directions = probes.fit_directions_sums(to_attributes, blocks, values, penalty=options.penalty)
    curve = to_colors.cross_validate(sums.penalty_grid()[_RGB_PENALTIES])
    to_rgb = to_colors.solve(curve.best())
    test_parts = face_parts(test, weights, layer=layer, copies=1, folder=out / "test")
    test_x = np.concatenate(list(FeatureBlocks(test_parts)))
    reconstructed = probes.reconstruct(to_rgb, test_x)
    truth = probes.as_squares(np.concatenate([probes.rgb_targets(part["squares"]) for part in test_parts]))
    mean_image = probes.as_squares(to_colors.target_mean()[None])
    moved = evenly_spread(len(test_x), _MOVED)
    swept = _sweep(test_x[moved], directions, to_rgb, steps=options.steps)
    return DirectionResult(
        np.asarray(fitted.probe.penalty),
        fitted.thresholds,
        fitted.held_out[::copies],
        np.asarray(fitted.probe.predict(test_x)),
        directions.low,
        directions.high,
        test_x @ directions.units.T,
        probes.absolute_error(reconstructed, truth),
        probes.absolute_error(np.broadcast_to(mean_image, reconstructed.shape), truth),
        _to_bytes(reconstructed[moved]),
        swept,
        _read_back(swept, fitted.probe, weights, layer),
        _unclipped(to_rgb, test_x[moved]),
        _unclipped(to_rgb, directions.units) - _unclipped(to_rgb, 0 * directions.units[:1]),
    )


def face_parts(records: Selection, weights: Weights, *, layer: str, copies: int, folder: Path) -> CachedParts:
    """Return the cached parts of features and colours; 2 copies are each face and its mirror image."""
    contents = PartContents(squares_px=SIDE_PX)
    return variation_parts(records, weights, layer=layer, copies=copies, folder=folder, contents=contents)


def attribute_sums(
    parts: CachedParts, values: Float[np.ndarray, "n t"], folds: Int[np.ndarray, " n"], *, path: Path
) -> FoldSums:
    """Sum up the rows of faces, whose targets are the attributes and then the colours."""

    def targets(arrays: Mapping[str, np.ndarray], rows: slice) -> Float[np.ndarray, "n t"]:
        return np.concatenate([values[rows], probes.rgb_targets(arrays["squares"])], axis=1)

    settings = {"values": zlib.crc32(values.tobytes())}
    return sum_parts(parts, targets, folds, path=path, settings=settings, k=FOLDS)


def _unclipped(to_rgb: Ridge, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n s s 3"]:
    return np.asarray(to_rgb.predict(features), np.float32).reshape(len(features), SIDE_PX, SIDE_PX, 3)


def _sweep(
    features: Float[np.ndarray, "moved d"], directions: probes.Directions, to_rgb: Ridge, *, steps: int
) -> UInt8[np.ndarray, "t moved steps side side 3"]:
    """Move features along every direction, over the range of the training faces; reconstruct the images."""
    swept = []
    for unit, low, high in zip(*directions, strict=True):
        moved = probes.move_along(features, unit, np.linspace(low, high, steps, dtype=np.float32))
        colors = probes.reconstruct(to_rgb, moved.reshape(-1, moved.shape[-1]))
        swept.append(_to_bytes(colors).reshape(*moved.shape[:2], *colors.shape[1:]))
    return np.stack(swept)


def _read_back(
    swept: UInt8[np.ndarray, "t moved steps side side 3"], probe: Ridge, weights: Weights, layer: str
) -> Float[np.ndarray, "t moved 2"]:
    """Predict each attribute from the images at both ends of its direction."""
    side = weights.network.image_side
    predicted = []
    for attribute, moved in enumerate(swept):
        ends = moved[:, [0, -1]].reshape(-1, *moved.shape[2:])
        enlarged = (images.resize(image, (side, side)).image for image in ends)
        features = global_features(enlarged, weights=weights, layer=layer)
        predicted.append(np.asarray(probe.predict(features))[:, attribute].reshape(-1, 2))
    return np.stack(predicted)


def _to_bytes(colors: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    return np.round(255 * colors).astype(np.uint8)


def attribute_report(data: faces.AttributeData, result: DirectionResult) -> dict[str, dict[str, Any]]:
    """Return every attribute's scores, with the 95 % ``interval`` over faces, as ``result.json`` holds them.

    ``direction`` has the correlation of ``w . f`` with the attribute, the range of lambda, and the share of
    faces whose attribute is predicted higher at the high end.
    """
    return {name: _report(number, name, data, result) for number, name in enumerate(data.names)}


def _report(number: int, name: str, data: faces.AttributeData, result: DirectionResult) -> dict[str, Any]:
    train, test = data.train.values[:, number], data.test.values[:, number]
    values = np.unique(train).tolist()
    threshold = float(result.thresholds[number])
    higher = result.read_back[number, :, 1] > result.read_back[number, :, 0]
    return {
        **_scores(name, result.predicted[:, number], test, values, threshold),
        "interval": _intervals(result.predicted[:, number], test, values, threshold),
        "cross_validation": _scores(name, result.held_out[:, number], train, values, threshold),
        "penalty": float(result.penalties[number]),
        **({"threshold": threshold} if len(values) == 2 else {}),
        "direction": {
            "correlation": metrics.graded_scores(result.along[:, number], test).correlation,
            "range": [float(result.low[number]), float(result.high[number])],
            "read_back": float(higher.mean()),
        },
    }


def _scores(
    name: str, predicted: np.ndarray, truth: np.ndarray, values: Sequence[float], threshold: float
) -> dict[str, float]:
    """Return the scores of a two-valued attribute, or those of a graded one that it has."""
    try:
        if len(values) == 2:
            pair = (values[0], values[1])
            return metrics.two_valued_scores(predicted, truth, values=pair, threshold=threshold)._asdict()
        middle = faces.MIRROR_SUMS[name] / 2 if name in faces.MIRROR_SUMS else None
        scores = metrics.graded_scores(predicted, truth, middle=middle)._asdict()
        return {field: value for field, value in scores.items() if not np.isnan(value)}
    except InputError as error:
        raise InputError(f"attribute {name!r}: {error}") from error


def _intervals(
    predicted: np.ndarray, truth: np.ndarray, values: Sequence[float], threshold: float
) -> dict[str, list[float]]:
    """Return the 95 % intervals over faces of the accuracies, or of the correlation."""
    if len(values) != 2:
        correlation = metrics.graded_scores(predicted, truth).correlation
        return {"correlation": list(metrics.correlation_interval(correlation, n=len(truth)))}
    sums = metrics.two_valued_sums(predicted, truth, values=(values[0], values[1]), threshold=threshold)
    return {name: list(metrics.interval(metrics.bootstrap(each)[:, 0])) for name, each in sums.items()}


def directions_widget(
    names: Sequence[str], result: DirectionResult, *, shown: int, most: int = 12
) -> dict[str, Any]:
    """Return the data of a page's widget, whose sliders move faces along all directions at once.

    There are at most ``most`` directions: those along which colours change most.
    """
    # Half the range of the training faces: from the middle it leads to either end.
    reach = (result.high - result.low) / 2
    visible = np.abs(result.changes).mean(axis=(1, 2, 3)) * reach
    chosen = np.sort(np.argsort(-visible)[:most])
    drawn = result.unclipped[evenly_spread(len(result.unclipped), shown)]
    directions = [Direction(_labelled(names[k]), result.changes[k], float(reach[k])) for k in chosen]
    return directions_data(drawn, directions, names=[f"reconstructed face {k + 1}" for k in range(len(drawn))])


def _labelled(name: str) -> str:
    return f"{name}: {' to '.join(faces.END_NAMES[name])}" if name in faces.END_NAMES else name


def directions_figure(
    names: Sequence[str], test: faces.AttributeFaces, result: DirectionResult, *, shown: int
) -> Image:
    """Draw Figure 6: for every attribute some test faces, reconstructed as they are and along the direction."""
    moved = evenly_spread(len(test.records), _MOVED)
    rows, labels = [], []
    for number, name in enumerate(names):
        low, high = faces.END_NAMES.get(name, ("low", "high"))
        for face in evenly_spread(len(moved), shown):
            photograph = load_image(test.records[moved[face]])
            rows.append([photograph, result.reconstructed[face], *result.swept[number, face]])
            labels.append(f"{name}: {low} to {high}")
    columns = ("photograph", "reconstructed", "lowest", *[""] * (result.swept.shape[2] - 2), "highest")
    return pixels(image_grid(rows, row_labels=labels, column_labels=columns, cell_px=_PANEL_PX))
