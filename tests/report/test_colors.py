import colorsys

import numpy as np

from convcorr_jax.report import drawing


def test_hue_is_direction_and_saturation_is_length(rng):
    flow = rng.standard_normal((5, 6, 2))
    found = drawing.flow_colors(flow, longest=2.0)
    for (dx, dy), color in zip(flow.reshape(-1, 2), found.reshape(-1, 3), strict=True):
        turn = np.arctan2(dy, dx) / (2 * np.pi)
        expected = colorsys.hsv_to_rgb(turn % 1, min(np.hypot(dx, dy) / 2, 1), 1)
        np.testing.assert_allclose(color, np.array(expected) * 255, atol=0.51)


def test_what_is_too_long_is_saturated_and_what_is_unknown_is_grey():
    flow = np.array([[[3.0, 0.0], [300.0, 0.0], [np.nan, 0.0], [0.0, np.nan]]])
    found = drawing.flow_colors(flow, longest=3.0)[0]
    assert found.tolist() == [[255, 0, 0], [255, 0, 0], [204] * 3, [204] * 3]


def test_the_wheel_is_the_key():
    wheel = drawing.flow_wheel(101)
    assert wheel[50, 50].tolist() == [255] * 3
    assert wheel[0, 0].tolist() == [255] * 3
    for x, y, flow in ((99, 50, (1, 0)), (50, 99, (0, 1)), (1, 50, (-1, 0)), (50, 1, (0, -1))):
        expected = drawing.flow_colors(np.array([[flow]], float), longest=1.0)[0, 0]
        np.testing.assert_allclose(wheel[y, x].astype(int), expected, atol=8)


def test_places_and_names_have_colours_of_their_own():
    corners = np.array([[0.0, 0.0], [99.0, 0.0], [0.0, 79.0], [99.0, 79.0], [50.0, 40.0]])
    for found in (drawing.position_colors(corners, (80, 100)), drawing.name_colors(14)):
        assert found.min() >= 0
        assert found.max() <= 1
        gaps = np.abs(found[:, None] - found[None]).max(axis=-1) + np.eye(len(found))
        assert gaps.min() > 0.1
    # A point that lies outside has the colour of the border.
    outside = drawing.position_colors(np.array([[-50.0, 200.0]]), (80, 100))
    np.testing.assert_allclose(outside, drawing.position_colors(np.array([[-0.5, 79.5]]), (80, 100)))
