"""Maps, windows and predictions of mirrored images."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax.coords import Size, flip_points
from convcorr_jax.errors import InputError
from convcorr_jax.pose import cascade, framing
from convcorr_jax.pose.augmentation import exchanged, mirror_of
from tests.builders.pose_architectures import TINY, examples, tiny, tiny_person

MIRROR = mirror_of(TINY, TINY.input_size)
SHAPES = [TINY, tiny(cascade="standard"), tiny_person()]


def positive(params):
    """Where a heat-map is negative, the spatial model has equal cells, of which the first counts."""
    params["coarse"]["params"]["joints"]["bias"] += 1
    return params


def test_maps_of_a_mirrored_image_are_turned_back(rng):
    maps = rng.normal(size=(2, 3, 4, 3)).astype(np.float32)
    found = MIRROR.maps(jnp.asarray(maps))
    partner = {0: 1, 1: 0, 2: 2}
    for image, row, column, joint in np.ndindex(found.shape):
        expected = maps[image, row, 3 - column, partner[joint]]
        assert found[image, row, column, joint] == expected
    np.testing.assert_array_equal(MIRROR.maps(found), maps)


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_windows_of_the_mirrored_image_show_the_same_pixels(rng, stride):
    height, width = (side // stride for side in TINY.input_size)
    maps = jnp.asarray(rng.normal(size=(2, height, width, 5)), jnp.float32)
    # Some windows reach beyond every border.
    points = jnp.asarray(rng.uniform(-10, 74, (2, 3, 2)), jnp.float32)
    corners = cascade.corners(points, architecture=TINY)
    options = {"window_px": TINY.fine_window, "stride_px": stride}
    windows = framing.windows(maps, corners, **options)
    mirrored = framing.windows(maps[:, :, ::-1], MIRROR.corners(corners), **options)
    for joint, partner in enumerate(exchanged(3, TINY.left_right_pairs)):
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
        found = cascade.predict(params, images, torso, architecture=shape)
        return jax.tree.map(np.asarray, found)

    flipped_torso = torso.at[:, 0].set(size.width - 1 - torso[:, 0])
    found, of_mirrored = predicted(images, torso), predicted(images[:, :, ::-1], flipped_torso)
    for net in ("points", "coarse", "coarse_alone"):
        for one, other in zip(getattr(found, net), getattr(of_mirrored, net), strict=True):
            np.testing.assert_allclose(flip_points(one, **flip), other, atol=2e-3)
    partners = list(exchanged(3, shape.left_right_pairs))
    np.testing.assert_allclose(found.scores[:, partners], of_mirrored.scores, rtol=1e-3, atol=1e-6)


def test_heatmaps_are_means_of_both_images(key, rng):
    images, _, torso = examples(rng)
    params = positive(cascade.init(key, TINY))
    detect = jax.jit(cascade.detect, static_argnames="architecture")
    maps = [
        np.asarray(detect(params, each, torso, architecture=TINY).heatmaps)
        for each in (images, images[:, :, ::-1])
    ]
    mean = (maps[0] + maps[1][:, :, ::-1][..., [1, 0, 2]]) / 2
    found = cascade.predict(params, images, torso, architecture=TINY, subcell=False)
    for image, joint in np.ndindex(2, 3):
        one = mean[image, :, :, joint]
        row, column = np.unravel_index(one.argmax(), one.shape)
        expected = [8 * column + 3.5, 8 * row + 3.5]
        np.testing.assert_array_equal(found.coarse_alone[image, joint], expected)
        assert found.scores[image, joint] == pytest.approx(one.max(), rel=1e-4)


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


def test_each_choice_compiles_once(key, rng):
    images, _, torso = examples(rng)
    params = cascade.init(key, TINY)
    traced = chex.assert_max_traces(cascade.predict.__wrapped__, n=2)
    predict = jax.jit(traced, static_argnames=("architecture", "mirrored", "rotated", "subcell"))
    for mirrored in (True, False, True, False):
        predict(params, images, torso, architecture=TINY, mirrored=mirrored, subcell=True)
