"""Figures contain their panels, points and lines at the expected positions."""

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from convcorr_jax import coords, report
from convcorr_jax.report import matches
from tests.builders.processes import printed

GREY = np.full((40, 80, 3), 128, np.uint8)
RED, GREEN, BLUE = (np.full((60, 90, 3), c, np.uint8) for c in np.eye(3) * 255)


def is_color(image, color, tolerance=2):
    return np.abs(image.astype(int) - color).max(axis=-1) <= tolerance


def match_figure(a, b, *, panel_px=90, **options):
    defaults: dict[str, Any] = dict.fromkeys(("matches_a", "matches_b"), np.zeros((0, 2)))
    defaults |= {"a_onto_b": b, "flow": np.zeros((*a.shape[:2], 2)), "longest": 1.0}
    defaults |= {"titles": ("",) * 4, "key": ""}
    return matches.match_figure(matches.MatchPanels(a, b, **defaults | options), panel_px=panel_px)


def test_every_panel_is_shown_whole_at_its_place():
    flow = np.zeros((60, 90, 2))
    flow[:, 45:] = [1.0, 0.0]
    found = report.pixels(match_figure(GREEN, BLUE, a_onto_b=RED // 3, flow=flow))
    # Panels as large as the images: every pixel of theirs is one of the figure's.
    assert is_color(found, [0, 255, 0]).sum() == is_color(found, [85, 0, 0]).sum() == 60 * 90
    assert is_color(found, [0, 0, 255]).sum() >= 60 * 90
    # The frame around the flow takes its outermost pixels.
    assert is_color(found, [255, 0, 0]).sum() >= 58 * 43
    rows, columns = np.nonzero(is_color(found, [0, 255, 0]))
    assert columns.max() < np.nonzero(is_color(found, [0, 0, 255]).sum(axis=0) >= 60)[0].min()
    assert np.nonzero(is_color(found, [85, 0, 0]).sum(axis=1) >= 90)[0].min() > rows.max()


def test_a_line_leads_from_each_match_to_its_place():
    grey = np.full((60, 90, 3), 128, np.uint8)
    ends = np.array([[20.0, 30.0]])
    found = report.pixels(match_figure(grey, grey, matches_a=ends, matches_b=ends + np.array([40.0, 0.0])))
    panel = is_color(found, [128] * 3)
    top, left = (int(np.nonzero(panel)[axis].min()) for axis in (0, 1))
    gap = np.nonzero(~panel[top] & (np.arange(panel.shape[1]) > left))[0]
    between = found[:, gap[4] : gap[10]].astype(int)
    colored = np.nonzero((between.max(axis=-1) - between.min(axis=-1)).max(axis=1) > 100)[0]
    # The line is horizontal, at row 30 of both panels, and about a pixel wide.
    assert abs(colored.mean() - (top + 30)) <= 1


def test_points_lie_on_the_pixels_that_they_name():
    points = np.array([[10.0, 30.0], [np.nan, np.nan], [70.0, 8.0]])
    colors = np.array([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]])
    found = report.points_overlay(GREY, points, colors=colors, longest_px=320)
    assert found.shape == (160, 320, 3)
    for point, color in ((points[0], [255, 0, 0]), (points[2], [0, 0, 255])):
        rows, columns = np.nonzero(is_color(found, color, 40))
        expected = coords.resize((40, 80), (160, 320))(point[None])[0]
        np.testing.assert_allclose([columns.mean(), rows.mean()], expected, atol=0.6)
    assert not is_color(found, [0, 255, 0], 40).any()


def test_names_are_left_out_where_they_would_cover_each_other():
    photograph = np.full((80, 80, 3), 128, np.uint8)

    def ink(points, names):
        shown = report.points_overlay(photograph, points, names=names).astype(int)
        return int((shown - report.points_overlay(photograph, points) < -60).sum())

    apart = np.stack([np.full(4, 20.0), np.linspace(10, 70, 4)], axis=-1)
    one = ink(apart[:1], ["shoulder"])
    assert one > 20
    assert ink(apart, ["shoulder"] * 4) == pytest.approx(4 * one, rel=0.2)
    # Around one place there is room for four names at most.
    assert ink(np.full((12, 2), 40.0) + 0.1 * np.arange(12)[:, None], ["shoulder"] * 12) < 4.5 * one
    # Names of many points would cover the photograph.
    assert ink(np.stack([np.linspace(5, 60, 40), np.full(40, 20.0)], axis=-1), ["nose"] * 40) == 0
    # In a corner a name turns inwards, and an absent point has none.
    corner = np.array([[78.0, 2.0], [np.nan, np.nan]])
    assert ink(corner, ["shoulder", "hip"]) == pytest.approx(one, rel=0.4)


def test_hollow_points_show_what_they_surround_and_boxes_are_outlined():
    points, red = np.array([[20.0, 20.0], [60.0, 20.0]]), np.array([[1.0, 0, 0], [1.0, 0, 0]])
    hollow = np.array([True, False])
    found = report.points_overlay(GREY, points, colors=red, hollow=hollow)
    middles = np.rint(coords.resize((40, 80), (160, 320))(points)).astype(int)
    assert [found[y, x].tolist() for x, y in middles] == [[128, 128, 128], [255, 0, 0]]
    assert is_color(found[:, :160], [255, 0, 0], 60).sum() > 8
    box = coords.Box(10.0, 5.0, 70.0, 35.0)
    boxed = report.points_overlay(GREY, points, colors=red, hollow=hollow, boxes=[box])
    rows, columns = np.nonzero((boxed != found).any(axis=-1))
    edges = coords.resize((40, 80), (160, 320))(np.array([[10.0, 5], [70, 35]]))
    np.testing.assert_allclose([columns.min(), rows.min()], edges[0], atol=3)
    np.testing.assert_allclose([columns.max(), rows.max()], edges[1], atol=3)


def test_captions_stand_below_their_images():
    captions = [[("one",), ("two", "lines")], [()]]
    found = report.pixels(report.image_grid([[RED, GREEN], [BLUE]], captions=captions, cell_px=90))
    ink = (found < 100).all(axis=-1)
    assert 0 < ink[:, :100].sum() < ink[:, 100:].sum()
    red, blue = (np.nonzero(is_color(found, color))[0] for color in ([255, 0, 0], [0, 0, 255]))
    written = np.nonzero(ink.any(axis=1))[0]
    assert red.max() < written.min() < written.max() < blue.min()


def test_a_grid_has_its_images_in_rows_and_leaves_gaps_empty():
    rows = [[RED, None, BLUE], [GREEN[:, :30]]]
    labels = {"row_labels": ("first", "second"), "column_labels": ("a", "b", "c")}
    found = report.pixels(report.image_grid(rows, **labels, cell_px=90))
    places = [np.nonzero(is_color(found, color)) for color in np.eye(3) * 255]
    assert [len(place[0]) for place in places] == [60 * 90, 45 * 90, 60 * 90]
    (red_y, red_x), (green_y, green_x), (blue_y, blue_x) = places
    assert red_y.min() == blue_y.min()
    assert blue_x.min() - red_x.min() >= 180
    assert green_y.min() > red_y.max()
    assert abs(green_x.mean() - red_x.mean()) <= 1
    assert report.pixels(report.image_grid([[RED]], cell_px=90)).shape[0] < found.shape[0] / 2


def test_any_text_can_be_drawn():
    titles = ("a$b$c.jpg", "猫.jpg", "\udc80.jpg", "line\nbreak")
    # Warnings are errors here: a formula that is none, or a missing glyph, would be one.
    report.pixels(match_figure(GREY, GREY, titles=titles, key="$", caption="$"))
    report.points_overlay(GREY, np.array([[3.0, 4.0]]), names=["猫 $x"])


@pytest.mark.parametrize("shape", [(16, 1600), (1600, 16), (17, 17)])
def test_odd_shapes_are_drawn(shape):
    image = np.zeros((*shape, 3), np.uint8)
    assert isinstance(match_figure(image, image, panel_px=300), Figure)
    assert max(report.points_overlay(image, np.zeros((0, 2))).shape) == 320


def test_the_interactive_part_of_matplotlib_stays_out():
    code = "import sys, convcorr_jax.report; print('matplotlib.pyplot' in sys.modules)"
    assert printed("-c", code).strip() == "False"
