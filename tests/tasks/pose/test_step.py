"""A step of the cascade's training: four devices make the step of one."""

import json
import os
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from convcorr_jax.coords import Size
from convcorr_jax.pose import PHASES, Augmentation, Batch, FeatureBatch, cascade
from convcorr_jax.runtime import devices
from convcorr_jax.tasks.pose import TrainState, compiled_step, phase_optimizer
from convcorr_jax.tasks.pose import step as step_module
from tests.builders.pose_architectures import tiny_person, tiny_small
from tests.builders.processes import printed

NAMES = ("l_hand", "r_hand", "nose")


def batch():
    """Some joints are missing, so that the parts of a batch have different numbers of them."""
    rng = np.random.default_rng(4)
    points = rng.uniform(10, 54, (8, 3, 2)).astype(np.float32)
    points[rng.uniform(size=(8, 3)) < 0.4] = np.nan
    points[0] = np.nan
    return Batch(rng.integers(0, 256, (8, 64, 64, 3), np.uint8), points, np.full((8, 2), 32, np.float32))


def trained():
    shape = tiny_small(NAMES, ((0, 1),), spatial_dropout=0.2)
    rng = np.random.default_rng(5)
    params = jax.tree.map(
        lambda leaf: jnp.asarray(0.1 * rng.standard_normal(leaf.shape), leaf.dtype),
        jax.eval_shape(lambda: cascade.init(jax.random.key(0), shape)),
    )
    # Adam would make steps as large of gradients that are nothing but rounding.
    update = optax.sgd(1e-3, momentum=0.9)
    state = devices.replicate(TrainState(jnp.asarray(0), params, params, update.init(params)))
    step = compiled_step(shape, "joint", update, augmentation=Augmentation(), first=0, seed=1)
    for _ in range(3):
        state, metrics = step(state, devices.shard(batch()))
    return state.params, state.average, metrics


SCRIPT = """
import json
import jax
from tests.tasks.pose.test_step import trained
leaves = jax.tree.leaves(trained())
print(json.dumps([jax.device_count(), [leaf.ravel().tolist() for leaf in leaves]]))
"""


@pytest.mark.slow
def test_four_devices_make_the_steps_of_one():
    leaves = {}
    for count in (1, 4):
        flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={count}"
        out = printed("-c", SCRIPT, XLA_FLAGS=flags, JAX_PLATFORMS="cpu", PJRT_NPROC="16")
        counted, leaves[count] = json.loads(out.splitlines()[-1])
        assert counted == count
    for one, other in zip(leaves[1], leaves[4], strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-6)


PERSON = tiny_person(NAMES, ((0, 1),), input_size=Size(32, 32), fine_window=8)
TUNED = {"conv3", "conv4", "conv5", "project_conv2", "project_conv5"}


def person_batch(*, features=False):
    rng = np.random.default_rng(4)
    points = rng.uniform(2, 30, (2, 3, 2)).astype(np.float32)
    torso = np.full((2, 2), 16, np.float32)
    if not features:
        return Batch(rng.integers(0, 256, (2, 32, 32, 3), np.uint8), points, torso)
    near, wide = (rng.normal(size=(2, side, side, 6)).astype(np.float32) for side in (4, 2))
    return FeatureBatch((near, wide), points, torso)


@pytest.mark.parametrize(
    ("phase", "trained"),
    [("coarse", {"coarse"}), ("fine", {"spatial", "fine"}), ("joint", {"front", "coarse", "spatial", "fine"})],
)
def test_steps_change_what_their_phase_trains_and_nothing_else_and_compile_once(phase, trained, monkeypatch):
    """Bit for bit, in spite of weight decay, momentum and the running mean."""
    chex.clear_trace_counter()
    monkeypatch.setattr(step_module.pose, "loss", chex.assert_max_traces(step_module.pose.loss, n=1))
    before = jax.device_get(cascade.init(jax.random.key(3), PERSON))
    optimizer = phase_optimizer(phase, steps=5, rate=1e-2, front_rate=0.5, weight_decay=0.3)
    state = devices.replicate(TrainState(jnp.asarray(0), before, before, optimizer.init(before)))
    step = compiled_step(PERSON, phase, optimizer, augmentation=Augmentation(), first=0, seed=1)
    for _ in range(3):
        state, metrics = step(state, devices.shard(person_batch(features=phase == "coarse")))
    assert np.isfinite(metrics.total)
    after, average = jax.device_get((state.params, state.average))
    for found in (after, average):
        same = jax.tree.map(np.array_equal, before, found)
        assert {part for part in same if not all(jax.tree.leaves(same[part]))} == trained
        changed = {name for name, own in same["front"].items() if not own["kernel"]}
        assert changed == (TUNED if phase == "joint" else set())


def gradients_of(params, scale):
    """The same gradient everywhere, so that only decay tells parameters apart."""
    return jax.tree.map(lambda leaf: np.full(leaf.shape, scale, np.float32), params)


@pytest.mark.parametrize("phase", PHASES)
def test_kernels_of_trained_nets_alone_decay(phase):
    layer = {name: np.full(4, 2.0, np.float32) for name in ("kernel", "bias")}
    params = {part: {"params": {"layer": layer}} for part in ("front", "coarse", "spatial", "fine")}
    updates = []
    for decay in (0.0, 0.5):
        optimizer = phase_optimizer(phase, steps=100, rate=1e-2, weight_decay=decay)
        moments = optimizer.init(params)
        for _ in range(3):
            update, moments = optimizer.update(gradients_of(params, 1e-3), moments, params)
        updates.append(update)
    difference = jax.tree.map(lambda one, other: np.ptp([one, other]), *updates)
    decaying = {
        f"{part}/{name}"
        for part, tree in difference.items()
        for name, value in tree["params"]["layer"].items()
        if value > 1e-6
    }
    nets = {"coarse": ("coarse",), "fine": ("fine",), "joint": ("coarse", "fine")}[phase]
    assert decaying == {f"{net}/kernel" for net in nets}
    # Its rate is warmed up over 5 of 100 steps: two fifths of the greatest rate at the third.
    decayed = 1e-2 * 2 / 5 * 0.5 * 2.0
    assert difference[nets[0]]["params"]["layer"]["kernel"] == pytest.approx(decayed, rel=1e-3)


def test_the_front_learns_at_its_own_rate_and_gradients_are_clipped():
    params = {part: {"kernel": np.ones(3, np.float32)} for part in ("front", "coarse")}
    found = []
    for scale in (1.0, 1e4):
        optimizer = phase_optimizer("joint", steps=100, rate=1e-2, front_rate=0.25)
        moments = optimizer.init(params)
        # A small gradient after a great one: Adam would be slowed down by one that is not clipped.
        for gradient in (scale, 0.3, 0.3):
            update, moments = optimizer.update(gradients_of(params, gradient), moments, params)
        found.append(update)
        np.testing.assert_allclose(update["front"]["kernel"], 0.25 * update["coarse"]["kernel"], rtol=1e-5)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5), *found)


def test_all_phases_have_optimizers_of_one_state():
    """The state of any phase is read from a checkpoint by that of the first."""
    params = jax.device_get(cascade.init(jax.random.key(3), PERSON))
    states = [phase_optimizer(phase, steps=5, rate=1e-2).init(params) for phase in PHASES]
    for state in states[1:]:
        chex.assert_trees_all_equal_shapes_and_dtypes(states[0], state)
        chex.assert_trees_all_equal_structs(states[0], state)
