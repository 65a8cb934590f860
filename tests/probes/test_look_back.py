"""Squares around landmarks: their position and size, and points relative to them."""

import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.datasets.official import ibug, lfpw
from convcorr_jax.descriptors import view
from convcorr_jax.probes import look_back_sets, needed_margin, squares_around, to_fractions, to_pixels
from convcorr_jax.synthetic.rendering import face


def test_the_68_landmarks_have_six_sets():
    markup = ibug.MARKUP
    sets = look_back_sets(markup.part_sets, left_right_pairs=markup.left_right_pairs)
    assert {name: sorted(members) for name, members in sets.items()} == {
        **{"left_jaw": [*range(9)], "right_jaw": [*range(8, 17)]},
        "left_eye": [*range(17, 22), *range(36, 42)],
        "right_eye": [*range(22, 27), *range(42, 48)],
        **{"nose": [*range(27, 36)], "mouth": [*range(48, 68)]},
    }


@pytest.mark.parametrize(
    ("names", "parts", "pairs"),
    [
        (ibug.HELEN_MARKUP.names, ibug.HELEN_MARKUP.part_sets, ibug.HELEN_MARKUP.left_right_pairs),
        (lfpw.MARKUP.names, lfpw.MARKUP.part_sets, lfpw.MARKUP.left_right_pairs),
        (face.NAMES, face.PART_SETS, ()),
    ],
)
def test_every_landmark_of_every_mark_up_is_in_a_set(names, parts, pairs):
    sets = look_back_sets(parts, left_right_pairs=pairs)
    assert {index for members in sets.values() for index in members} == set(range(len(names)))


def test_squares_cover_their_landmarks_and_the_margin(rng):
    points = rng.uniform(20, 80, (5, 6, 2))
    for face_points, box in zip(points, squares_around(points, (1, 4), margin=0.2), strict=True):
        size = np.ptp(face_points, axis=0).max()
        assert box.width == pytest.approx(np.ptp(face_points[[1, 4]], axis=0).max() + 0.4 * size)
        assert box.height == pytest.approx(box.width)
        middle = face_points[[1, 4]].mean(axis=0)
        np.testing.assert_allclose([(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2], middle)


def test_the_margin_is_a_quantile_of_the_greatest_errors(rng):
    truth = rng.uniform(0, 100, (10, 4, 2))
    predicted = truth + rng.standard_normal(truth.shape)
    of_face = [
        max(np.linalg.norm(p[k] - t[k]) for k in (0, 2)) / np.ptp(p, axis=0).max()
        for p, t in zip(predicted, truth, strict=True)
    ]
    assert needed_margin(predicted, truth, (0, 2), share=1.0) == pytest.approx(max(of_face))
    assert needed_margin(predicted, truth, (0, 2), share=0.5) == pytest.approx(np.median(of_face))


def test_fractions_and_pixels_are_inverse(rng):
    points = rng.uniform(0, 50, (3, 4, 2))
    squares = squares_around(points, (0, 1, 2, 3), margin=0.1)
    np.testing.assert_allclose(to_pixels(to_fractions(points, squares), squares), points, atol=1e-4)


def test_a_bright_pixel_is_at_its_fraction_of_the_square():
    photograph = np.zeros((60, 80, 3), np.uint8)
    photograph[33, 41] = 255
    bright = np.array([[[41.0, 33.0]]])
    square = (coords.Box(19.5, 9.5, 59.5, 49.5),)
    fraction = to_fractions(bright, square)[0]
    square_image = view(photograph, square[0], sizes_px=(120,)).pyramid[0]
    row, column = np.unravel_index(square_image[..., 0].argmax(), square_image.shape[:2])
    np.testing.assert_allclose((np.array([column, row]) + 0.5) / 120, fraction, atol=1 / 120)
