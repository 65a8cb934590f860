"""Keypoint prediction: Table 4 and Figure 6 of Long et al. 2014.

    python -m eval.keypoint_prediction                       (rendered categories)
    python -m eval.keypoint_prediction --dataset faces
    python -m eval.keypoint_prediction --dataset lspet
    python -m eval.keypoint_prediction --dataset path/to/a/folder

Four methods: detectors of ``conv5`` columns and of dense ``sift``, and each with the ``_prior`` of the nearest
training object. ``result.json`` has ``pck`` of each at 0.05, 0.1 and 0.2 of the longer side of the box, as
means over categories. Detectors train as in `train.keypoint_detectors`; what an earlier run finished under the
same settings is not done again.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords
from convcorr_jax.backbone.weights import Weights, load
from convcorr_jax.datasets.records import load_image
from convcorr_jax.io import make_folder, write_image, write_json
from convcorr_jax.keypoints.candidates import Cells
from convcorr_jax.keypoints.model import decide, look
from convcorr_jax.keypoints.prior import POSITIVES
from convcorr_jax.metrics.pck import LONG_2014, Pck
from convcorr_jax.report.colors import name_colors
from convcorr_jax.report.figures import image_grid, pixels, points_overlay
from convcorr_jax.runtime.progress import progress
from convcorr_jax.runtime.runlog import plain, write_run
from convcorr_jax.runtime.script import run
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.keypoints.categories import Category
from convcorr_jax.tasks.keypoints.scores import pck_of
from train.keypoint_detectors import Training, categories_of, cells_of, trained

ALPHAS = (0.05, 0.1, 0.2)
# Boxes that are predicted in one call.
BATCH = 8
PANEL_PX = 220
# Objects of every category in the picture.
SHOWN = 2


@dataclass(frozen=True)
class Config(Training):
    """What to predict on what."""

    refine: bool = False
    """Move predictions to the top of the parabola through the best cell and its neighbours."""
    out: Path = Path("runs/keypoint_prediction")


class Outcome(NamedTuple):
    """What detectors of one description make of a category's tested objects."""

    predicted: dict[str, Float[np.ndarray, "tested n 2"]]
    """In pixels of the photographs: ``alone``, with the prior, and with it by every way of `POSITIVES`."""
    facts: list[dict[str, Any]]
    """Of the training, a fold each."""


def main(config: Config) -> Path:
    """Train, predict, score, and write ``result.json`` and a picture; returns its path."""
    started = time.perf_counter()
    out = make_folder(config.out)
    weights = load(config.network, config.weights)
    categories = categories_of(config)
    descriptions = {cells.name: cells for cells in cells_of(config, weights)}
    outcomes = {
        name: {one.name: _outcome(one, cells, weights, config) for one in categories}
        for name, cells in descriptions.items()
    }
    predicted, compared = {}, {}
    for name, of_category in outcomes.items():
        parts = {one: outcome.predicted for one, outcome in of_category.items()}
        predicted[name] = {one: part["alone"] for one, part in parts.items()}
        predicted[f"{name}_prior"] = {one: part["prior"] for one, part in parts.items()}
        compared[f"{name}_prior"] = {
            positive: {one: part[positive] for one, part in parts.items()} for positive in POSITIVES
        }
    scores = {name: pck_of(categories, found, alphas=ALPHAS) for name, found in predicted.items()}
    write_image(out / "figure_6.jpg", _figure(categories, predicted))
    result = {
        "dataset": config.dataset,
        "network": weights.network.name,
        "weights": weights.source,
        "protocol": plain(LONG_2014),
        "objects": {one.name: int((one.folds >= 0).sum()) for one in categories},
        "pck": {name: _by_alpha(score, score.mean) for name, score in scores.items()},
        "per_category": {
            name: {
                str(group): _by_alpha(score, values)
                for group, values in zip(score.groups, score.per_group, strict=True)
            }
            for name, score in scores.items()
        },
        "positive_scores": {
            name: {
                positive: _by_alpha(score := pck_of(categories, found, alphas=ALPHAS), score.mean)
                for positive, found in ways.items()
            }
            for name, ways in compared.items()
        },
        "training": {
            name: {one: outcome.facts for one, outcome in of_category.items()}
            for name, of_category in outcomes.items()
        },
    }
    write_json(out / "result.json", result)
    write_run(out, config, seconds=time.perf_counter() - started)
    return out / "result.json"


def _outcome(category: Category, cells: Cells, weights: Weights, config: Config) -> Outcome:
    tested = np.flatnonzero(category.folds >= 0)
    blank = np.full((len(tested), len(category.names), 2), np.nan)
    predicted = {name: blank.copy() for name in ("alone", "prior", *POSITIVES)}
    facts = []
    for fold in category.tested_folds:
        found = trained(category, cells, weights, config, config.out / "kept", fold=fold)
        model = found.model
        keypoints = [category.names.index(name) for name in model.names]
        places = np.flatnonzero(category.folds[tested] == fold)
        starts = range(0, len(places), BATCH)
        for start in progress(
            starts, description=f"{category.name}: predicting by {cells.name}", total=len(starts)
        ):
            some = places[start : start + BATCH]
            # The last batch is filled up, so that one compiled program serves all.
            filled = np.pad(some, (0, BATCH - len(some)), mode="edge")
            evidence = look(
                model,
                [load_image(category.records[i]) for i in tested[filled]],
                [category.boxes[i] for i in tested[filled]],
                weights=weights,
            )
            ways: Mapping[str, dict[str, Any]] = {
                "alone": {"eta": 0.0},
                "prior": {},
                **{one: {"positive": one, "eta": found.etas[one]} for one in POSITIVES},
            }
            for name, options in ways.items():
                found_points = decide(model, evidence, refine=config.refine, **options).points
                predicted[name][some[:, None], keypoints] = found_points[: len(some)]
        facts.append(found.facts)
    return Outcome(predicted, facts)


def _by_alpha(score: Pck, values: Float[np.ndarray, " alphas"]) -> dict[str, float]:
    return dict(zip(map(str, score.alphas), values.tolist(), strict=True))


def _figure(
    categories: tuple[Category, ...], predicted: Mapping[str, Mapping[str, np.ndarray]]
) -> Image:
    """Tested objects of every category: the truth, and what every method with the prior predicts."""
    shown = [name for name in predicted if name.endswith("_prior")]
    rows = []
    for category in categories:
        tested = np.flatnonzero(category.folds >= 0)
        for place in np.linspace(0, len(tested) - 1, min(SHOWN, len(tested))).astype(int):
            number = tested[place]
            truth = np.where(category.visible[number, :, None], category.points[number], np.nan)
            found = [predicted[name][category.name][place] for name in shown]
            rows.append([_overlay(category, number, points) for points in (truth, *found)])
    return pixels(image_grid(rows, column_labels=("true", *shown), cell_px=PANEL_PX))


def _overlay(category: Category, number: int, points: Float[np.ndarray, "n 2"]) -> Image:
    return points_overlay(
        load_image(category.records[number]),
        points,
        colors=name_colors(len(points)),
        boxes=[coords.Box(*category.boxes[number])],
        longest_px=PANEL_PX,
    )


if __name__ == "__main__":
    run(Config, main, __doc__)
