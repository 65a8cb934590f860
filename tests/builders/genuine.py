"""Genuine data, where they are present."""

from pathlib import Path

import pytest

from convcorr_jax.datasets import roots


def genuine(name: str) -> Path:
    """The folder or file of this name under the data root; a test that lacks it is skipped by name."""
    path = roots.root() / name
    if not path.exists():
        pytest.skip(f"the genuine {name} is not here")
    return path
