"""Figure 4 of Long et al. 2014: where around test keypoints their classifiers respond most."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax import coords
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.errors import InputError
from convcorr_jax.keypoints import response_histogram
from convcorr_jax.keypoints.classification import UNKNOWN, Classified
from convcorr_jax.report import plots
from convcorr_jax.report.figures import pixels
from convcorr_jax.runtime.progress import progress
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.keypoints.categories import Category
from convcorr_jax.tasks.keypoints.features import Keypoints, shown

# The paper shows two types of keypoints.
TYPES = 2


class Contender(NamedTuple):
    """A feature whose responses are shown."""

    name: str
    outcome: Classified


class Figure4(NamedTuple):
    """The picture and its figures."""

    picture: Image
    facts: dict[str, Any]


def figure_4(
    category: Category,
    keypoints: Keypoints,
    convnet: Contender,
    sift: Contender,
    weights: Weights,
    *,
    radius_px: int,
    names: Sequence[str],
    windows: int,
    side_px: int,
) -> Figure4:
    """Histograms of the maxima of a layer's and of SIFT's classifiers around some types of keypoints.

    Args:
        category: whose keypoints.
        keypoints: its samples.
        convnet: the layer.
        sift: the SIFT.
        weights: of the network.
        radius_px: of the SIFT.
        names: of the types; none for those that the layer recognises best in cross-validation.
        windows: test keypoints of each type, at most; drawn at random, the same every time.
        side_px: of the canvas on which photographs were described.

    Raises:
        InputError: of a type that is named no sample could be scored.
    """
    scored = convnet.outcome.predicted != UNKNOWN
    there = np.isin(np.arange(len(category.names)), keypoints.labels[scored])
    lacking = [name for name in names if not there[category.names.index(name)]]
    if lacking:
        raise InputError(f"of category {category.name!r} no test photograph shows {lacking}")
    likely = np.where(there, convnet.outcome.recognised, -1.0)
    labels = [category.names.index(name) for name in names] or np.argsort(-likely)[:TYPES].tolist()
    counts: dict[str, dict[str, np.ndarray]] = {convnet.name: {}, sift.name: {}}
    figures: dict[str, dict[str, Any]] = {convnet.name: {}, sift.name: {}}
    for label in labels:
        chosen = np.flatnonzero(scored & (keypoints.labels == label))
        chosen = np.sort(np.random.default_rng(0).permutation(chosen)[:windows])
        responses = _responses(
            category,
            keypoints,
            convnet,
            sift,
            weights,
            chosen=chosen,
            radius_px=radius_px,
            side_px=side_px,
        )
        for name, of_name in responses.items():
            peaks = response_histogram.peaks(of_name)
            counts[name][category.names[label]] = response_histogram.histogram(peaks)
            figures[name][category.names[label]] = _facts(peaks)
    captions = {
        name: {keypoint: _caption(facts) for keypoint, facts in by_keypoint.items()}
        for name, by_keypoint in figures.items()
    }
    facts = {
        "category": category.name,
        "responses": figures,
        "chance": response_histogram.chance()._asdict(),
    }
    return Figure4(pixels(plots.place_histograms(counts, captions=captions)), facts)


def _responses(
    category: Category,
    keypoints: Keypoints,
    convnet: Contender,
    sift: Contender,
    weights: Weights,
    *,
    chosen: Int[np.ndarray, " m"],
    radius_px: int,
    side_px: int,
) -> dict[str, Float[np.ndarray, "m 21 21"]]:
    """Responses of each chosen sample's own classifiers in the window around it."""
    found: dict[str, list[np.ndarray]] = {convnet.name: [], sift.name: []}
    for sample in progress(chosen, description="figure 4", total=len(chosen)):
        record, label = int(keypoints.photographs[sample]), int(keypoints.labels[sample])
        fold = category.tested_folds.index(int(keypoints.folds[sample]))
        photograph, to_canvas = shown(category, record, side_px)
        point = coords.apply(to_canvas, category.points[record, label])
        columns = response_histogram.conv_window(
            weights.params, photograph, point, network=weights.network, layer=convnet.name
        )
        descriptors = response_histogram.sift_window(photograph, point, radius_px=radius_px)
        for contender, window in ((convnet, columns), (sift, descriptors)):
            responses = contender.outcome.decisions(np.asarray(window), fold=fold, label=label)
            found[contender.name].append(responses)
    return {name: np.stack(of_name) for name, of_name in found.items()}


def _facts(peaks: response_histogram.Peaks) -> dict[str, Any]:
    """The figures of a histogram, as JSON holds them."""
    figures = response_histogram.sharpness(peaks)._asdict()
    known = {name: value if np.isfinite(value) else None for name, value in figures.items()}
    return {"windows": len(peaks.offsets), **known}


def _caption(facts: Mapping[str, Any]) -> str:
    if facts["near_share"] is None:
        return "no maximum off the border"
    near = f"{100 * facts['near_share']:.0f} % within {response_histogram.NEAR_PX:.0f} px"
    return f"{near}, mean {facts['mean_distance_px']:.1f} px"
