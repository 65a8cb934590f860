import jax.numpy as jnp
import numpy as np
import pytest
from skimage import data

from convcorr_jax.backbone import activations, preprocess, receptive_field
from convcorr_jax.backbone.weights import load
from convcorr_jax.descriptors import sift_at
from convcorr_jax.keypoints import response_histogram as rh


def test_responses_of_a_layer_are_those_of_shifted_photographs():
    """The brute force: the whole photograph, so shifted that a cell's centre lies on the pixel."""
    weights = load("alexnet")
    photograph = data.coffee()[100:320, 200:420]
    point = np.array([101.2, 98.7])
    found = rh.conv_window(weights.params, photograph, point, network=weights.network, layer="conv2")
    assert found.shape == (21, 21, 192)
    field = receptive_field(weights.network, "conv2")
    for x, y in [(-10, -10), (0, 0), (7, -3), (10, 10)]:
        from_first = np.array([101 + x, 99 + y]) - field.first_center_px
        column, row = (from_first // field.stride_px).astype(int)
        right, down = (from_first % field.stride_px).astype(int)
        shifted = preprocess(photograph[None, down : down + 200, right : right + 200], network=weights.network)
        maps = activations(weights.params, shifted, network=weights.network, layers=["conv2"])
        expected = maps["conv2"][0, row, column]
        expected /= jnp.linalg.norm(expected)
        np.testing.assert_allclose(found[10 + y, 10 + x], expected, atol=1e-5)


@pytest.mark.parametrize("radius_px", [10, 25])
def test_responses_of_sift_are_those_at_each_pixel(radius_px):
    photograph = data.coffee()[60:260, 200:420]
    found = rh.sift_window(photograph, np.array([100.4, 90.0]), radius_px=radius_px)
    offsets = np.array([[-10, -10], [0, 0], [7, -3], [10, 10]])
    expected = sift_at(
        jnp.asarray(photograph), offsets + np.array([100.0, 90.0]), radius_px=radius_px, contrast_threshold=0.0
    )
    columns, rows = (10 + offsets).T
    np.testing.assert_allclose(found[rows, columns], expected, atol=1e-5)


def test_windows_reach_beyond_the_photograph():
    weights = load("alexnet")
    photograph = data.coffee()[:120, :100]
    wide = np.pad(photograph, ((90, 90), (90, 90), (0, 0)), mode="edge")
    for window in (
        lambda image, point: rh.conv_window(
            weights.params, image, point, network=weights.network, layer="conv2"
        ),
        lambda image, point: rh.sift_window(image, point, radius_px=20),
    ):
        corner = np.array([98.0, 2.0])
        np.testing.assert_array_equal(window(photograph, corner), window(wide, corner + 90))


def windows_with_peaks(*offsets):
    windows = np.zeros((len(offsets), 21, 21))
    for window, (x, y) in zip(windows, offsets, strict=True):
        window[10 + y, 10 + x] = 1
    return windows


def test_maxima_are_relative_to_the_keypoint_and_borders_left_out():
    found = rh.response_peaks(windows_with_peaks((3, -4), (0, 2), (10, 1), (-9, 9), (0, -10)))
    assert found.offsets.tolist() == [[3, -4], [0, 2], [10, 1], [-9, 9], [0, -10]]
    assert found.inside.tolist() == [True, True, False, True, False]
    counts = rh.peak_histogram(found)
    assert counts.sum() == 3
    assert counts[6, 13] == counts[12, 10] == counts[19, 1] == 1
    figures = rh.sharpness(found)
    assert figures.near_share == pytest.approx(1 / 3)
    assert figures.mean_distance_px == pytest.approx((5 + 2 + 9 * np.sqrt(2)) / 3)
    assert figures.inside_share == pytest.approx(3 / 5)


def test_without_a_maximum_inside_there_are_no_figures():
    for responses in (windows_with_peaks((10, 0)), windows_with_peaks()):
        figures = rh.sharpness(rh.response_peaks(responses))
        assert np.isnan(figures.near_share)
        assert np.isnan(figures.mean_distance_px)
        assert figures.inside_share == 0


def test_chance_is_that_of_random_maxima(rng):
    found = rh.sharpness(rh.response_peaks(rng.uniform(size=(20_000, 21, 21))))
    # Four standard errors of 16 thousand maxima.
    np.testing.assert_allclose(found, rh.chance_sharpness(), atol=0.012, rtol=0.01)
