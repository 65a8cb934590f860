"""Names of images: those of the releases pass, everything that is more than a name is refused."""

from pathlib import Path

import pytest

from convcorr_jax.datasets.formats import text
from convcorr_jax.errors import InputError


@pytest.mark.parametrize("name", ["2007_000032", "car(G)", "060_0000", "Zoë-1.b", "写真", "a b"])
def test_names_of_releases_pass(name: str):
    assert text.check_name(name, named_in=Path("list.txt")) == name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "a\\b", "a\0", "a\n", "C:", "x" * 201])
def test_paths_and_other_strange_names_are_refused(name: str):
    with pytest.raises(InputError, match=r"list\.txt: .* is no plain name of an image"):
        text.check_name(name, named_in=Path("list.txt"))
