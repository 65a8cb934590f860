"""The main computations on small inputs, saved as arrays: ``python -m tests.builders.computations FILE``.

With several devices, the rows of the statistics are divided among them.
"""

import dataclasses
import sys

import jax
import jax.numpy as jnp
import numpy as np

from convcorr_jax import coords, flow, pose
from convcorr_jax.backbone import activations, preprocess
from convcorr_jax.backbone.weights import load
from convcorr_jax.descriptors import dense_sift
from convcorr_jax.linear import ridge, svm


def compute() -> dict[str, np.ndarray]:
    """Return the results of all computations by name."""
    rng = np.random.default_rng(20150607)
    results = {**_alignment(rng), **_linear(rng), **_statistics(rng), **_images(rng), **_training(rng)}
    return {name: np.asarray(value) for name, value in results.items()}


def _alignment(rng):
    source, target = rng.normal(size=(2, 7, 7, 64)).astype(np.float32)
    target = source + 0.5 * target
    units = [one / np.linalg.norm(one, axis=-1, keepdims=True) for one in (source, target)]
    result = flow.align(*map(jnp.asarray, units))
    return {"alignment: flow": result.flow, "alignment: confidence": result.confidence}


def _linear(rng):
    x = jnp.asarray(rng.normal(size=(300, 40)), jnp.float32)
    y = x @ jnp.asarray(rng.normal(size=(40, 3)), jnp.float32)
    y += jnp.asarray(rng.normal(size=(300, 3)), jnp.float32)
    fitted = svm.fit(x, y > 0, cost=0.1)
    return {
        "ridge: primal": ridge.fit(x, y, penalty=1.0).weights,
        "ridge: dual": ridge.fit(x[:30], y[:30], penalty=1.0).weights,
        "svm": fitted.weights,
    }


def _statistics(rng):
    devices = jax.device_count()
    x = rng.normal(size=(240, 20)).astype(np.float32).reshape(devices, -1, 20)

    def of_device(rows):
        return ridge.all_reduce(ridge.statistics(rows, rows[:, :2]), axis_name="devices")

    summed = jax.pmap(of_device, axis_name="devices", out_axes=None)(x)
    return {"statistics of all devices": ridge.solve(summed, penalty=1.0).weights}


def _images(rng):
    image = rng.integers(0, 256, (1, 67, 67, 3), np.uint8)
    weights = load("alexnet")
    inputs = preprocess(image, network=weights.network)
    maps = activations(weights.params, inputs, network=weights.network, layers=["conv2"])
    sift = dense_sift(image[0], radius_px=16.0, stride_px=8.0, first_center_px=20.0, size=(4, 4))
    return {"network features": maps["conv2"], "sift": sift}


def _training(rng):
    architecture = dataclasses.replace(
        pose.small(("l_hand", "r_hand"), ((0, 1),)), features=(8, 8, 8), hidden=(8, 8, 8), fine_features=4
    )
    size = coords.Size(72, 72)
    images = rng.integers(0, 256, (2, *size, 3), np.uint8)
    points = rng.uniform(8, 64, (2, 2, 2)).astype(np.float32)
    batch = pose.Batch(images, points, points.mean(axis=1))
    params = pose.cascade.init(jax.random.key(0), architecture)
    keys = jax.random.split(jax.random.key(1), 2)

    def step(params):
        gradient = jax.grad(
            lambda params: pose.loss(keys, params, batch, architecture=architecture, phase="joint")[0]
        )(params)
        return jax.tree.map(lambda value, slope: value - 0.01 * slope, params, gradient)

    stepped = jax.tree.leaves(jax.jit(step)(params))
    return {"pose training step": np.concatenate([np.ravel(leaf) for leaf in stepped])}


if __name__ == "__main__":
    np.savez(sys.argv[1], **compute())
