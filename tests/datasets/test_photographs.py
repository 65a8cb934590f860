import importlib.util
from pathlib import Path

import numpy as np
import pytest

from convcorr_jax.datasets import selection
from convcorr_jax.errors import InputError


def test_photographs_are_colour_images_with_names_and_credits():
    found = [*selection.photographs(), *selection.surfaces()]
    assert len({photograph.name for photograph in found}) == len(found) >= 10
    for photograph in found:
        assert photograph.credit
        assert photograph.image.dtype == np.uint8
        assert min(photograph.image.shape[:2]) >= 250
        # A photograph, not a blank: its grey levels spread.
        assert photograph.image.std() > 15


def test_a_caller_cannot_change_the_photograph_of_the_others():
    with pytest.raises(ValueError, match="read-only"):
        selection.photographs()[0].image[0] = 0


def test_a_package_that_is_missing_is_reported(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="skimage is not installed"):
        selection.photographs.__wrapped__()


def test_a_package_without_its_photograph_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    elsewhere = importlib.util.spec_from_file_location("skimage", tmp_path / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: elsewhere)
    with pytest.raises(InputError, match=r"astronaut\.png does not exist"):
        selection.photographs.__wrapped__()
