import numpy as np
import pytest
import skimage.data

from convcorr_jax import coords
from convcorr_jax.errors import InputError
from convcorr_jax.pose import frame_around, frame_of_box, framed, second_frame, torso_of
from tests.builders.pose_architectures import TINY, tiny

SIZE = coords.Size(96, 128)
BOXES = [None, coords.Box(30.0, 10.0, 60.0, 80.0), coords.Box(-10.0, 60.0, 50.0, 90.0)]
AROUND_TORSO = tiny(frame_px=50.0)


def photograph(at: tuple[int, int], shape=(100, 90)) -> np.ndarray:
    """Black but for one bright spot of 3 x 3 pixels around ``at`` (x, y)."""
    image = np.zeros((*shape, 3), np.uint8)
    x, y = at
    image[y - 1 : y + 2, x - 1 : x + 2] = 255
    return image


@pytest.mark.parametrize("margin_px", [0, 24])
@pytest.mark.parametrize("frame", BOXES)
def test_a_bright_spot_lies_where_the_transform_says(frame, margin_px):
    at = (43, 70)
    found = framed(photograph(at), frame, SIZE, margin_px=margin_px)
    assert found.image.shape == (SIZE.height + 2 * margin_px, SIZE.width + 2 * margin_px, 3)
    weights = found.image[..., 0] / found.image[..., 0].sum()
    rows, columns = np.indices(weights.shape)
    center = [(weights * columns).sum(), (weights * rows).sum()]
    expected = found.transform(np.array([at], float))[0] + margin_px
    np.testing.assert_allclose(center, expected, atol=0.1)


@pytest.mark.parametrize(
    "frame",
    [
        coords.Box(40.0, 40.0, 60.0, 60.0),
        # Its surroundings, and the frame itself, reach beyond the photograph.
        coords.Box(-30.0, 70.0, 30.0, 130.0),
        None,
    ],
)
def test_surroundings_of_repeated_border_beyond_the_photograph(frame):
    """A spot in a corner of the photograph fills the whole corner beyond it."""
    image = np.zeros((100, 90, 3), np.uint8)
    image[-4:, :4] = 255
    found = framed(image, frame, SIZE, margin_px=30)
    rows, columns = np.indices(found.image.shape[:2])
    positions = np.stack([columns, rows], axis=-1).reshape(-1, 2) - 30.0
    x, y = found.transform.inverse(positions).T
    inside, outside = ((x < 3.5 + off) & (y > 95.5 - off) for off in (-2.5, 2.5))
    bright = found.image[..., 0].ravel()
    assert (bright[inside] > 250).all()
    assert (bright[~outside] < 5).all()


def test_the_frame_in_the_middle_of_its_surroundings_is_the_frame():
    """The margin changes nothing inside but for the smoothing across the frame's edge."""
    cat = skimage.data.chelsea()[:200, :260]
    frame = coords.Box(60.0, 40.0, 180.0, 130.0)
    alone, surrounded = (framed(cat, frame, SIZE, margin_px=margin) for margin in (0, 16))
    middle = surrounded.image[16:-16, 16:-16].astype(int)
    assert np.abs(middle - alone.image).max() <= 1
    for one, other in zip(alone.transform, surrounded.transform, strict=True):
        np.testing.assert_allclose(one, other)


@pytest.mark.parametrize("shape", [(100, 90), (50, 200), (96, 128)])
def test_the_whole_photograph_is_shown_in_the_middle(shape):
    height, width = shape
    found = framed(np.zeros((*shape, 3), np.uint8), None, SIZE)
    edges = np.array([[-0.5, -0.5], [width - 0.5, height - 0.5]])
    (left, top), (right, bottom) = found.transform(edges)
    assert (right - left) / (bottom - top) == pytest.approx(width / height)
    margins = [left + 0.5, SIZE.width - 0.5 - right, top + 0.5, SIZE.height - 0.5 - bottom]
    assert margins[0] == pytest.approx(margins[1])
    assert margins[2] == pytest.approx(margins[3])
    assert min(margins) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("architecture", "part"), [(TINY, 0.8), (AROUND_TORSO, 0.6)])
def test_a_person_takes_its_part_of_the_frame(architecture, part):
    """Four fifths, or three fifths where frames are squares around the torso."""
    person = BOXES[1]
    found = framed(photograph((43, 70)), frame_of_box(person, architecture=architecture), SIZE)
    corners = found.transform(np.array([[person.x0, person.y0], [person.x1, person.y1]]))
    assert corners[1, 1] - corners[0, 1] == pytest.approx(part * SIZE.height)
    middle = corners.mean(axis=0)
    np.testing.assert_allclose(middle, [(SIZE.width - 1) / 2, (SIZE.height - 1) / 2])


def test_a_frame_around_a_point_is_a_square():
    assert frame_around(np.array([3.0, 4.0]), 10.0) == coords.Box(-2.0, -1.0, 8.0, 9.0)


NAMES = ("nose", "l_shoulder", "r_shoulder", "l_hip", "r_ankle")
FIRST = coords.Box(-0.5, -0.5, 199.5, 299.5)


@pytest.mark.parametrize(("stretch", "side"), [(1.0, 200.0), (0.5, 150.0), (2.0, 300.0)])
def test_the_second_frame_is_around_the_torso_that_was_found(stretch, side):
    """5/3 of the joints' box, which is 120 pixels high; at least a half and at most all of the first frame."""
    points = np.array([[50.0, 0], [60, 30], [40, 30], [56, 60], [10, 120]]) * stretch
    found = second_frame(points, NAMES, FIRST)
    torso = points[1:4].mean(axis=0)
    assert found.center == pytest.approx(tuple(torso))
    assert (found.width, found.height) == pytest.approx((side, side))


def test_the_torso_is_in_the_middle_of_the_second_frame():
    points = np.array([[50.0, 0], [60, 30], [40, 30], [56, 60], [10, 120]])
    second = second_frame(points, NAMES, FIRST)
    found = framed(np.zeros((300, 200, 3), np.uint8), second, TINY.input_size)
    middle = (np.array([TINY.input_size.width, TINY.input_size.height]) - 1) / 2
    np.testing.assert_allclose(torso_of(second, found.transform), middle)


def test_joints_without_a_torso_have_no_second_frame():
    with pytest.raises(InputError, match="none of the joints nose, r_ankle is a shoulder or a hip"):
        second_frame(np.zeros((2, 2)), ("nose", "r_ankle"), FIRST)


def test_frames_that_show_nothing_are_refused():
    with pytest.raises(InputError, match="no area"):
        framed(photograph((43, 70)), coords.Box(5.0, 5.0, 5.0, 9.0), SIZE)
    with pytest.raises(InputError, match="no area"):
        frame_of_box(coords.Box(5.0, 5.0, 5.0, 9.0), architecture=TINY)
    for frame in (coords.Box(500.0, 5.0, 510.0, 9.0), coords.Box(0.0, 0.0, 1e9, 1e9)):
        with pytest.raises(InputError, match="reaches too far beyond the photograph of 90 x 100"):
            framed(photograph((43, 70)), frame, SIZE)
