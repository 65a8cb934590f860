import jax
import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax.pose import flic, mpii, small
from convcorr_jax.pose.nets import Fine, StandardFine
from tests.builders.pose_architectures import TINY, tiny
from tests.reference import torch_pose

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
    twin = torch_pose.Fine(params, len(SHARED))
    expected = twin([torch_pose.channels_first(one) for one in windows])
    assert found.shape == (2, 24, 24, 3)
    np.testing.assert_allclose(found, torch_pose.channels_last(expected), atol=2e-5)


@pytest.mark.parametrize("net", [Fine, StandardFine])
def test_joints_share_all_but_their_detector(key, rng, net):
    shape = tiny(cascade="shared" if net is Fine else "standard")
    windows = windows_of(rng, shape, SHARED if net is Fine else [3] * TINY.levels)
    params = net(shape).init(key, windows)
    params["params"]["detector"]["kernel"] *= 100
    swapped = tuple(one[:, [1, 0, 2]] for one in windows)
    detector = params["params"]["detector"]
    swapped_detector = detector | {
        name: detector[name][..., jnp.array([1, 0, 2])] for name in ("kernel", "bias")
    }
    swapped_params = {"params": params["params"] | {"detector": swapped_detector}}
    found = net(shape).apply(params, windows)
    again = net(shape).apply(swapped_params, swapped)
    np.testing.assert_allclose(again, found[..., jnp.array([1, 0, 2])], atol=1e-6)
    only_windows = net(shape).apply(params, swapped)
    assert float(abs(only_windows - again).max()) > 0.01


def parameters(net, key, windows):
    shapes = jax.eval_shape(net.init, key, windows)
    return sum(x.size for x in jax.tree.leaves(shapes))


@pytest.mark.parametrize("preset", [flic(), mpii(), small(("a", "b"), ((0, 1),))], ids=lambda p: p.name)
def test_both_nets_have_equally_many_parameters(key, preset):
    def of(side, channels):
        return jax.ShapeDtypeStruct((1, len(preset.joints), side, side, channels), jnp.float32)

    sides = [preset.fine_window // stride for stride in preset.fine_strides]
    first_two = [c for _ in range(preset.levels) for c in preset.features[:2]]
    shared = parameters(Fine(preset), key, tuple(map(of, sides, first_two)))
    standard = parameters(StandardFine(preset), key, tuple(of(preset.fine_window >> i, 3) for i in range(3)))
    assert standard == pytest.approx(shared, rel=0.01)
