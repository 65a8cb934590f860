"""Figures of predicted landmarks: cumulative errors, and faces with their landmarks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords
from convcorr_jax.datasets.records import load_image
from convcorr_jax.metrics import LANDMARK_FAILURE, cumulative_error_curve
from convcorr_jax.report import (
    cumulative_curves,
    image_grid,
    interval_curves,
    name_colors,
    pixels,
    points_overlay,
)
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.landmarks.faces import FaceSet, frame_of
from convcorr_jax.tasks.landmarks.fitting import RoundPredictions
from convcorr_jax.tasks.landmarks.frames import ANNOTATED, JITTERS
from convcorr_jax.tasks.splits import evenly_spread

# Errors at which the cumulative curve is drawn: up to twice the error that counts as a failure.
_THRESHOLDS = np.linspace(0, 2 * LANDMARK_FAILURE, 81)
_PANEL_PX = 240


def cumulative_figure(errors: Mapping[str, Float[np.ndarray, "faces n"]]) -> Image:
    """Draw the fraction of faces with at most a given error, one curve for each method.

    Args:
        errors: error of every landmark in fractions of the distance of the outer eye corners, by method.
    """
    curves = {
        method: cumulative_error_curve(values, _THRESHOLDS) for method, values in errors.items()
    }
    return pixels(
        cumulative_curves(
            _THRESHOLDS,
            curves,
            x_label="mean error of a face, over the distance of the outer eye corners",
            y_label="faces",
        )
    )


def jitter_figure(boxes: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Image:
    """Draw the mean error of each method against the displacement of the boxes, with 95 % intervals.

    Args:
        boxes: ``mean`` and ``interval`` of every method by the kind of box, as `kinds_report` returns them.
    """
    kinds = {0.0: ANNOTATED, **{deviation: f"jitter_{deviation}" for deviation in JITTERS}}
    methods = boxes[ANNOTATED]["mean"]

    def of_methods(part: str) -> dict[str, list[Any]]:
        return {name: [boxes[kind][part][name] for kind in kinds.values()] for name in methods}

    return pixels(
        interval_curves(
            list(kinds),
            of_methods("mean"),
            of_methods("interval"),
            x_label="standard deviation of the box's displacement (sides) and scale (logarithm)",
            y_label="mean error, over the distance of the outer eye corners",
        )
    )


def faces_figure(
    test: FaceSet,
    predictions: RoundPredictions,
    errors: Mapping[str, Float[np.ndarray, "faces n"]],
    *,
    shown: int,
) -> Image:
    """Draw Figure 3: faces as annotated, as predicted from the whole face, and after look-back.

    Args:
        test: the test faces.
        predictions: predictions of every round of look-back.
        errors: error of every landmark, by method; ``convnet_ridge`` and ``look_back`` are among the methods.
        shown: number of faces, evenly spread from the least error after look-back to the greatest.
    """
    order = np.argsort(errors["look_back"].mean(axis=1))
    chosen = order[evenly_spread(len(order), shown)].tolist()
    captions = [
        [
            ("annotated",),
            (f"whole face: {errors['convnet_ridge'][face].mean():.3f}",),
            (f"look-back: {errors['look_back'][face].mean():.3f}",),
        ]
        for face in chosen
    ]
    rows = [_panels(test, face, predictions) for face in chosen]
    return pixels(image_grid(rows, captions=captions, cell_px=_PANEL_PX))


def _panels(test: FaceSet, face: int, predictions: RoundPredictions) -> list[Image]:
    """Draw a face three times; on the second image are the squares of the first round of look-back."""
    record = test.records[face]
    photograph = load_image(record)
    squares = predictions.squares[1][:, face].tolist() if len(predictions.squares) > 1 else []
    panels = [
        (record.points, [frame_of(record)]),
        (predictions.points[0][face], [coords.Box(*edges) for edges in squares]),
        (predictions.points[-1][face], []),
    ]
    colors = name_colors(len(record.names))
    return [
        points_overlay(photograph, points, colors=colors, boxes=boxes, longest_px=_PANEL_PX)
        for points, boxes in panels
    ]
