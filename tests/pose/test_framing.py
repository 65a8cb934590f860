"""Frames of photographs, and windows of maps around coarse positions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.data

from convcorr_jax import coords
from convcorr_jax.pose import frame_of_box, framing, resample_to_frame, second_frame, torso_of
from tests.builders.pose_architectures import TINY, tiny
from tests.reference import torch_pose

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
    found = resample_to_frame(photograph(at), frame, SIZE, margin_px=margin_px)
    assert found.image.shape == (SIZE.height + 2 * margin_px, SIZE.width + 2 * margin_px, 3)
    weights = found.image[..., 0] / found.image[..., 0].sum()
    rows, columns = np.indices(weights.shape)
    center = [(weights * columns).sum(), (weights * rows).sum()]
    np.testing.assert_allclose(center, found.transform(np.array([at], float))[0] + margin_px, atol=0.1)


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
    found = resample_to_frame(image, frame, SIZE, margin_px=30)
    rows, columns = np.indices(found.image.shape[:2])
    x, y = found.transform.inverse(np.stack([columns, rows], axis=-1).reshape(-1, 2) - 30.0).T
    inside, outside = ((x < 3.5 + off) & (y > 95.5 - off) for off in (-2.5, 2.5))
    bright = found.image[..., 0].ravel()
    assert (bright[inside] > 250).all()
    assert (bright[~outside] < 5).all()


def test_the_frame_in_the_middle_of_its_surroundings_is_the_frame():
    """The margin changes nothing inside but for the smoothing across the frame's edge."""
    cat = skimage.data.chelsea()[:200, :260]
    frame = coords.Box(60.0, 40.0, 180.0, 130.0)
    alone, surrounded = (resample_to_frame(cat, frame, SIZE, margin_px=margin) for margin in (0, 16))
    assert np.abs(surrounded.image[16:-16, 16:-16].astype(int) - alone.image).max() <= 1
    for one, other in zip(alone.transform, surrounded.transform, strict=True):
        np.testing.assert_allclose(one, other)


@pytest.mark.parametrize("shape", [(100, 90), (50, 200), (96, 128)])
def test_the_whole_photograph_is_shown_in_the_middle(shape):
    height, width = shape
    found = resample_to_frame(np.zeros((*shape, 3), np.uint8), None, SIZE)
    (left, top), (right, bottom) = found.transform(np.array([[-0.5, -0.5], [width - 0.5, height - 0.5]]))
    assert (right - left) / (bottom - top) == pytest.approx(width / height)
    margins = [left + 0.5, SIZE.width - 0.5 - right, top + 0.5, SIZE.height - 0.5 - bottom]
    assert (margins[0], margins[2]) == (pytest.approx(margins[1]), pytest.approx(margins[3]))
    assert min(margins) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("architecture", "part"), [(TINY, 0.8), (AROUND_TORSO, 0.6)])
def test_a_person_takes_its_part_of_the_frame(architecture, part):
    """Four fifths, or three fifths where frames are squares around the torso."""
    person = BOXES[1]
    found = resample_to_frame(photograph((43, 70)), frame_of_box(person, architecture=architecture), SIZE)
    corners = found.transform(np.array([[person.x0, person.y0], [person.x1, person.y1]]))
    assert corners[1, 1] - corners[0, 1] == pytest.approx(part * SIZE.height)
    np.testing.assert_allclose(corners.mean(axis=0), [(SIZE.width - 1) / 2, (SIZE.height - 1) / 2])


NAMES = ("nose", "l_shoulder", "r_shoulder", "l_hip", "r_ankle")
FIRST = coords.Box(-0.5, -0.5, 199.5, 299.5)


@pytest.mark.parametrize(("stretch", "side"), [(1.0, 200.0), (0.5, 150.0), (2.0, 300.0)])
def test_the_second_frame_is_around_the_torso_that_was_found(stretch, side):
    """5/3 of the joints' box, which is 120 pixels high; at least a half and at most all of the first frame."""
    points = np.array([[50.0, 0], [60, 30], [40, 30], [56, 60], [10, 120]]) * stretch
    found = second_frame(points, NAMES, FIRST)
    assert found.center == pytest.approx(tuple(points[1:4].mean(axis=0)))
    assert (found.width, found.height) == pytest.approx((side, side))
    shown = resample_to_frame(np.zeros((300, 200, 3), np.uint8), found, TINY.input_size)
    middle = (np.array([TINY.input_size.width, TINY.input_size.height]) - 1) / 2
    np.testing.assert_allclose(torso_of(found, shown.transform), middle)


WINDOW, STRIDES = 24, (1, 2, 4, 8)


def maps_of(rng, stride):
    return jnp.asarray(rng.normal(size=(2, 48 // stride, 64 // stride, 3)), jnp.float32)


@pytest.mark.parametrize("stride", STRIDES)
def test_windows_are_those_that_torch_gathers(rng, stride):
    maps = maps_of(rng, stride)
    # Inside, over each border, and far away.
    points = np.array([[20.0, 20], [0, 47], [63, 0], [-300, 20], [500, 500]], np.float32)
    points = jnp.asarray(np.stack([points, points[::-1] + 9]))
    corners = framing.corners(points, window_px=WINDOW, stride_px=8)
    found = framing.windows(maps, corners, window_px=WINDOW, stride_px=stride)
    expected = torch_pose.windows(
        torch_pose.channels_first(maps), np.asarray(corners), window_px=WINDOW, stride_px=stride
    )
    np.testing.assert_array_equal(found, torch_pose.channels_last(expected))
    assert not np.asarray(found)[0, 3].any()
    assert np.asarray(found)[0, 0].all()


def test_joints_are_in_the_middle_to_half_the_coarsest_stride(rng):
    points = jnp.asarray(rng.uniform(-20, 90, (3, 40, 2)), jnp.float32)
    corners = framing.corners(points, window_px=WINDOW, stride_px=8)
    assert not (corners % 8).any()
    assert float(abs(points - (corners + (WINDOW - 1) / 2)).max()) <= 4
    # With pooling 8, a peak is in the very middle.
    peak = jnp.array([[[8 * 3 + 3.5, 8 * 2 + 3.5]]])
    centered = framing.corners(peak, window_px=WINDOW, stride_px=8) + (WINDOW - 1) / 2
    np.testing.assert_array_equal(centered, peak)


def test_gradients_add_up_where_windows_overlap(rng):
    maps = maps_of(rng, 2)
    points = jnp.array([[[20.0, 20], [28, 20], [60, 46]]] * 2)
    corners = framing.corners(points, window_px=WINDOW, stride_px=8)

    @jax.jit
    @jax.grad
    def gradient(maps):
        return framing.windows(maps, corners, window_px=WINDOW, stride_px=2).sum()

    covered = np.zeros(maps.shape)
    for image, joint in np.ndindex(2, 3):
        x, y = np.maximum(corners[image, joint] // 2, 0)
        right, bottom = corners[image, joint] // 2 + WINDOW // 2
        covered[image, y:bottom, x:right] += 1
    np.testing.assert_array_equal(gradient(maps), covered)
    assert covered.max() == 2
