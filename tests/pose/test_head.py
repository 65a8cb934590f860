"""The coarse net on a front's maps."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax.pose.nets import Head
from tests.builders.pose_architectures import tiny_person
from tests.reference import torch_pose

SHAPE = tiny_person(spatial_dropout=0.25)


def maps_of(rng, shape=SHAPE, *, count=2):
    """Maps of 8 and of 16 pixels a cell, for images of another size than the preset's."""
    sizes = ((8, 12), (4, 6))
    return tuple(
        jnp.asarray(rng.normal(size=(count, *size, shape.front_features)), jnp.float32) for size in sizes
    )


def params_of(key, maps, shape=SHAPE):
    params = Head(shape).init(key, maps)
    # Biases start at zero, where nobody would miss them, and heat-maps close to it.
    params["params"]["joints"]["kernel"] *= 100
    return jax.tree.map(lambda x: x + 0.1 * jnp.cos(jnp.arange(len(x))) if x.ndim == 1 else x, params)


@partial(jax.jit, static_argnames="shape")
def applied(params, maps, shape=SHAPE):
    return Head(shape).apply(params, maps)


@pytest.mark.parametrize("group_norm", [True, False])
def test_heatmaps_are_torchs(key, rng, group_norm):
    shape = tiny_person(group_norm=group_norm)
    maps = maps_of(rng, shape)
    params = params_of(key, maps, shape)
    found = applied(params, maps, shape)
    assert found.shape == (2, 8, 12, 3)
    near, wide = map(torch_pose.channels_first, maps)
    expected = torch_pose.head(shape, params, near, wide)
    np.testing.assert_allclose(found, torch_pose.channels_last(expected), atol=5e-5)


def test_dropout_drops_whole_maps_of_each_image_alone(key, rng):
    maps = maps_of(rng)
    params = params_of(key, maps)
    keys = jax.random.split(key, 2)
    both = Head(SHAPE).apply(params, maps, dropout_keys=keys)
    second = Head(SHAPE).apply(params, tuple(one[1:] for one in maps), dropout_keys=keys[1:])
    np.testing.assert_allclose(both[1:], second, atol=1e-6)
    assert np.abs(both - applied(params, maps)).max() > 1e-3
    # The heat-maps are sums of the kept maps, each divided by the probability that it is kept.
    last = params["params"]["joints"]["kernel"][0, 0]
    means = []
    for dropped in range(SHAPE.hidden[-1]):
        alone = jax.tree.map(jnp.copy, params)
        alone["params"]["joints"]["kernel"] = jnp.zeros_like(last).at[dropped].set(last[dropped])[None, None]
        alone["params"]["joints"]["bias"] *= 0
        kept = applied(alone, maps)[0]
        found = Head(SHAPE).apply(alone, maps, dropout_keys=keys)[0]
        means.append(float(jnp.abs(found).max()))
        expected = kept / 0.75 if means[-1] else jnp.zeros_like(kept)
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert 0 < sum(mean == 0 for mean in means) < len(means)


def test_bfloat16_gives_about_the_same_heatmaps_in_float32(key, rng):
    maps = maps_of(rng)
    params = params_of(key, maps)
    half = tiny_person(dtype="bfloat16")
    found, usual = applied(params, maps, half), applied(params, maps)
    assert found.dtype == jnp.float32
    error = abs(found - usual).max() / abs(usual).max()
    assert 1e-5 < float(error) < 0.1
