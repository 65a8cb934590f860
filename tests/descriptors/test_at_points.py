import jax.numpy as jnp
import numpy as np
import pytest
from skimage import data

from convcorr_jax import coords
from convcorr_jax.backbone import activations, cell_centers, preprocess
from convcorr_jax.backbone.weights import load
from convcorr_jax.descriptors import columns_at, pad_to_square, sift_at, sift_at_points, view

LAYERS = ("conv1", "conv2")
POINTS = 30


@pytest.fixture(scope="module")
def weights():
    return load("alexnet")


@pytest.fixture
def photographs():
    return np.stack([pad_to_square(image, side_px=112).image for image in (data.coffee(), data.chelsea())])


def unit(columns):
    return columns / np.linalg.norm(columns, axis=-1, keepdims=True)


@pytest.mark.parametrize(("height", "width"), [(60, 80), (90, 40)])
def test_a_bright_pixel_is_found_on_the_canvas(height, width):
    photograph = np.zeros((height, width, 3), np.uint8)
    photograph[30, 20] = 255
    shown = pad_to_square(photograph, side_px=320)
    assert shown.image.shape == (320, 320, 3)
    brightness = shown.image[..., 0].astype(float)
    rows, columns = np.mgrid[:320, :320]
    spot = np.array([(columns * brightness).sum(), (rows * brightness).sum()]) / brightness.sum()
    np.testing.assert_allclose(spot, shown.transform(np.array([20.0, 30.0])), atol=0.1)


def test_beyond_the_photograph_its_border_is_repeated():
    shown = pad_to_square(data.coffee(), side_px=60).image
    assert (shown[40:] == shown[39]).all()


def test_the_nearest_column_is_taken(weights, photographs, rng):
    points = rng.uniform(-8, 120, (2, POINTS, 2))
    found = columns_at(weights.params, photographs, points, network=weights.network, layers=LAYERS)
    maps = activations(
        weights.params, preprocess(photographs, network=weights.network), network=weights.network, layers=LAYERS
    )
    for layer in LAYERS:
        centers = cell_centers(weights.network, layer)(coords.cell_grid(maps[layer].shape[1:3]))
        for image in range(2):
            distances = np.linalg.norm(centers[None] - points[image][:, None, None], axis=-1)
            nearest = distances.reshape(POINTS, -1).argmin(axis=1)
            columns = np.asarray(maps[layer][image]).reshape(-1, found[layer].shape[-1])
            np.testing.assert_allclose(found[layer][image], unit(columns[nearest]), atol=1e-5)


def test_between_centres_columns_are_interpolated(weights, photographs):
    to_px = cell_centers(weights.network, "conv2")
    cells = np.tile([[2.0, 3.0], [3.0, 3.0], [2.25, 3.0], [30.0, 30.0], [3.0, 2.5]], (2, 6, 1))
    points = to_px(cells)
    find = dict(network=weights.network, layers=LAYERS)
    nearest, between = (
        np.asarray(columns_at(weights.params, photographs, points, interpolate=way, **find)["conv2"])
        for way in (False, True)
    )
    on_centers = [0, 1, 3]
    np.testing.assert_allclose(between[:, on_centers], nearest[:, on_centers], atol=1e-5)
    inputs = preprocess(photographs, network=weights.network)
    maps = np.asarray(activations(weights.params, inputs, **find)["conv2"])
    across = 0.75 * maps[:, 3, 2] + 0.25 * maps[:, 3, 3]
    down = 0.5 * maps[:, 2, 3] + 0.5 * maps[:, 3, 3]
    np.testing.assert_allclose(between[:, 2], unit(across), atol=1e-5)
    np.testing.assert_allclose(between[:, 4], unit(down), atol=1e-5)


def test_sift_of_every_radius(photographs):
    points = np.array([[[30.0, 40.5]], [[60.0, 20.0]]])
    for radius, descriptors in sift_at_points(photographs, points, radii_px=(8, 16)).items():
        for image in range(2):
            expected = sift_at(jnp.asarray(photographs[image]), points[image], radius_px=radius)
            np.testing.assert_allclose(descriptors[image], expected, atol=1e-5)


def test_sift_of_low_contrast_is_not_put_out():
    faint = np.broadcast_to((100 + np.arange(64) // 16)[None, :, None], (64, 64, 3))
    found = sift_at_points(faint[None].astype(np.uint8), np.full((1, 1, 2), 31.0), radii_px=(16,))[16]
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5)


def test_an_absent_point_has_no_descriptor(weights, photographs):
    points = np.full((2, POINTS, 2), 50.0)
    points[:, 0] = np.nan
    columns = columns_at(weights.params, photographs, points, network=weights.network, layers=LAYERS)
    sift = sift_at_points(photographs, points[:, :2], radii_px=(8, 16))
    for found in (*columns.values(), *sift.values()):
        assert np.isnan(found[:, 0]).all()
        assert np.isfinite(found[:, 1:]).all()


def test_a_bright_spot_is_found_where_the_transform_says():
    photograph = np.zeros((80, 120, 3), np.uint8)
    photograph[40:43, 70:73] = 255  # centre (71, 41)
    for box in (None, coords.Box(50, 20, 100, 60)):
        resampled = view(photograph, box, sizes_px=(64, 96), margin=0.1)
        largest = resampled.pyramid[1][..., 0].astype(float)
        rows, columns = np.mgrid[:96, :96]
        spot = np.array([[(columns * largest).sum(), (rows * largest).sum()]]) / largest.sum()
        # Resampling spreads the spot evenly, up to the rounding of grey levels.
        np.testing.assert_allclose(resampled.to_photograph_px(spot), [[71, 41]], atol=0.1)


def test_all_sizes_show_the_same():
    resampled = view(data.coffee(), coords.Box(100, 50, 300, 200), sizes_px=(50, 100))
    assert [level.shape for level in resampled.pyramid] == [(50, 50, 3), (100, 100, 3)]
    halved = resampled.pyramid[1].reshape(50, 2, 50, 2, 3).mean(axis=(1, 3))
    # Two resamplings of one photograph: equal but for the filter's support.
    assert np.abs(halved - resampled.pyramid[0]).mean() < 4


def test_a_margin_shows_more():
    box = coords.Box(100, 50, 300, 200)
    plain, wide = (view(data.coffee(), box, sizes_px=(60,), margin=m) for m in (0.0, 0.25))
    np.testing.assert_allclose(wide.to_photograph_px.scale, 1.5 * plain.to_photograph_px.scale)
