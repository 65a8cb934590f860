"""Responses of keypoint classifiers: around keypoints (Figure 4 of Long et al. 2014) and over photographs."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from convcorr_jax import coords, keypoints
from convcorr_jax.backbone import activations, cell_centers, preprocess
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import load_image
from convcorr_jax.descriptors import unit_length
from convcorr_jax.errors import InputError
from convcorr_jax.keypoints.response_histogram import NEAR_PX
from convcorr_jax.linear.ridge import argmin_error
from convcorr_jax.report import LayerResponses, layers_data, pixels, plots
from convcorr_jax.runtime import progress
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.keypoints.classification import (
    BestFeatures,
    CategoryClassification,
    FeatureOptions,
    resized_photograph,
)

# The paper shows two types of keypoints.
TYPES = 2
SHOWN = 4
"""Photographs of the page."""
_unit_length = jax.jit(unit_length)


class ResponseFigure(NamedTuple):
    """Figure 4 and its numbers."""

    image: Image
    facts: dict[str, Any]


def response_figure(
    classified: CategoryClassification,
    best: BestFeatures,
    features: FeatureOptions,
    weights: Weights,
    *,
    types: Sequence[str] = (),
    windows: int,
) -> ResponseFigure:
    """Draw where the classifiers of a layer and of SIFT respond most around keypoints of some types.

    By default the types are the two that the layer classifies best in cross-validation. At most ``windows``
    tested keypoints of each type are drawn at random with a fixed seed.
    """
    scored = classified.by_feature[best.convnet].predicted != keypoints.UNKNOWN
    names = classified.category.names
    peaks: dict[str, dict[str, keypoints.ResponsePeaks]] = {best.convnet: {}, best.sift: {}}
    for label in _labels(classified, best, scored, types):
        chosen = np.flatnonzero(scored & (classified.samples.labels == label))
        chosen = np.sort(np.random.default_rng(0).permutation(chosen)[:windows])
        responses = _responses(classified, best, features, weights, chosen=chosen)
        for feature, windows_of_feature in responses.items():
            peaks[feature][names[label]] = keypoints.response_peaks(windows_of_feature)
    facts = _of_each(peaks, _facts)
    image = pixels(
        plots.place_histograms(_of_each(peaks, keypoints.peak_histogram), captions=_of_each(facts, _caption))
    )
    chance = keypoints.chance_sharpness()._asdict()
    return ResponseFigure(image, {"category": classified.category.name, "responses": facts, "chance": chance})


def _labels(
    classified: CategoryClassification, best: BestFeatures, scored: Bool[np.ndarray, " n"], types: Sequence[str]
) -> list[int]:
    """Return the labels of the named types, or of those that the layer classifies best."""
    names, labels = classified.category.names, classified.samples.labels
    present = np.isin(np.arange(len(names)), labels[scored])
    lacking = [name for name in types if not present[names.index(name)]]
    if lacking:
        raise InputError(f"of category {classified.category.name!r} no test photograph shows {lacking}")
    accuracy = np.where(present, classified.by_feature[best.convnet].type_accuracy, -1.0)
    return [names.index(name) for name in types] or np.argsort(-accuracy)[:TYPES].tolist()


def _responses(
    classified: CategoryClassification,
    best: BestFeatures,
    features: FeatureOptions,
    weights: Weights,
    *,
    chosen: Int[np.ndarray, " m"],
) -> dict[str, Float[np.ndarray, "m 21 21"]]:
    """Compute the responses of each chosen sample's own classifiers in the window around it."""
    category, samples = classified.category, classified.samples
    radius_px = features.radii_px[features.sift_names.index(best.sift)]
    responses: dict[str, list[np.ndarray]] = {best.convnet: [], best.sift: []}
    for sample in progress(chosen, description="figure 4", total=len(chosen)):
        record, label = int(samples.photographs[sample]), int(samples.labels[sample])
        fold = category.tested_folds.index(int(samples.folds[sample]))
        photograph, to_canvas = resized_photograph(category, record, side_px=features.side_px)
        point = to_canvas(category.points[record, label])
        windows = {
            best.convnet: keypoints.conv_window(
                weights.params, photograph, point, network=weights.network, layer=best.convnet
            ),
            best.sift: keypoints.sift_window(photograph, point, radius_px=radius_px),
        }
        for name, window in windows.items():
            decisions = classified.by_feature[name].decisions(np.asarray(window), fold=fold, label=label)
            responses[name].append(decisions)
    return {name: np.stack(of_name) for name, of_name in responses.items()}


def _of_each(table: Mapping[str, Mapping[str, Any]], function) -> dict[str, dict[str, Any]]:
    """Apply a function to every value, by feature, by keypoint type."""
    return {feature: {name: function(value) for name, value in row.items()} for feature, row in table.items()}


def _facts(peaks: keypoints.ResponsePeaks) -> dict[str, Any]:
    """Return the sharpness of a histogram as JSON holds it."""
    numbers = keypoints.sharpness(peaks)._asdict()
    known = {name: value if np.isfinite(value) else None for name, value in numbers.items()}
    return {"windows": len(peaks.offsets), **known}


def _caption(facts: Mapping[str, Any]) -> str:
    if facts["near_share"] is None:
        return "no maximum off the border"
    near = f"{100 * facts['near_share']:.0f} % within {NEAR_PX:.0f} px"
    return f"{near}, mean {facts['mean_distance_px']:.1f} px"


def response_maps(
    classified: Sequence[CategoryClassification], best: BestFeatures, features: FeatureOptions, weights: Weights
) -> dict[str, Any]:
    """Compute a widget's data (`layers_data`): responses of classifiers over test photographs, on every layer.

    Each photograph shows the keypoint that the best layer classifies best in cross-validation; the classifiers
    did not train on it. Photographs are from different categories where there are several.
    """
    photographs = []
    for number in range(SHOWN):
        turn, category = divmod(number, len(classified))
        photographs.append(_layer_responses(classified[category], best, features, weights, turn=turn))
    accuracy = {
        layer: np.mean([category.accuracy(layer) for category in classified]) for layer in features.layers
    }
    texts = {
        layer: f"{layer}: {100 * share:.0f} % of the keypoints classified correctly"
        for layer, share in accuracy.items()
    }
    return layers_data(photographs, texts, shown=features.layers.index(best.convnet))


def _layer_responses(
    classified: CategoryClassification,
    best: BestFeatures,
    features: FeatureOptions,
    weights: Weights,
    *,
    turn: int,
) -> LayerResponses:
    """Compute the responses over one photograph; ``turn`` counts the photographs of the category."""
    category, samples = classified.category, classified.samples
    scored = classified.by_feature[best.convnet].predicted != keypoints.UNKNOWN
    accuracy = classified.by_feature[best.convnet].type_accuracy
    present = np.isin(np.arange(len(category.names)), samples.labels[scored])
    label = argmin_error(np.where(present, -accuracy, np.nan))
    tested = np.flatnonzero(scored & (samples.labels == label))
    sample = int(tested[(turn * len(tested)) // SHOWN])
    record = int(samples.photographs[sample])
    photograph, to_canvas = resized_photograph(category, record, side_px=features.side_px)
    height, width = load_image(category.records[record]).shape[:2]
    inputs = preprocess(photograph[None], network=weights.network)
    maps = activations(weights.params, inputs, network=weights.network, layers=features.layers)
    fold = category.tested_folds.index(int(samples.folds[sample]))
    responses, transforms = [], []
    for layer in features.layers:
        columns = np.asarray(_unit_length(maps[layer][0]))
        of_layer = classified.by_feature[layer].decisions(columns, fold=fold, label=label)
        to_px = to_canvas.inverse @ cell_centers(weights.network, layer)
        rows, across = _inside(of_layer.shape, to_px, (height, width))
        responses.append(of_layer[:rows, :across])
        transforms.append(to_px)
    return LayerResponses(
        category.names[label],
        load_image(category.records[record]),
        np.asarray(category.points[record, label], np.float64),
        tuple(responses),
        tuple(transforms),
    )


def _inside(shape: Sequence[int], to_px: coords.Transform, size: tuple[int, int]) -> tuple[int, int]:
    """Count the rows and columns of cells whose centres are inside the photograph and not in its padding."""
    height, width = size
    last = to_px.inverse(np.array([[width - 0.5, height - 0.5]]))[0]
    return min(shape[0], int(last[1]) + 1), min(shape[1], int(last[0]) + 1)
