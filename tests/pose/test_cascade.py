import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.pose import augmentation, cascade, peaks
from tests.builders.pose_architectures import TINY, examples, tiny

detect = jax.jit(cascade.detect, static_argnames="architecture")
refine = jax.jit(cascade.refine, static_argnames="architecture")


@pytest.mark.parametrize("shape", [TINY, tiny(cascade="standard")], ids=lambda shape: shape.cascade)
def test_the_fine_peak_corrects_the_coarse_one(key, rng, shape):
    batch = examples(rng)
    params = cascade.init(key, shape)
    # The middles of cells, without the mirror image.
    prediction = cascade.predict(
        params, batch.images, batch.torso, architecture=shape, mirrored=False, subcell=False
    )
    detection = detect(params, batch.images, batch.torso, architecture=shape)
    np.testing.assert_array_equal(prediction.coarse, peaks(detection.selected, shape.cells).points)
    np.testing.assert_array_equal(prediction.coarse_alone, peaks(detection.heatmaps, shape.cells).points)
    for image, joint in np.ndindex(2, 3):
        column, row = np.asarray((prediction.coarse[image, joint] - 3.5) / 8, int)
        assert prediction.scores[image, joint] == pytest.approx(
            float(detection.heatmaps[image, row, column, joint])
        )
    corners = cascade.corners(prediction.coarse, architecture=shape)
    fine = refine(params, detection.maps, corners, architecture=shape)
    for image, joint in np.ndindex(2, 3):
        row, column = np.unravel_index(fine[image, :, :, joint].argmax(), (24, 24))
        expected = corners[image, joint] + np.array([column, row])
        np.testing.assert_array_equal(prediction.points[image, joint], expected)
    assert float(abs(prediction.points - prediction.coarse).max()) <= shape.fine_window / 2


def test_the_spatial_weight_combines_both_heatmaps(key, rng):
    batch = examples(rng)
    params = cascade.init(key, TINY)
    # The heat-maps of an untrained net are close to zero, and its spatial model changes little.
    params["coarse"]["params"]["joints"]["kernel"] *= 100
    params["coarse"]["params"]["joints"]["bias"] += 10
    prior = params["spatial"]["params"]["prior"]
    params["spatial"]["params"]["prior"] = prior + 5 * rng.standard_normal(prior.shape)
    shape = dataclasses.replace(TINY, spatial_weight=0.7)
    options = {"mirrored": False, "subcell": False}
    combined, alone = (
        cascade.predict(params, batch.images, batch.torso, architecture=one, **options)
        for one in (shape, dataclasses.replace(TINY, spatial_weight=0.0))
    )
    detection = detect(params, batch.images, batch.torso, architecture=TINY)
    of_coarse, of_both = (np.maximum(maps, 1e-4) for maps in (detection.heatmaps, detection.selected))
    expected = peaks(jnp.asarray(of_coarse**0.3 * of_both**0.7), TINY.cells).points
    np.testing.assert_allclose(combined.coarse, expected)
    assert (combined.coarse != alone.coarse).any()
    np.testing.assert_array_equal(alone.coarse, alone.coarse_alone)
    np.testing.assert_array_equal(peaks(detection.heatmaps, TINY.cells).points, alone.coarse)


@pytest.mark.parametrize("prior_px", [0.1, 3.0, 1e6])
def test_fine_positions_are_near_the_coarse_ones(key, rng, prior_px):
    batch = examples(rng)
    shape = dataclasses.replace(TINY, fine_prior_px=prior_px)
    params = cascade.init(key, shape)
    predict = partial(cascade.predict, params, batch.images, batch.torso, subcell=False)
    prediction = predict(architecture=shape)
    np.testing.assert_array_equal(prediction.coarse, predict(architecture=TINY).coarse)
    corners = np.asarray(cascade.corners(prediction.coarse, architecture=shape))
    around = np.asarray(prediction.coarse - corners)
    heatmaps = fine_heatmaps(params, batch, prediction.coarse)
    cells = np.arange(shape.fine_window)
    for image, joint in np.ndindex(2, 3):
        x, y = around[image, joint]
        squares = (cells[None] - x) ** 2 + (cells[:, None] - y) ** 2
        product = np.exp(-squares / (2 * prior_px**2)) * heatmaps[image, :, :, joint].clip(1e-4)
        column, row = np.asarray(prediction.points[image, joint] - corners[image, joint], int)
        assert product[row, column] == pytest.approx(product.max(), rel=1e-4)
    if prior_px < 1:
        # The coarse position is in the middle of four pixels.
        assert float(abs(prediction.points - prediction.coarse).max()) == 0.5


def fine_heatmaps(params, batch, coarse):
    """The fine net's heat-maps in windows around coarse positions, averaged with those of mirrored images."""
    mirror = augmentation.mirror_of(TINY, TINY.input_size)
    corners = cascade.corners(coarse, architecture=TINY)
    maps, mirrored_maps = (
        detect(params, images, batch.torso, architecture=TINY).maps
        for images in (batch.images, batch.images[:, :, ::-1])
    )
    own = refine(params, maps, corners, architecture=TINY)
    mirrored = refine(params, mirrored_maps, mirror.corners(corners), architecture=TINY)
    return np.asarray(own + mirror.maps(mirrored)) / 2


def brightness_detector(params):
    """A fine net whose heat-map is the sum of the finest bank's features, and nothing else."""
    params = jax.tree.map(jnp.zeros_like, params)
    own = params["params"]
    middle = TINY.window // 2
    own["bank0"]["kernel"] = own["bank0"]["kernel"].at[middle, middle].set(1)
    for name in ("hidden0", "hidden1"):
        own["detector"][name]["kernel"] += 1
    own["detector"]["kernel"] += 1
    return params


@pytest.mark.parametrize(("x", "y"), [(20, 21), (30, 30), (37, 19)])
def test_one_bright_pixel_is_found_to_the_pixel(key, x, y):
    """Crop, window and peak have one frame: the coarse peak is a cell, the answer the very pixel."""
    params = cascade.init(key, TINY)
    params["fine"] = brightness_detector(params["fine"])
    features = jnp.zeros((1, *TINY.input_size, TINY.features[0])).at[0, y, x].set(1)
    detection = detect(
        params, jnp.zeros((1, *TINY.input_size, 3), jnp.uint8), jnp.full((1, 2), jnp.nan), architecture=TINY
    )
    maps = (features, *detection.maps[1:])
    corners = cascade.corners(jnp.array([[[27.5, 27.5]] * 3]), architecture=TINY)
    prediction = corners + peaks(refine(params, maps, corners, architecture=TINY), TINY.fine_cells).points
    np.testing.assert_array_equal(prediction, [[[x, y]] * 3])


def test_a_missing_torso_is_no_torso(key, rng):
    images, _, torso = examples(rng)
    nowhere = jnp.full_like(torso, jnp.nan)
    prediction = cascade.predict(cascade.init(key, TINY), images, nowhere, architecture=TINY)
    assert all(bool(jnp.isfinite(x).all()) for x in prediction)


def test_priors_change_the_spatial_model_alone(key, rng):
    params = cascade.init(key, TINY)
    batch = examples(rng, count=20)
    known = cascade.with_priors(params, np.asarray(batch.points), np.asarray(batch.torso), architecture=TINY)
    changed = jax.tree.map(lambda a, b: bool((a != b).any()), params, known)
    assert changed.pop("spatial")["params"] == {"prior": True, "bias": False, "own_bias": False}
    assert not any(jax.tree.leaves(changed))


def test_images_smaller_than_the_patch_are_refused(key):
    params = cascade.init(key, TINY)
    images = np.zeros((1, 20, 64, 3), np.uint8)
    with pytest.raises(InputError, match="64 x 20 pixels is smaller than the 38 x 38 that tiny"):
        cascade.predict(params, images, np.zeros((1, 2), np.float32), architecture=TINY)


def test_positions_between_cells_are_within_half_a_cell(key, rng):
    params = cascade.init(key, TINY)
    images, _, torso = examples(rng)
    whole, between = (
        cascade.predict(params, images, torso, architecture=TINY, mirrored=False, subcell=subcell).coarse
        for subcell in (False, True)
    )
    assert 0 < float(jnp.abs(between - whole).max()) <= TINY.pooling / 2
