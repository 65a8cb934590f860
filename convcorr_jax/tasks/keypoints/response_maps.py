"""Responses of keypoint classifiers over whole photographs, on every layer."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from convcorr_jax import coords
from convcorr_jax.backbone import activations, preprocess, receptive_field
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets.records import load_image
from convcorr_jax.descriptors import unit_length
from convcorr_jax.keypoints import UNKNOWN
from convcorr_jax.linear.ridge import least_error
from convcorr_jax.report.interactive import LayerResponses, layers_data
from convcorr_jax.tasks.keypoints.classification import BestFeatures, CategoryClassification
from convcorr_jax.tasks.keypoints.features import FeatureOptions, resized_photograph

SHOWN = 4
"""Photographs of the page."""


def response_maps(
    classified: Sequence[CategoryClassification],
    best: BestFeatures,
    features: FeatureOptions,
    weights: Weights,
) -> dict[str, Any]:
    """Compute the responses of classifiers over test photographs, on every layer, for the page.

    Each photograph shows the keypoint that the best layer classifies best in cross-validation; the classifiers
    did not train on it. Photographs are from different categories where there are several.

    Args:
        classified: the categories and their classifiers.
        best: the layer that the page shows first.
        features: the layers, and how photographs were resized.
        weights: the network's weights.

    Returns:
        The data of a widget; see `convcorr_jax.report.interactive.layers_data`.

    Raises:
        InputError: an image cannot be read.
    """
    photographs = []
    for number in range(SHOWN):
        category = classified[number % len(classified)]
        photographs.append(
            _responses(category, best, features, weights, turn=number // len(classified))
        )
    accuracy = {
        layer: np.mean([category.accuracy(layer) for category in classified])
        for layer in features.layers
    }
    texts = {
        layer: f"{layer}: {100 * share:.0f} % of the keypoints classified correctly"
        for layer, share in accuracy.items()
    }
    return layers_data(photographs, texts, shown=features.layers.index(best.convnet))


def _responses(
    classified: CategoryClassification,
    best: BestFeatures,
    features: FeatureOptions,
    weights: Weights,
    *,
    turn: int,
) -> LayerResponses:
    """Compute the responses over one photograph; ``turn`` counts the photographs of the category."""
    category, samples = classified.category, classified.samples
    scored = classified.by_feature[best.convnet].predicted != UNKNOWN
    accuracy = classified.by_feature[best.convnet].type_accuracy
    present = np.isin(np.arange(len(category.names)), samples.labels[scored])
    label = least_error(np.where(present, -accuracy, np.nan))
    tested = np.flatnonzero(scored & (samples.labels == label))
    sample = int(tested[(turn * len(tested)) // SHOWN])
    record = int(samples.photographs[sample])
    photograph, to_canvas = resized_photograph(category, record, side_px=features.side_px)
    height, width = load_image(category.records[record]).shape[:2]
    maps = activations(
        weights.params,
        preprocess(photograph[None], network=weights.network),
        network=weights.network,
        layers=features.layers,
    )
    fold = category.tested_folds.index(int(samples.folds[sample]))
    responses, transforms = [], []
    for layer in features.layers:
        columns = np.asarray(_unit_length(maps[layer][0]))
        of_layer = classified.by_feature[layer].decisions(columns, fold=fold, label=label)
        field = receptive_field(weights.network, layer)
        to_px = coords.compose(
            coords.invert(to_canvas), coords.grid(field.stride_px, field.first_center_px)
        )
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


def _inside(
    shape: Sequence[int], to_px: coords.Transform, size: tuple[int, int]
) -> tuple[int, int]:
    """Count the rows and columns of cells whose centres are inside the photograph and not in its padding."""
    height, width = size
    last = coords.apply(coords.invert(to_px), np.array([[width - 0.5, height - 0.5]]))[0]
    return min(shape[0], int(last[1]) + 1), min(shape[1], int(last[0]) + 1)


_unit_length = jax.jit(unit_length)
