import dataclasses

import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.errors import InputError
from convcorr_jax.pose import small
from convcorr_jax.pose.framing import frame_of_box, framed, second_frame

SIZE = coords.Size(96, 128)
WHOLE = small(("nose",), ())
AROUND_TORSO = dataclasses.replace(WHOLE, frame_px=200.0)
BOXES = [None, coords.Box(30.0, 10.0, 60.0, 80.0), coords.Box(-10.0, 60.0, 50.0, 90.0)]


def photograph(at: tuple[int, int], shape=(100, 90)) -> np.ndarray:
    """Black but for one bright spot of 3 x 3 pixels around ``at`` (x, y)."""
    image = np.zeros((*shape, 3), np.uint8)
    x, y = at
    image[y - 1 : y + 2, x - 1 : x + 2] = 255
    return image


@pytest.mark.parametrize("margin_px", [0, 24])
@pytest.mark.parametrize("person", BOXES)
def test_a_bright_spot_lies_where_the_transform_says(person, margin_px):
    at = (43, 70)
    frame = None if person is None else frame_of_box(person, architecture=WHOLE)
    found = framed(photograph(at), frame, SIZE, margin_px=margin_px)
    size = (SIZE.height + 2 * margin_px, SIZE.width + 2 * margin_px)
    assert found.image.shape == (*size, 3)
    weights = found.image[..., 0] / found.image[..., 0].sum()
    rows, columns = np.indices(size)
    center = [(weights * columns).sum(), (weights * rows).sum()]
    expected = coords.apply(found.transform, np.array([at], float))[0]
    np.testing.assert_allclose(center, expected + margin_px, atol=0.1)


@pytest.mark.parametrize("margin_px", [0, 24])
def test_the_frame_is_the_input_without_its_surroundings(margin_px):
    frame = coords.Box(20.0, 30.0, 84.0, 78.0)
    found = framed(photograph((43, 70)), frame, SIZE, margin_px=margin_px)
    corners = coords.apply(found.transform, np.array([[frame.x0, frame.y0], [frame.x1, frame.y1]]))
    np.testing.assert_allclose(corners, [[-0.5, -0.5], [SIZE.width - 0.5, SIZE.height - 0.5]])


def test_a_frame_far_beyond_the_photograph_repeats_its_border():
    image = np.full((10, 10, 3), 7, np.uint8)
    image[:, 5:] = 200
    found = framed(image, coords.Box(-45.0, -45.0, 54.0, 54.0), SIZE)
    assert set(np.unique(found.image[:, :40])) == {7}
    assert set(np.unique(found.image[:, -40:])) == {200}


@pytest.mark.parametrize("shape", [(100, 90), (50, 200), (96, 128)])
def test_the_whole_photograph_is_shown_in_the_middle(shape):
    height, width = shape
    found = framed(np.zeros((*shape, 3), np.uint8), None, SIZE)
    edges = np.array([[-0.5, -0.5], [width - 0.5, height - 0.5]])
    (left, top), (right, bottom) = coords.apply(found.transform, edges)
    assert (right - left) / (bottom - top) == pytest.approx(width / height)
    margins = [left + 0.5, SIZE.width - 0.5 - right, top + 0.5, SIZE.height - 0.5 - bottom]
    assert margins[0] == pytest.approx(margins[1])
    assert margins[2] == pytest.approx(margins[3])
    assert min(margins) == pytest.approx(0, abs=1e-9)


def test_a_person_takes_four_fifths_of_the_frame():
    person = BOXES[1]
    found = framed(photograph((43, 70)), frame_of_box(person, architecture=WHOLE), SIZE)
    corners = coords.apply(
        found.transform, np.array([[person.x0, person.y0], [person.x1, person.y1]])
    )
    assert corners[1, 1] - corners[0, 1] == pytest.approx(0.8 * SIZE.height)
    middle = corners.mean(axis=0)
    np.testing.assert_allclose(middle, [(SIZE.width - 1) / 2, (SIZE.height - 1) / 2])


def test_around_the_torso_a_person_takes_three_fifths_of_the_frame():
    frame = frame_of_box(BOXES[1], architecture=AROUND_TORSO)
    assert (frame.width, frame.height) == pytest.approx((70 * 5 / 3, 70 * 5 / 3))
    assert frame.center == BOXES[1].center


def test_the_second_look_is_around_the_torso_that_was_found():
    joints = ("l_shoulder", "r_shoulder", "l_hip", "r_hip", "nose")
    points = np.array([[40, 30], [50, 30], [42, 60], [48, 60], [45, 12]], float)
    found = second_frame(points, joints, coords.Box(-0.5, -0.5, 119.5, 99.5))
    assert found.center == pytest.approx((45, 45))
    # The box of the joints is 48 pixels high.
    assert (found.width, found.height) == pytest.approx((80, 80))
    smallest = second_frame(points, joints, coords.Box(0.0, 0.0, 400.0, 100.0))
    greatest = second_frame(points, joints, coords.Box(0.0, 0.0, 50.0, 40.0))
    assert (smallest.width, greatest.width) == pytest.approx((200, 50))


def test_without_shoulders_and_hips_there_is_no_second_look():
    with pytest.raises(InputError, match="none of the joints nose is a shoulder or a hip"):
        second_frame(np.zeros((1, 2)), ("nose",), coords.Box(0.0, 0.0, 9.0, 9.0))


def test_a_box_without_area_is_refused():
    with pytest.raises(InputError, match="no area"):
        frame_of_box(coords.Box(5.0, 5.0, 5.0, 9.0), architecture=WHOLE)
    with pytest.raises(InputError, match="no area"):
        framed(photograph((43, 70)), coords.Box(5.0, 5.0, 5.0, 9.0), SIZE)
