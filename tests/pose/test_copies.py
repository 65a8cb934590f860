"""Mirrored and rotated copies of images: their maps, windows and predictions."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from convcorr_jax.coords import Size, flip_points
from convcorr_jax.errors import InputError
from convcorr_jax.pose import cascade, framing
from convcorr_jax.pose.augmentation import mirror_of, mirrored_joints, rotation_of
from tests.builders.pose_architectures import TINY, examples, tiny, tiny_person

MIRROR = mirror_of(TINY, TINY.input_size)
SHAPES = [TINY, tiny(cascade="standard"), tiny_person()]
detect = jax.jit(cascade.detect, static_argnames="architecture")


def positive(params):
    """Where a heat-map is negative, the spatial model has equal cells, of which the first counts."""
    params["coarse"]["params"]["joints"]["bias"] += 1
    return params


def assert_maxima(found, mean):
    """Assert that a prediction has the highest cells of heat-maps, and their values as its scores."""
    for image, joint in np.ndindex(2, 3):
        one = mean[image, :, :, joint]
        row, column = np.unravel_index(one.argmax(), one.shape)
        np.testing.assert_array_equal(found.coarse_alone[image, joint], [8 * column + 3.5, 8 * row + 3.5])
        assert found.scores[image, joint] == pytest.approx(one.max(), rel=1e-4)


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_windows_of_the_mirrored_image_show_the_same_pixels(rng, stride):
    height, width = (side // stride for side in TINY.input_size)
    maps = jnp.asarray(rng.normal(size=(2, height, width, 5)), jnp.float32)
    # Some windows reach beyond every border.
    corners = cascade.corners(jnp.asarray(rng.uniform(-10, 74, (2, 3, 2)), jnp.float32), architecture=TINY)
    options = {"window_px": TINY.fine_window, "stride_px": stride}
    windows = framing.windows(maps, corners, **options)
    mirrored = framing.windows(maps[:, :, ::-1], MIRROR.corners(corners), **options)
    for joint, partner in enumerate(mirrored_joints(3, TINY.left_right_pairs)):
        np.testing.assert_array_equal(mirrored[:, joint, :, ::-1], windows[:, partner])
    np.testing.assert_array_equal(MIRROR.corners(MIRROR.corners(corners)), corners)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.name}-{shape.cascade}")
def test_the_prediction_of_a_mirrored_image_is_the_mirrored_prediction(key, rng, shape):
    """So far as the spatial model is symmetric, as an untrained one is."""
    size = shape.input_size
    images, _, torso = examples(rng, size=size)
    params = positive(cascade.init(key, shape))
    flip = {"width": size.width, "left_right_pairs": shape.left_right_pairs}

    def predicted(images, torso):
        return jax.tree.map(np.asarray, cascade.predict(params, images, torso, architecture=shape))

    flipped_torso = torso.at[:, 0].set(size.width - 1 - torso[:, 0])
    found, of_mirrored = predicted(images, torso), predicted(images[:, :, ::-1], flipped_torso)
    for net in ("points", "coarse", "coarse_alone"):
        for one, other in zip(getattr(found, net), getattr(of_mirrored, net), strict=True):
            np.testing.assert_allclose(flip_points(one, **flip), other, atol=2e-3)
    partners = list(mirrored_joints(3, shape.left_right_pairs))
    np.testing.assert_allclose(found.scores[:, partners], of_mirrored.scores, rtol=1e-3, atol=1e-6)


def test_heatmaps_are_means_of_both_images(key, rng):
    images, _, torso = examples(rng)
    params = positive(cascade.init(key, TINY))
    maps = [
        np.asarray(detect(params, each, torso, architecture=TINY).heatmaps)
        for each in (images, images[:, :, ::-1])
    ]
    mean = (maps[0] + maps[1][:, :, ::-1][..., [1, 0, 2]]) / 2
    assert_maxima(cascade.predict(params, images, torso, architecture=TINY, subcell=False), mean)


def test_images_whose_mirrored_cells_lie_between_cells_are_refused(key):
    mirror_of(TINY, Size(44, 72))
    with pytest.raises(InputError, match=r"images are 60 pixels wide; .* a multiple of 8"):
        mirror_of(TINY, Size(40, 60))
    images, torso = np.zeros((1, 40, 60, 3), np.uint8), np.zeros((1, 2), np.float32)
    params = cascade.init(key, TINY)
    with pytest.raises(InputError, match="images are 60 pixels wide"):
        cascade.predict(params, images, torso, architecture=TINY)
    found = cascade.predict(params, images, torso, architecture=TINY, mirrored=False)
    assert found.points.shape == (1, 3, 2)


SIZE = TINY.input_size
MIDDLE = np.array([31.5, 19.5])


@pytest.mark.parametrize("degrees", [-30.0, 20.0, 90.0])
def test_one_bright_pixel_is_where_its_point_is(degrees):
    image = jnp.zeros((1, *SIZE, 3), jnp.uint8).at[0, 14, 38].set(255)
    bright = np.asarray(rotation_of(SIZE, degrees).images(image), float)[0, :, :, 0]
    rows, columns = np.mgrid[: SIZE.height, : SIZE.width]
    centroid = [(axis * bright).sum() / bright.sum() for axis in (columns, rows)]
    # By complex numbers; y points down, so that a positive angle turns clockwise.
    turned = complex(*([38.0, 14.0] - MIDDLE)) * np.exp(1j * np.deg2rad(degrees))
    np.testing.assert_allclose(centroid, np.add(MIDDLE, [turned.real, turned.imag]), atol=0.1)


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
    params = positive(cascade.init(key, TINY))

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
    assert_maxima(cascade.predict(params, images, torso, **options), mean)


def test_without_rotated_copies_the_angle_does_not_matter(key, rng):
    images, _, torso = examples(rng)
    params = cascade.init(key, TINY)
    shape = dataclasses.replace(TINY, rotated_degrees=25.0)
    expected = cascade.predict(params, images, torso, architecture=TINY)
    found = cascade.predict(params, images, torso, architecture=shape, rotated=False)
    np.testing.assert_array_equal(found.points, expected.points)
