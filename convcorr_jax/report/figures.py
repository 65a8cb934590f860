"""Figures of alignments and of poses."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.figure import Figure

from convcorr_jax import coords, images
from convcorr_jax.matching import (
    DOUBTFUL_POINT,
    Matches,
    PhotographAlignment,
    change_frames,
    dense_flow,
    judge,
    warp_onto_b,
)
from convcorr_jax.metrics import column_of, x_error_histogram
from convcorr_jax.report.drawing import pixels, skeleton
from convcorr_jax.report.grids import image_grid
from convcorr_jax.report.matches import MatchPanels, match_figure
from convcorr_jax.report.plots import error_histograms, image_url, pck_curves
from convcorr_jax.shapes import Image

# Longer side of each image in the figure: a PNG of four such panels is smaller than 1.5 MB.
_PANEL_PX = 480
_LONGEST_NAME = 24


def alignment_figure(
    a: UInt8[np.ndarray, "height_a width_a 3"],
    b: UInt8[np.ndarray, "height_b width_b 3"],
    alignment: PhotographAlignment,
    matches: Matches,
    *,
    names: tuple[str, str] = ("a", "b"),
    caption: str = "",
    carried: Matches | None = None,
    point_names: Sequence[str] = (),
) -> Figure:
    """Draw two images and how they were aligned by `align_photographs`, with matches as lines.

    Points of a that were ``carried`` to b are drawn bold, and doubtful ones as grey rings. The verdict is on
    these points, or on the pair. The caption is the last line of the figure.
    """
    small_a, small_b = (images.resize_longest_side(one, min(_PANEL_PX, max(one.shape[:2]))) for one in (a, b))
    to_small = (small_a.transform, small_b.transform)
    small = change_frames(alignment, small_a, small_b)
    size_a, size_b = small_a.image.shape[:2], small_b.image.shape[:2]
    outside_a = ~coords.inside(coords.cell_grid(size_a), small.shown_a)
    outside_b = ~coords.inside(coords.cell_grid(size_b), small.shown_b)
    flow = dense_flow(small, size_a)
    longest_px = _longest_px(
        flow[~outside_a] / small_a.transform.scale, least=float(alignment.a_to_px.scale.min()) / 2
    )
    flow[outside_a] = np.nan
    warped = warp_onto_b(small_a.image, small, size_b)
    # Pixels that were not aligned are drawn pale.
    warped[outside_b] = 255 - (255 - warped[outside_b]) // 5
    # Two names, and a few words, fit above a panel.
    name_a, name_b = (one if len(one) <= _LONGEST_NAME else f"{one[:14]}…{one[-9:]}" for one in names)
    lines, points = (_in_frames(pairs, *to_small) for pairs in (matches, carried or _NONE))
    panels = MatchPanels(
        small_a.image,
        small_b.image,
        matches_a=lines.a_px,
        matches_b=lines.b_px,
        a_onto_b=warped,
        flow=flow,
        longest=longest_px * float(small_a.transform.scale.mean()),
        titles=(name_a, name_b, f"flow of {name_a}", f"{name_a} laid onto {name_b}"),
        key=f"Colour: where a pixel of {name_a} moves; at the rim by {longest_px:g} px or more.",
        verdict=verdict_sentence(alignment, carried=carried),
        caption=caption,
        boxes=(small.shown_a if outside_a.any() else None, small.shown_b if outside_b.any() else None),
        doubtful_matches=lines.confidence < DOUBTFUL_POINT,
        points_a=points.a_px,
        points_b=points.b_px,
        doubtful_points=points.confidence < DOUBTFUL_POINT,
        point_names=point_names,
    )
    return match_figure(panels, panel_px=_PANEL_PX)


def verdict_sentence(alignment: PhotographAlignment, *, carried: Matches | None = None) -> str:
    """Return the verdict on the points that were carried, or on the pair, and how b was turned, in words."""
    turned = f"; b was {alignment.turn}" if str(alignment.turn) else ""
    return f"{judge(alignment, carried=carried).sentence}{turned}"


def figure_element(figure: Figure, *, description: str) -> str:
    """Return a figure as an HTML element that needs no file."""
    return f'<img style="max-width: 100%" alt="{escape(description)}" src="{image_url(pixels(figure))}">'


_NONE = Matches(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0))


def _in_frames(matches: Matches, a_frame: coords.Transform, b_frame: coords.Transform) -> Matches:
    return matches._replace(a_px=a_frame(matches.a_px), b_px=b_frame(matches.b_px))


def _longest_px(flow: Float[np.ndarray, "n 2"], *, least: float) -> float:
    """Compute the length at the wheel's rim: the 99th percentile, rounded up to two digits."""
    length = max(float(np.quantile(np.hypot(*flow.T), 0.99)), least)
    unit = 10.0 ** (math.floor(math.log10(length)) - 1)
    return math.ceil(length / unit) * unit


# The panels of PCK curves, each of the mean of the columns that its title names.
_PANELS = ("head", "elbow", "wrist", "elbow and wrist", "ankle", "total")
# The columns of Figure 11.
_HISTOGRAM_COLUMNS = ("head", "shoulder")
_CELL_PX = 200
# The variants of the ablations with another pooling than 8.
_POOLINGS = ("4x", "8x", "16x")


def joint_curves(curves: Mapping[str, Mapping[str, Sequence[float]]], *, alphas: Sequence[float]) -> Image:
    """Draw PCK curves by net and column, one panel for each kind of joint and one line for each net.

    The ``alphas`` are the first of the thresholds of the curves, in rising order.
    """
    panels = {
        title: {
            net: np.mean([shares[column][: len(alphas)] for column in title.split(" and ")], axis=0).tolist()
            for net, shares in curves.items()
        }
        for title in _PANELS
        if all({*title.split(" and ")} <= {*shares} for shares in curves.values())
    }
    return pixels(pck_curves(panels, alphas=alphas, x_label="threshold"))


def joint_error_histograms(
    offsets_px: Mapping[str, Float[np.ndarray, "n j 2"]], joints: Sequence[str]
) -> Image:
    """Draw histograms of errors along x of heads and shoulders, one panel for each net (Figure 11).

    Offsets, by net, are prediction minus truth (x, y) in pixels of the network's input; NaN where missing.
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

    Joints (x, y) are in pixels of the photographs, NaN where missing; mean normalized errors are captions.
    """
    rows = [
        [
            skeleton(photograph, of_person, joints, longest_px=_CELL_PX)
            for photograph, of_person in zip(photographs, points, strict=True)
        ]
        for points in (truth, predicted)
    ]
    captions = [[()] * len(photographs), [(f"mean error {error:.2f}",) for error in mean_errors]]
    return pixels(image_grid(rows, row_labels=("annotated", "found"), captions=captions, cell_px=_CELL_PX))


def ablation_curves(curves: Mapping[str, Mapping[str, Any]], *, greatest_alpha: float) -> Image:
    """Draw PCK curves of the ablations: Figure 9 over all joints, and both parts of Figure 14 for the wrist.

    The curves are, by variant, those of its result: ``alphas``, and PCK by net and column. Variants that are
    missing have no line, and panels without a line are left out.
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
