"""Clean data in which tests plant faults."""

import pytest

from convcorr_jax.datasets import Record
from convcorr_jax.synthetic import render


@pytest.fixture(scope="session")
def faces() -> tuple[Record, ...]:
    """Thirty-two of split "train" and eight of "test"."""
    return tuple(render("face", seed=5, index=index, size=(64, 64)) for index in range(40))


@pytest.fixture(scope="session")
def people() -> tuple[Record, ...]:
    return tuple(render("person", seed=5, index=index, size=(64, 48)) for index in range(40))
