"""Weights of a front that are drawn at random, for tests that need no trained ones."""

import numpy as np

from convcorr_jax.backbone import NETWORKS, Filters
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.pose.front import Front, layer_shapes


def random_weights(front: Front = "alexnet", *, seed: int = 0) -> Weights:
    """As `convcorr_jax.backbone.weights.load` returns, but only the layers that the front uses."""
    rng = np.random.default_rng(seed)
    params = {}
    for name, shape in layer_shapes(front).items():
        deviation = np.sqrt(2 / np.prod(shape[:3]))
        kernel = (deviation * rng.standard_normal(shape)).astype(np.float32)
        params[name] = Filters(kernel, 0.1 * rng.standard_normal(shape[-1]).astype(np.float32))
    return Weights(params, NETWORKS[front], "random", tuple(params))
