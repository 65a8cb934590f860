"""The picture of an alignment shows where things went, and lets what was not aligned step back."""

import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.flow import Alignment, Energy
from convcorr_jax.matching import UPRIGHT, Matches, PhotographAlignment, Verdict, carry_to_b, spread_matches
from convcorr_jax.report import alignment_figure, pixels

NONE = Matches(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0))


def still(shown_a, shown_b, flow=(0.0, 0.0)):
    """An alignment of 10 x 10 cells over each box, moved alike everywhere."""
    scores = np.full((10, 10), 0.9, np.float32)
    zero = jnp.float32(0)
    energy = Energy(zero, zero)

    def way(cells):
        moved = jnp.tile(jnp.array(cells, jnp.float32), (10, 10, 1))
        labels = jnp.zeros((10, 10, 2), jnp.int32)
        return Alignment(moved, jnp.asarray(scores), labels, energy, energy, jnp.int32(1), jnp.bool_(True))

    a_to_px, b_to_px = (coords.box_to_size(box, (10, 10)).inverse for box in (shown_a, shown_b))
    back = -np.array(flow)
    cost = np.zeros((10, 10, 10, 10), np.float32)
    black = np.zeros((1, 1, 3), np.uint8)
    return PhotographAlignment(
        *(way(flow), way(back), 0 * scores, scores, scores, Verdict("good", 0.9, 0.0), cost),
        *(a_to_px, b_to_px, shown_a, shown_b, UPRIGHT, (black, black)),
    )


def shares(figure, colors):
    """How many of the figure's pixels have each colour."""
    found = pixels(figure).astype(int)
    return [int((np.abs(found - color).max(axis=-1) <= 3).sum()) for color in colors]


def test_what_lies_outside_the_boxes_steps_back():
    a = np.full((400, 480, 3), (200, 40, 40), np.uint8)
    left = coords.Box(-0.5, -0.5, 239.5, 399.5)
    figure = alignment_figure(a, a, still(left, left), NONE)
    faded = [255 - (255 - channel) // 5 for channel in (200, 40, 40)]
    red, light, unknown, outlines = shares(figure, ([200, 40, 40], faded, [204] * 3, [0] * 3))
    assert outlines > 400
    # The right halves; outlines take a little of the photographs, and have greys of their own.
    assert light == pytest.approx(400 * 240, rel=0.01)
    assert unknown == pytest.approx(400 * 240, rel=0.05)
    assert red == pytest.approx(2.5 * 400 * 480, rel=0.03)


def test_the_wheel_measures_in_pixels_of_the_photograph_not_of_the_picture():
    a = np.zeros((1000, 1600, 3), np.uint8)
    whole = coords.whole_image(a.shape[:2])
    # A tenth of the width to the right.
    alignment = still(whole, whole, (1.0, 0.0))
    figure = alignment_figure(a, a, alignment, NONE, names=("left.jpg", "right.jpg"), caption="settings")
    texts = [text.get_text() for text in figure.texts]
    assert any("at the rim by 160 px or more" in text for text in texts)
    assert shares(figure, ([255, 0, 0],))[0] >= 0.97 * 300 * 480
    assert {"left.jpg", "right.jpg", "flow of left.jpg", "left.jpg laid onto right.jpg", "settings"} <= set(
        texts
    )


def test_what_wavers_below_a_cell_stays_pale():
    a = np.zeros((480, 480, 3), np.uint8)
    whole = coords.whole_image(a.shape[:2])
    name = "photograph-of-a-very-long-name-20261121-0001.jpg"
    figure = alignment_figure(a, a, still(whole, whole, (0.05, 0.0)), NONE, names=(name, "b"))
    # A twentieth of a cell, where half a cell would be red.
    assert any("at the rim by 24 px" in text.get_text() for text in figure.texts)
    assert shares(figure, ([255, 229, 229],))[0] >= 0.97 * 480 * 480
    # Long names are cut in their middle.
    assert figure.texts[0].get_text() == "photograph-of-…-0001.jpg"


def test_carried_points_and_matches_are_drawn():
    a = np.full((200, 300, 3), 128, np.uint8)
    whole = coords.whole_image(a.shape[:2])
    alignment = still(whole, whole)
    carried = carry_to_b(np.array([[30.0, 40.0], [250.0, 160.0]]), alignment)
    bare, lined, pointed = (
        pixels(alignment_figure(a, a, alignment, matches, carried=points, point_names=("p", "q")))
        for matches, points in ((NONE, None), (spread_matches(alignment), None), (NONE, carried))
    )
    assert bare.shape == lined.shape == pointed.shape
    assert (bare != lined).any(axis=-1).mean() > 0.005
    assert (bare != pointed).any(axis=-1).mean() > 0.002
