"""A small training run's states, for tests of checkpoints and for the processes that they start."""

from typing import Any

import jax.numpy as jnp
import optax

ABOUT = {"architecture": {"name": "small-8x", "joints": ["nose", "chin"], "pooling": 8}, "seed": 3}
OPTIMIZER = optax.adam(0.1)


def state_of(value: float) -> tuple[dict[str, Any], Any]:
    """Return parameters and the rest of a state that depend on a number."""
    params = {"coarse": {"kernel": jnp.full((3, 4), float(value)), "bias": jnp.arange(4.0)}}
    return params, (OPTIMIZER.init(params), jnp.bfloat16(value))
