"""Genuine data, where they are present."""

import os
from pathlib import Path

import pytest

from convcorr_jax.datasets import ROOT_VARIABLE

_BESIDE_CHECKOUT = Path(__file__).resolve().parents[3] / "shared" / "data"
"""Where several checkouts share data."""


def genuine(name: str) -> Path:
    """Return the folder or file of this name in ``$CONVCORR_DATA``, or else in ``../shared/data``.

    A test that lacks it is skipped; the message names it.
    """
    path = Path(os.environ.get(ROOT_VARIABLE) or _BESIDE_CHECKOUT) / name
    if not path.exists():
        pytest.skip(f"the genuine {name} is not present")
    return path
