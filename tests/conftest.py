"""Strictness that every test shares; pytest turns warnings into errors besides (pyproject.toml)."""

import os

# Several fake CPU devices on two cores deadlock in all-reduce unless the thread pool is larger.
os.environ.setdefault("PJRT_NPROC", "16")

import jax
import numpy as np
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20150607)


@pytest.fixture
def key() -> jax.Array:
    return jax.random.key(20150607)
