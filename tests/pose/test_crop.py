import jax
import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax.pose import framing
from tests.reference import torch_pose

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


@pytest.mark.parametrize(("x", "y"), [(30, 21), (0, 0), (63, 47), (17, 40)])
def test_one_bright_pixel_is_in_the_same_place_of_every_window(x, y):
    points = jnp.array([[[x - 5.0, y + 3.0]]])
    corners = framing.corners(points, window_px=WINDOW, stride_px=8)
    for stride in STRIDES:
        maps = jnp.zeros((1, 48 // stride, 64 // stride, 1))
        maps = maps.at[0, y // stride, x // stride, 0].set(1)
        found = framing.windows(maps, corners, window_px=WINDOW, stride_px=stride)[0, 0, :, :, 0]
        row, column = np.argwhere(np.asarray(found)).squeeze(0)
        assert [column, row] == ((np.array([x, y]) - corners[0, 0]) // stride).tolist()


def test_joints_are_in_the_middle_to_half_the_coarsest_stride(rng):
    points = jnp.asarray(rng.uniform(-20, 90, (3, 40, 2)), jnp.float32)
    corners = framing.corners(points, window_px=WINDOW, stride_px=8)
    assert not (corners % 8).any()
    from_middle = points - (corners + (WINDOW - 1) / 2)
    assert float(abs(from_middle).max()) <= 4
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
