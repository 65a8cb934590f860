"""Figures of pose results: PCK curves of joints, histograms of errors, people from the best to the worst."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from convcorr_jax.metrics import column_of, x_error_histogram
from convcorr_jax.report.canvas import pixels
from convcorr_jax.report.error_histograms import error_histograms
from convcorr_jax.report.grids import image_grid
from convcorr_jax.report.pck_curves import pck_curves
from convcorr_jax.report.skeleton import skeleton
from convcorr_jax.shapes import Image

# The panels of PCK curves, by title, and the columns whose mean each shows.
_PANELS: dict[str, tuple[str, ...]] = {
    "head": ("head",),
    "elbow": ("elbow",),
    "wrist": ("wrist",),
    "elbow and wrist": ("elbow", "wrist"),
    "ankle": ("ankle",),
    "total": ("total",),
}
# The columns of Figure 11.
_HISTOGRAM_COLUMNS = ("head", "shoulder")
_CELL_PX = 200
# The variants of the ablations with another pooling than 8.
_POOLINGS = ("4x", "8x", "16x")


def joint_curves(
    curves: Mapping[str, Mapping[str, Sequence[float]]], *, alphas: Sequence[float]
) -> Image:
    """Draw PCK curves, one panel for each kind of joint and one line for each net.

    Args:
        curves: by net and column, PCK at thresholds of which ``alphas`` are the first.
        alphas: the thresholds to draw, in rising order.
    """
    nets = tuple(curves)
    panels = {
        title: {
            net: np.mean(
                [curves[net][column][: len(alphas)] for column in columns], axis=0
            ).tolist()
            for net in nets
        }
        for title, columns in _PANELS.items()
        if all(set(columns) <= set(curves[net]) for net in nets)
    }
    return pixels(pck_curves(panels, alphas=alphas, x_label="threshold"))


def joint_error_histograms(
    offsets_px: Mapping[str, Float[np.ndarray, "n j 2"]], joints: Sequence[str]
) -> Image:
    """Draw histograms of errors along x of heads and shoulders, one panel for each net (Figure 11).

    Args:
        offsets_px: by net, prediction minus truth (x, y) in pixels of the network's input; NaN where missing.
        joints: names of the joints, in the order of the second axis.
    """
    panels, bins = {}, np.zeros(0, int)
    for net, offsets in offsets_px.items():
        panels[net] = {}
        for column in _HISTOGRAM_COLUMNS:
            members = [i for i, joint in enumerate(joints) if column_of(joint) == column]
            if members:
                bins, panels[net][column] = x_error_histogram(offsets[:, members])
    return pixels(error_histograms(panels, errors_px=bins, x_label="error in x (input pixels)"))


def people_figure(
    photographs: Sequence[UInt8[np.ndarray, "_ _ 3"]],
    truth: Float[np.ndarray, "n j 2"],
    predicted: Float[np.ndarray, "n j 2"],
    joints: Sequence[str],
    *,
    mean_errors: Sequence[float],
) -> Image:
    """Draw the annotated and the predicted skeletons of people, one column for each person.

    Args:
        photographs: 8-bit RGB, one for each person.
        truth: annotated joints (x, y), in pixels of the photographs; NaN where missing.
        predicted: predicted joints, in pixels of the photographs.
        joints: names of the joints.
        mean_errors: mean normalized error of each person, for the captions.
    """
    rows = [
        [
            skeleton(photograph, of_person, joints, longest_px=_CELL_PX)
            for photograph, of_person in zip(photographs, points, strict=True)
        ]
        for points in (truth, predicted)
    ]
    captions = [
        [()] * len(photographs),
        [(f"mean error {error:.2f}",) for error in mean_errors],
    ]
    return pixels(
        image_grid(rows, row_labels=("annotated", "found"), captions=captions, cell_px=_CELL_PX)
    )


def ablation_curves(curves: Mapping[str, Mapping[str, Any]], *, greatest_alpha: float) -> Image:
    """Draw PCK curves of the ablations: Figure 9 over all joints, and both parts of Figure 14 for the wrist.

    Args:
        curves: by variant, the ``curves`` of its result: ``alphas``, and PCK by net and column. Variants that
            are missing have no line, and panels without a line are left out.
        greatest_alpha: the end of the drawn curves.
    """
    alphas = [a for a in next(iter(curves.values()))["alphas"] if a <= greatest_alpha]

    def lines(column: str, *chosen: tuple[str, str, str]) -> dict[str, Sequence[float]]:
        return {
            label: curves[variant][net][column][: len(alphas)]
            for label, variant, net in chosen
            if column in curves.get(variant, {}).get(net, {})
        }

    panels = {
        # The paper's coarse model has no spatial model.
        "pooling, coarse_alone, all joints": lines(
            "total", *((variant, variant, "coarse_alone") for variant in _POOLINGS)
        ),
        "cascade, wrist": lines(
            "wrist",
            ("shared", "8x", "cascade"),
            ("standard", "standard", "cascade"),
            ("coarse", "8x", "coarse"),
            ("coarse_alone", "8x", "coarse_alone"),
        ),
        "SpatialDropout, wrist": lines(
            "wrist", ("with", "8x", "cascade"), ("without", "no_dropout", "cascade")
        ),
    }
    panels = {title: of_panel for title, of_panel in panels.items() if of_panel}
    return pixels(pck_curves(panels, alphas=alphas, x_label="threshold"))
