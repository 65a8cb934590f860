"""Strictness that every test shares; pytest turns warnings into errors besides (pyproject.toml)."""

import os
from collections.abc import Iterator
from pathlib import Path

# Several fake CPU devices on two cores deadlock in all-reduce unless the thread pool is larger.
os.environ.setdefault("PJRT_NPROC", "16")
# Tests compile what they test, and do not write into the user's cache.
os.environ["CONVCORR_COMPILATION_CACHE"] = "off"

import jax
import numpy as np
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")
# JAX begins here, with one device: the first script to run would make every core one.
jax.devices()

# Linux lets a process map 65,530 pieces of memory; compiled programs take several each, and when none are left
# the compiler crashes. No module of tests takes half of them.
_MANY_MAPS = 25_000


@pytest.fixture(autouse=True, scope="module")
def few_compiled_programs() -> Iterator[None]:
    """Forget compiled programs after a module when there are many."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > _MANY_MAPS:
        jax.clear_caches()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20150607)


@pytest.fixture
def key() -> jax.Array:
    return jax.random.key(20150607)
