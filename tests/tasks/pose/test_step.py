"""A step of the cascade's training: four devices make the step of one."""

import json
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from convcorr_jax.pose import Augmentation, Batch, cascade
from convcorr_jax.runtime import devices
from convcorr_jax.tasks.pose import TrainState, compiled_step
from tests.builders.pose_architectures import tiny_small

NAMES = ("l_hand", "r_hand", "nose")


def architecture():
    return tiny_small(NAMES, ((0, 1),), spatial_dropout=0.2)


def batch():
    """Some joints are missing, so that the parts of a batch have different numbers of them."""
    rng = np.random.default_rng(4)
    points = rng.uniform(10, 54, (8, 3, 2)).astype(np.float32)
    points[rng.uniform(size=(8, 3)) < 0.4] = np.nan
    points[0] = np.nan
    images = rng.integers(0, 256, (8, 64, 64, 3), np.uint8)
    return Batch(images, points, np.full((8, 2), 32, np.float32))


def trained():
    shape = architecture()
    rng = np.random.default_rng(5)
    params = jax.tree.map(
        lambda leaf: jnp.asarray(0.1 * rng.standard_normal(leaf.shape), leaf.dtype),
        jax.eval_shape(lambda: cascade.init(jax.random.key(0), shape)),
    )
    # Adam would make steps as large of gradients that are nothing but rounding.
    update = optax.sgd(1e-3, momentum=0.9)
    state = TrainState(jnp.asarray(0), params, params, update.init(params))
    state = devices.replicate(state)
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
        environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "PJRT_NPROC": "16"}
        out = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment, check=True, capture_output=True
        ).stdout
        counted, leaves[count] = json.loads(out.splitlines()[-1])
        assert counted == count
    for one, other in zip(leaves[1], leaves[4], strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-6)
