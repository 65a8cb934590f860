import colorsys

import numpy as np

from convcorr_jax.report import Segmented, drawing, pixels, segmentation_figure
from convcorr_jax.report.grids import label_colors


def test_hue_is_direction_and_saturation_is_length_and_what_is_unknown_is_grey(rng):
    flow = rng.standard_normal((5, 6, 2))
    flow[0, 0], flow[0, 1] = [300.0, 0.0], [np.nan, 0.0]
    found = drawing.flow_colors(flow, longest=2.0)
    assert found[0, 1].tolist() == [204] * 3
    for (dx, dy), color in zip(flow.reshape(-1, 2), found.reshape(-1, 3), strict=True):
        if np.isnan(dx):
            continue
        turn = np.arctan2(dy, dx) / (2 * np.pi)
        expected = colorsys.hsv_to_rgb(turn % 1, min(np.hypot(dx, dy) / 2, 1), 1)
        np.testing.assert_allclose(color, np.array(expected) * 255, atol=0.51)


def test_the_wheel_is_the_key():
    wheel = drawing.flow_wheel(101)
    assert (wheel[[50, 0], [50, 0]] == 255).all()
    for x, y, flow in ((99, 50, (1, 0)), (50, 99, (0, 1)), (1, 50, (-1, 0)), (50, 1, (0, -1))):
        expected = drawing.flow_colors(np.array([[flow]], float), longest=1.0)[0, 0]
        np.testing.assert_allclose(wheel[y, x].astype(int), expected, atol=8)


def test_places_and_names_have_colours_of_their_own():
    corners = np.array([[0.0, 0.0], [99.0, 0.0], [0.0, 79.0], [99.0, 79.0], [50.0, 40.0]])
    for found in (drawing.position_colors(corners, (80, 100)), drawing.name_colors(14)):
        assert found.min() >= 0
        assert found.max() <= 1
        assert (np.abs(found[:, None] - found[None]).max(axis=-1) + np.eye(len(found))).min() > 0.1
    # A point that lies outside has the colour of the border.
    outside = drawing.position_colors(np.array([[-50.0, 200.0]]), (80, 100))
    np.testing.assert_allclose(outside, drawing.position_colors(np.array([[-0.5, 79.5]]), (80, 100)))


def test_every_class_has_a_color_of_its_own():
    """Even of VOC's twenty the two nearest can be told apart, from each other and from black and white."""
    names = ["background", *(f"class {k}" for k in range(20))]
    colors = label_colors(np.array([[*range(21), 255]], np.uint8), names)[0].astype(float)
    assert np.linalg.norm(colors[:, None] - colors[None], axis=-1)[~np.eye(22, dtype=bool)].min() > 40
    # A data set without a background has no black class.
    assert (label_colors(np.zeros((1, 1), np.uint8), ["sky"]) > 0).any()


def test_a_row_shows_photograph_maps_and_responses(rng):
    responses = np.zeros((40, 60, 2))
    responses[..., 1] = 2.0
    maps = np.zeros((40, 60), np.uint8), np.ones((40, 60), np.uint8)
    one = Segmented(rng.integers(0, 256, (40, 60, 3), np.uint8), *maps, responses)
    picture = pixels(segmentation_figure([one, one], ["background", "cat"], cell_px=60))
    height, width = picture.shape[:2]
    assert width > 5 * 60
    assert 2 * 40 < height < 3 * 60
    # The last two cells: no response is black, more than 1 is white.
    row = picture[height // 3]
    assert (row[width - 100 : width - 80] == 0).all()
    assert (row[width - 40 : width - 20] == 255).all()
