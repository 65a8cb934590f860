from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax.coords import Size
from convcorr_jax.errors import InputError
from convcorr_jax.pose import layers
from convcorr_jax.pose.nets import Coarse
from tests.builders.pose_architectures import TINY, examples, tiny
from tests.reference import torch_pose


@partial(jax.jit, static_argnames="shape")
def coarse_of(key, shape=TINY):
    images = jax.ShapeDtypeStruct((1, *shape.input_size, 3), jnp.uint8)
    pyramid = jax.eval_shape(partial(layers.pyramid, levels=shape.levels), images)
    params = Coarse(shape).lazy_init(key, pyramid)
    # Biases start at zero, where nobody would miss them, and heat-maps close to it.
    params["params"]["joints"]["kernel"] *= 100
    return jax.tree.map(lambda x: 0.1 * jnp.cos(jnp.arange(len(x))) if x.ndim == 1 else x, params)


@partial(jax.jit, static_argnames="shape")
def applied(params, pyramid, shape=TINY):
    return Coarse(shape).apply(params, pyramid)


@partial(jax.jit, static_argnames="shape")
def levels_of(images, shape=TINY):
    return layers.pyramid(images, levels=shape.levels)


@pytest.mark.parametrize(
    "shape",
    [
        tiny(levels=3),
        tiny(pooling=4),
        tiny(pooling=16, input_size=Size(64, 80)),
        tiny(window=5, input_size=Size(60, 71)),
        tiny(features=(8, 8, 16), group_norm=True),
        # The patch is wider than the coarsest maps.
        tiny(patch_window=5, input_size=Size(64, 64), levels=3),
    ],
    ids=lambda shape: f"{shape.pooling}x{shape.window}{'n' * shape.group_norm}{shape.patch_window}",
)
def test_heatmaps_and_features_are_torchs(key, rng, shape):
    pyramid = levels_of(examples(rng, size=shape.input_size).images, shape)
    params = coarse_of(key, shape)
    found = applied(params, pyramid, shape)
    twin = torch_pose.Coarse(shape, params).eval()
    heatmaps, shared = twin([torch_pose.channels_first(level) for level in pyramid])
    assert found.heatmaps.shape == (2, *shape.heatmap_size(shape.input_size), 3)
    np.testing.assert_allclose(found.heatmaps, torch_pose.channels_last(heatmaps), atol=2e-5)
    for ours, theirs in zip(found.shared, shared, strict=True):
        np.testing.assert_allclose(ours, torch_pose.channels_last(theirs), atol=2e-5)


def test_images_of_one_colour_are_normalised_without_harm(key):
    shape = tiny(features=(8, 8, 16), group_norm=True)
    grey = levels_of(np.full((1, *shape.input_size, 3), 200, np.uint8), shape)
    params = jax.tree.map(lambda x: x + 30.0 * (x.ndim == 1), coarse_of(key, shape))
    assert np.isfinite(applied(params, grey, shape).heatmaps).all()


def test_an_image_shifted_by_the_coarsest_stride_has_shifted_heatmaps(key, rng):
    """The detector slides: exact away from the borders, which the middle here is."""
    steps = 2 ** (TINY.levels - 1)
    image = np.zeros((2, 192, 192, 3), np.float32)
    image[0, 80:112, 80:112] = rng.normal(size=(32, 32, 3))
    stride = steps * TINY.pooling
    image[1] = np.roll(image[0], (stride, -stride), axis=(0, 1))
    pyramid = (jnp.asarray(image), layers.halve(jnp.asarray(image)))
    heatmaps = applied(coarse_of(key), pyramid).heatmaps
    moved = jnp.roll(heatmaps[0], (steps, -steps), axis=(0, 1))
    middle = slice(9, 15)
    np.testing.assert_allclose(heatmaps[1, middle, middle], moved[middle, middle], atol=1e-5)
    assert float(jnp.ptp(moved[middle, middle])) > 0.1


def test_spatial_dropout_drops_whole_maps_independently_and_keeps_the_expectation(key, rng):
    """What reaches the first 1x1 convolution is seen through two that pass its maps on."""
    shape = tiny(hidden=(16, 16), joints=tuple("abcdefghijklmnop"), spatial_dropout=0.25)
    params = coarse_of(key, shape)
    for name in ("hidden0", "joints"):
        params["params"][name] = {"kernel": jnp.eye(16)[None, None], "bias": jnp.zeros(16)}
    pyramid = levels_of(examples(rng, count=1).images, shape)

    @jax.jit
    def training(key):
        return Coarse(shape).apply(params, pyramid, dropout_keys=key[None]).heatmaps[0]

    kept = applied(params, pyramid, shape).heatmaps[0]
    found = jax.lax.map(training, jax.random.split(key, 2000), batch_size=100)
    dropped = (found == 0).all(axis=(1, 2))
    expected = jnp.where(dropped[:, None, None], 0, kept[None] / (1 - 0.25))
    np.testing.assert_allclose(found, expected, atol=1e-4)

    alive = np.asarray(kept.any(axis=(0, 1)))
    assert alive.sum() > 8
    dropped = np.asarray(dropped)[:, alive]
    np.testing.assert_allclose(dropped.mean(axis=0), 0.25, atol=0.05)
    together = np.corrcoef(dropped.T) - np.eye(alive.sum())
    assert abs(together).max() < 0.12
    np.testing.assert_allclose(found.mean(axis=0), kept, rtol=0.08, atol=1e-4)


def test_bfloat16_keeps_float32_parameters_and_about_the_same_heatmaps(key, rng):
    pyramid, params = levels_of(examples(rng).images), coarse_of(key)
    half = tiny(dtype="bfloat16")
    assert {x.dtype for x in jax.tree.leaves(coarse_of(key, half))} == {jnp.dtype("float32")}
    found, usual = applied(params, pyramid, half), applied(params, pyramid)
    assert found.heatmaps.dtype == jnp.float32
    assert found.shared[0].dtype == jnp.bfloat16
    error = abs(found.heatmaps - usual.heatmaps).max() / abs(usual.heatmaps).max()
    assert 1e-5 < float(error) < 0.05


def test_images_smaller_than_the_patch_are_refused(key):
    small = np.zeros((1, 40, 30, 3), np.uint8)
    with pytest.raises(InputError, match="30 x 40 pixels is smaller than the 38 x 38 that tiny"):
        applied(coarse_of(key), levels_of(small))
