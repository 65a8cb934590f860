"""Keypoints of tested objects by models that trained without them, their PCK, a figure, and a model's card."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax.arrays import padded_batches
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import box_lengths, load_image
from convcorr_jax.keypoints import POSITIVES, Cells, KeypointModel, Positive, decode, predict
from convcorr_jax.metrics import LONG_2014, Pck, bootstrap, named_intervals, pck
from convcorr_jax.report import image_grid, name_colors, pixels, points_overlay
from convcorr_jax.runtime import progress
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.keypoints.categories import Category
from convcorr_jax.tasks.keypoints.training import DetectorOptions, TrainedModel, train_model
from convcorr_jax.tasks.reading import evenly_spread

ALPHAS = (0.05, 0.1)
"""Thresholds of the card's PCK, in longer sides of the box."""
TERMS = (
    "Fitted to photographs of LFPW and Helen, of which no licence is stated, with the annotations of 300-W, "
    "which are provided for research purposes only (no commercial products). Use this model for non-commercial "
    "research only."
)
"""Terms of the data sets of faces."""
# A prediction takes a fifth of a second on one core of a CPU.
_EVERY = 4
# Boxes that are predicted in one call.
BATCH = 8
WITHOUT_PRIOR, WITH_PRIOR = "alone", "prior"
PANEL_PX = 220
# Objects of every category in a figure.
OBJECTS = 2


class CategoryPredictions(NamedTuple):
    """The predicted keypoints of a category's tested objects, and how the models were trained."""

    points: dict[str, Float[np.ndarray, "tested n 2"]]
    """Points (x, y) in pixels of the photographs, NaN for a keypoint that no training object shows. Keys:
    ``"alone"`` (no prior), ``"prior"`` (the prior with the chosen score transform), and ``"calibrated"``,
    ``"exponential"``, ``"shifted"`` (the prior with that transform)."""
    facts: list[dict[str, Any]]
    """Facts about the training, one entry for every fold."""


def predict_category(
    category: Category,
    cells: Cells,
    weights: Weights,
    options: DetectorOptions,
    *,
    refine: bool = False,
    folder: Path,
) -> CategoryPredictions:
    """Predict every tested object of a category by a model that the objects outside its fold trained.

    ``refine`` moves points to the vertex of the parabola through the best candidate's score and its neighbors'.
    """
    tested = category.tested
    absent = np.full((len(tested), len(category.names), 2), np.nan)
    predicted = {name: absent.copy() for name in (WITHOUT_PRIOR, WITH_PRIOR, *POSITIVES)}
    facts = []
    for fold in category.tested_folds:
        trained = train_model(category, cells, weights, options, folder=folder, fold=fold)
        keypoints = [category.names.index(name) for name in trained.model.names]
        places = np.flatnonzero(category.folds[tested] == fold)
        detected = _detect(category, tested[places], trained, weights, refine=refine)
        for name, points in detected.items():
            predicted[name][places[:, None], keypoints] = points
        facts.append(trained.facts)
    return CategoryPredictions(predicted, facts)


def by_method(
    predictions: Mapping[str, Mapping[str, CategoryPredictions]],
) -> dict[str, dict[str, Float[np.ndarray, "tested n 2"]]]:
    """Arrange predictions by method (descriptors alone, and with the suffix ``_prior``), then by category."""
    suffixes = {WITHOUT_PRIOR: "", WITH_PRIOR: "_prior"}
    return {
        f"{name}{suffix}": {category: predicted.points[kind] for category, predicted in categories.items()}
        for name, categories in predictions.items()
        for kind, suffix in suffixes.items()
    }


def by_positive(
    predictions: Mapping[str, CategoryPredictions], positive: Positive
) -> dict[str, Float[np.ndarray, "tested n 2"]]:
    """Return the points predicted with the prior for one way to make scores positive, by category."""
    return {category: predicted.points[positive] for category, predicted in predictions.items()}


def _detect(
    category: Category,
    numbers: Int[np.ndarray, " objects"],
    trained: TrainedModel,
    weights: Weights,
    *,
    refine: bool,
) -> dict[str, Float[np.ndarray, "objects known 2"]]:
    """Detect the known keypoints of some objects, without the prior and with it in every way."""
    options: Mapping[str, dict[str, Any]] = {
        WITHOUT_PRIOR: {"eta": 0.0},
        WITH_PRIOR: {},
        **{positive: {"positive": positive, "eta": trained.etas[positive]} for positive in POSITIVES},
    }
    blocks: dict[str, list[np.ndarray]] = {name: [] for name in options}
    batches: Sequence[tuple[np.ndarray, int]] = list(padded_batches(len(numbers), size=BATCH))
    description = f"{category.name}: predicting by {trained.model.cells.name}"
    for rows, own in progress(batches, description=description):
        photographs = [load_image(category.records[number]) for number in numbers[rows]]
        boxes = [category.boxes[number] for number in numbers[rows]]
        prediction = predict(trained.model, photographs, boxes, weights=weights)
        for name, chosen in options.items():
            blocks[name].append(decode(trained.model, prediction, refine=refine, **chosen).points[:own])
    return {name: np.concatenate(parts) for name, parts in blocks.items()}


def pck_of(
    categories: Sequence[Category],
    predicted: Mapping[str, Float[np.ndarray, "_ _ 2"]],
    *,
    alphas: Sequence[float],
) -> Pck:
    """Compute the PCK over the tested objects of all categories, relative to the longer side of each box.

    Predictions are those of tested objects by category, (x, y) in pixels of their photographs. A keypoint
    without a prediction (NaN), such as one that no training object shows, does not count; an object without a
    box is refused.
    """
    columns = max(len(category.names) for category in categories)
    points, truth, counted, longer_px, groups = [], [], [], [], []
    for category in categories:
        tested = category.tested
        padding = ((0, 0), (0, columns - len(category.names)))
        absent = {"pad_width": (*padding, (0, 0)), "constant_values": np.nan}
        points.append(np.pad(predicted[category.name], **absent))
        truth.append(np.pad(category.points[tested], **absent))
        counted.append(np.pad(category.visible[tested], padding))
        longer_px += box_lengths([category.records[i] for i in tested], LONG_2014).normalizers_px
        groups += [category.name] * len(tested)
    all_points = np.concatenate(points)
    return pck(
        all_points,
        np.concatenate(truth),
        np.concatenate(counted) & ~np.isnan(all_points[..., 0]),
        np.array(longer_px),
        groups,
        alphas=alphas,
        protocol=LONG_2014,
    )


def check_scorable(categories: Sequence[Category]) -> None:
    """Refuse tested objects without a box, by which errors are divided, before anything is computed."""
    for category in categories:
        box_lengths([category.records[i] for i in category.tested], LONG_2014)


def intervals(score: Pck) -> dict[str, list[float]]:
    """Compute the 95 % bootstrap interval of the mean PCK by threshold, drawing each category's objects."""
    return named_intervals(map(str, score.alphas), bootstrap(score.sums))


def by_alpha(score: Pck, values: Float[np.ndarray, " alphas"]) -> dict[str, float]:
    """Name values by their thresholds, as JSON holds them."""
    return dict(zip(map(str, score.alphas), values.tolist(), strict=True))


def prediction_figure(
    categories: Sequence[Category],
    predicted: Mapping[str, Mapping[str, Float[np.ndarray, "tested n 2"]]],
    *,
    only_visible: bool = False,
) -> Image:
    """Draw tested objects of every category: the true keypoints, and the predictions of every method.

    With ``only_visible``, predictions of keypoints that are not visible in the photograph are left out.
    """
    rows = []
    for category in categories:
        tested = category.tested
        for place in evenly_spread(len(tested), OBJECTS):
            number = int(tested[place])
            visible = category.visible[number, :, None]
            truth = np.where(visible, category.points[number], np.nan)
            predictions = [points[category.name][place] for points in predicted.values()]
            if only_visible:
                predictions = [np.where(visible, points, np.nan) for points in predictions]
            rows.append([_overlay(category, number, points) for points in (truth, *predictions)])
    return pixels(image_grid(rows, column_labels=("true", *predicted), cell_px=PANEL_PX))


def _overlay(category: Category, number: int, points: Float[np.ndarray, "n 2"]) -> Image:
    photograph, boxes = load_image(category.records[number]), [category.boxes[number]]
    return points_overlay(photograph, points, colors=name_colors(len(points)), boxes=boxes, longest_px=PANEL_PX)


def with_card(model: KeypointModel, category: Category, weights: Weights, *, command: str) -> KeypointModel:
    """Return a model with the PCK on every fourth test object among the facts on its training."""
    tested = category.tested[::_EVERY]
    points = []
    for number in progress(tested, description="card"):
        photograph, box = load_image(category.records[number]), category.boxes[number]
        points.append(decode(model, predict(model, [photograph], [box], weights=weights)).points[0])
    known = [category.names.index(name) for name in model.names]
    result = pck(
        np.stack(points),
        category.points[tested][:, known],
        category.visible[tested][:, known],
        np.array([category.boxes[number].longer_side for number in tested]),
        ["all"] * len(tested),
        alphas=ALPHAS,
        protocol=LONG_2014,
    )
    card = {
        "command": command,
        "terms": TERMS,
        "bytes_of_arrays": sum(array.nbytes for array in model.to_fitted().arrays.values()),
        "tests": {"objects": len(tested), "pck": by_alpha(result, result.mean)},
    }
    return dataclasses.replace(model, training={**model.training, "card": card})
