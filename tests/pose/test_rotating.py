"""Rotated copies of images, and their heat-maps as those of the images."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from convcorr_jax import coords
from convcorr_jax.coords import Size
from convcorr_jax.pose import cascade, gaussians, peaks
from convcorr_jax.pose.augmentation import rotation_of
from tests.builders.pose_architectures import TINY, examples

SIZE = Size(40, 64)
MIDDLE = np.array([31.5, 19.5])


def rotated_point(point, degrees):
    """By complex numbers; y points down, so that a positive angle turns clockwise."""
    turned = complex(*(point - MIDDLE)) * np.exp(1j * np.deg2rad(degrees))
    return MIDDLE + np.array([turned.real, turned.imag])


@pytest.mark.parametrize("degrees", [-30.0, 20.0, 90.0])
def test_one_bright_pixel_is_where_its_point_is(degrees):
    image = jnp.zeros((1, *SIZE, 3), jnp.uint8).at[0, 14, 38].set(255)
    bright = np.asarray(rotation_of(SIZE, degrees).images(image), float)[0, :, :, 0]
    rows, columns = np.mgrid[: SIZE.height, : SIZE.width]
    centroid = [(axis * bright).sum() / bright.sum() for axis in (columns, rows)]
    np.testing.assert_allclose(centroid, rotated_point(np.array([38.0, 14.0]), degrees), atol=0.1)


@pytest.mark.parametrize("degrees", [-30.0, 20.0])
def test_heatmaps_of_the_rotated_image_are_those_of_the_image(degrees):
    """Around points whose cells both images show."""
    points = np.array([[[24.0, 12.0], [40.0, 25.0]]])
    turned = np.array([[rotated_point(point, degrees) for point in points[0]]])
    cells, size = coords.grid(4, 1.5), Size(10, 16)
    maps = gaussians(turned, size, cells, sigma_px=8.0)
    found = rotation_of(SIZE, degrees).maps_of_images(maps, cells)
    np.testing.assert_allclose(peaks(found, cells, subcell=True).points, points, atol=0.6)
    expected = gaussians(points, size, cells, sigma_px=8.0)
    shown = np.asarray(rotation_of(SIZE, degrees).maps_of_images(jnp.ones_like(maps), cells)) > 0.99
    assert 0.6 < shown.mean() < 0.95
    np.testing.assert_allclose(found[shown], expected[shown], atol=0.08)


def of_images_by_scipy(maps, degrees):
    """The map from output to input in SciPy's (row, column); zeros outside."""
    angle = np.deg2rad(degrees)
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    middle = (np.array(maps.shape[1:3]) - 1) / 2
    sampled = np.empty_like(maps)
    for image, joint in np.ndindex(maps.shape[0], maps.shape[3]):
        sampled[image, :, :, joint] = ndimage.affine_transform(
            maps[image, :, :, joint], matrix, middle - matrix @ middle, order=1, mode="grid-constant"
        )
    return sampled


def test_predictions_are_maxima_of_the_mean_over_copies_that_show_the_cell(key, rng):
    images, _, torso = examples(rng)
    params = cascade.init(key, TINY)
    params["coarse"]["params"]["joints"]["bias"] += 1
    detect = jax.jit(cascade.detect, static_argnames="architecture")

    def heatmaps(images):
        return np.asarray(detect(params, images, torso, architecture=TINY).heatmaps)

    total, count = heatmaps(images), 1.0
    for degrees in (25.0, -25.0):
        copy = heatmaps(rotation_of(SIZE, degrees).images(images))
        total = total + of_images_by_scipy(copy, degrees)
        count = count + of_images_by_scipy(np.ones_like(copy), degrees)
    mean = total / count
    shape = dataclasses.replace(TINY, rotated_degrees=25.0)
    options = {"architecture": shape, "mirrored": False, "subcell": False}
    found = cascade.predict(params, images, torso, **options)
    for image, joint in np.ndindex(2, 3):
        one = mean[image, :, :, joint]
        row, column = np.unravel_index(one.argmax(), one.shape)
        np.testing.assert_array_equal(found.coarse_alone[image, joint], [8 * column + 3.5, 8 * row + 3.5])
        assert found.scores[image, joint] == pytest.approx(one.max(), rel=1e-4)


def test_without_rotated_copies_the_angle_does_not_matter(key, rng):
    images, _, torso = examples(rng)
    params = cascade.init(key, TINY)
    shape = dataclasses.replace(TINY, rotated_degrees=25.0)
    expected = cascade.predict(params, images, torso, architecture=TINY)
    found = cascade.predict(params, images, torso, architecture=shape, rotated=False)
    np.testing.assert_array_equal(found.points, expected.points)
