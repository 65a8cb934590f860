"""The coarse nets, on a pyramid of images and on a front's maps, and the fine nets."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax.coords import Size
from convcorr_jax.pose import flic, layers, mpii, small
from convcorr_jax.pose.nets import Coarse, Fine, Head, StandardFine
from tests.builders.pose_architectures import TINY, examples, tiny, tiny_person
from tests.reference import torch_pose

HEAD = tiny_person(spatial_dropout=0.25)


def net(shape):
    return Coarse(shape) if shape.front == "none" else Head(shape)


def maps_of(rng, shape, *, count=2):
    """A pyramid of noise, or a front's maps for images of another size than the preset's."""
    if shape.front == "none":
        return levels_of(examples(rng, count=count, size=shape.input_size).images, shape)
    sizes = ((8, 12), (4, 6))
    return tuple(
        jnp.asarray(rng.normal(size=(count, *size, shape.front_features)), jnp.float32) for size in sizes
    )


@partial(jax.jit, static_argnames="shape")
def levels_of(images, shape=TINY):
    return layers.pyramid(images, levels=shape.levels)


@partial(jax.jit, static_argnames="shape")
def params_of(key, maps, shape=TINY):
    """Biases start at zero, where a test would not miss them, and heat-maps close to it."""
    params = net(shape).init(key, maps)
    params["params"]["joints"]["kernel"] *= 100
    return jax.tree.map(lambda x: x + 0.1 * jnp.cos(jnp.arange(len(x))) if x.ndim == 1 else x, params)


@partial(jax.jit, static_argnames="shape")
def applied(params, maps, shape=TINY, keys=None):
    """Return heat-maps and shared features, of which a net on a front has none."""
    found = net(shape).apply(params, maps, dropout_keys=keys)
    return tuple(found) if shape.front == "none" else (found, ())


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
        tiny_person(group_norm=True),
        tiny_person(group_norm=False),
    ],
    ids=lambda shape: (
        f"{shape.name}-{shape.pooling}x{shape.window}{'n' * shape.group_norm}{shape.patch_window}"
    ),
)
def test_heatmaps_and_features_are_torchs(key, rng, shape):
    maps = maps_of(rng, shape)
    params = params_of(key, maps, shape)
    heatmaps, shared = applied(params, maps, shape)
    inputs = [torch_pose.channels_first(one) for one in maps]
    if shape.front == "none":
        expected, expected_shared = torch_pose.Coarse(shape, params).eval()(inputs)
        size = shape.heatmap_size(shape.input_size)
    else:
        expected, expected_shared, size = torch_pose.head(shape, params, *inputs), (), (8, 12)
    assert heatmaps.shape == (2, *size, 3)
    atol = 2e-5 if shape.front == "none" else 5e-5
    for found, of_torch in zip((heatmaps, *shared), (expected, *expected_shared), strict=True):
        np.testing.assert_allclose(found, torch_pose.channels_last(of_torch), atol=atol)


def test_images_of_one_colour_are_normalised_without_harm(key):
    shape = tiny(features=(8, 8, 16), group_norm=True)
    grey = levels_of(np.full((1, *shape.input_size, 3), 200, np.uint8), shape)
    params = jax.tree.map(lambda x: x + 30.0 * (x.ndim == 1), params_of(key, grey, shape))
    assert np.isfinite(applied(params, grey, shape)[0]).all()


def test_spatial_dropout_drops_whole_maps_independently_and_keeps_the_expectation(key, rng):
    """What reaches the first 1x1 convolution is seen through two that pass its maps on."""
    shape = tiny(hidden=(16, 16), joints=tuple("abcdefghijklmnop"), spatial_dropout=0.25)
    pyramid = maps_of(rng, shape, count=1)
    params = params_of(key, pyramid, shape)
    for name in ("hidden0", "joints"):
        params["params"][name] = {"kernel": jnp.eye(16)[None, None], "bias": jnp.zeros(16)}

    @jax.jit
    def training(key):
        return Coarse(shape).apply(params, pyramid, dropout_keys=key[None]).heatmaps[0]

    kept = applied(params, pyramid, shape)[0][0]
    found = jax.lax.map(training, jax.random.split(key, 2000), batch_size=100)
    dropped = (found == 0).all(axis=(1, 2))
    expected = jnp.where(dropped[:, None, None], 0, kept[None] / (1 - 0.25))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    alive = np.asarray(kept.any(axis=(0, 1)))
    assert alive.sum() > 8
    dropped = np.asarray(dropped)[:, alive]
    np.testing.assert_allclose(dropped.mean(axis=0), 0.25, atol=0.05)
    assert abs(np.corrcoef(dropped.T) - np.eye(alive.sum())).max() < 0.12
    np.testing.assert_allclose(found.mean(axis=0), kept, rtol=0.08, atol=1e-4)


def test_dropout_on_a_front_is_of_each_image_alone(key, rng):
    maps = maps_of(rng, HEAD)
    params = params_of(key, maps, HEAD)
    keys = jax.random.split(key, 2)
    both, _ = applied(params, maps, HEAD, keys)
    second, _ = applied(params, tuple(one[1:] for one in maps), HEAD, keys[1:])
    np.testing.assert_allclose(both[1:], second, atol=1e-6)
    assert np.abs(both - applied(params, maps, HEAD)[0]).max() > 1e-3


@pytest.mark.parametrize(("of_shape", "most"), [(tiny, 0.05), (tiny_person, 0.1)])
def test_bfloat16_keeps_float32_parameters_and_about_the_same_heatmaps(key, rng, of_shape, most):
    half, usual = of_shape(dtype="bfloat16"), of_shape()
    maps = maps_of(rng, usual)
    params = params_of(key, maps, usual)
    assert {x.dtype for x in jax.tree.leaves(params_of(key, maps, half))} == {jnp.dtype("float32")}
    (found, shared), (expected, _) = (applied(params, maps, shape) for shape in (half, usual))
    assert found.dtype == jnp.float32
    assert {one.dtype for one in shared} == ({jnp.dtype("bfloat16")} if half.front == "none" else set())
    assert 1e-5 < float(abs(found - expected).max() / abs(expected).max()) < most


SHARED = [channels for _ in range(TINY.levels) for channels in TINY.features[:2]]


def windows_of(rng, shape, channels):
    joints = len(shape.joints)
    sides = [shape.fine_window // stride for stride in shape.fine_strides]
    return tuple(
        jnp.asarray(rng.normal(size=(2, joints, side, side, c)), jnp.float32)
        for side, c in zip(sides, channels, strict=True)
    )


def test_fine_heatmaps_are_torchs(key, rng):
    windows = windows_of(rng, TINY, SHARED)
    params = Fine(TINY).init(key, windows)
    # It begins with heat-maps close to zero.
    params["params"]["detector"]["kernel"] *= 100
    found = Fine(TINY).apply(params, windows)
    expected = torch_pose.Fine(params, len(SHARED))([torch_pose.channels_first(one) for one in windows])
    assert found.shape == (2, 24, 24, 3)
    np.testing.assert_allclose(found, torch_pose.channels_last(expected), atol=2e-5)


@pytest.mark.parametrize("net", [Fine, StandardFine])
def test_joints_share_all_but_their_detector(key, rng, net):
    shape = tiny(cascade="shared" if net is Fine else "standard")
    windows = windows_of(rng, shape, SHARED if net is Fine else [3] * TINY.levels)
    params = net(shape).init(key, windows)
    params["params"]["detector"]["kernel"] *= 100
    order = jnp.array([1, 0, 2])
    detector = params["params"]["detector"]
    own = {name: detector[name][..., order] for name in ("kernel", "bias")}
    swapped_params = {"params": params["params"] | {"detector": detector | own}}
    swapped = tuple(one[:, order] for one in windows)
    found, again = net(shape).apply(params, windows), net(shape).apply(swapped_params, swapped)
    np.testing.assert_allclose(again, found[..., order], atol=1e-6)
    assert float(abs(net(shape).apply(params, swapped) - again).max()) > 0.01


@pytest.mark.parametrize("preset", [flic(), mpii(), small(("a", "b"), ((0, 1),))], ids=lambda p: p.name)
def test_both_fine_nets_have_equally_many_parameters(key, preset):
    def parameters(net, windows):
        return sum(x.size for x in jax.tree.leaves(jax.eval_shape(net(preset).init, key, windows)))

    def of(side, channels):
        return jax.ShapeDtypeStruct((1, len(preset.joints), side, side, channels), jnp.float32)

    sides = [preset.fine_window // stride for stride in preset.fine_strides]
    first_two = [c for _ in range(preset.levels) for c in preset.features[:2]]
    shared = parameters(Fine, tuple(map(of, sides, first_two)))
    standard = parameters(StandardFine, tuple(of(preset.fine_window >> i, 3) for i in range(3)))
    assert standard == pytest.approx(shared, rel=0.01)
