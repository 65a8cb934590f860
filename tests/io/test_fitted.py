"""Fitted models in files: what is saved comes back, and damage is one sentence that names the file."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.io import Expected, Fitted, load_fitted, save_fitted
from tests.builders.fitted_files import change_arrays, change_facts, seal


@dataclass(frozen=True)
class Line:
    """A model as small as models get: y = slope x + offset."""

    kind: ClassVar[str] = "fitted line"
    slope: np.ndarray
    names: tuple[str, ...]

    def to_fitted(self) -> Fitted:
        return Fitted({"slope": self.slope}, {"names": list(self.names)})

    @classmethod
    def expected_arrays(cls, facts: Mapping[str, Any]) -> Mapping[str, Expected]:
        return {"slope": Expected(np.floating, (len(facts["names"]), "n"), finite=True)}

    @classmethod
    def from_fitted(cls, fitted: Fitted) -> "Line":
        if "" in fitted.facts["names"]:
            raise InputError("a name is empty")
        return cls(fitted.arrays["slope"], tuple(fitted.facts["names"]))


LINE = Line(np.arange(6.0).reshape(2, 3), ("a", "b"))


@pytest.mark.parametrize("name", ["line", "line.npz", "line.json", "line.v2"])
@pytest.mark.parametrize("read_as", ["", ".npz", ".json"])
@pytest.mark.parametrize("kind", [str, Path])
def test_what_is_saved_comes_back_by_any_of_its_names(tmp_path, name, read_as, kind):
    save_fitted(kind(tmp_path / name), LINE)
    name = name.removesuffix(".npz").removesuffix(".json")
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{name}.json", f"{name}.npz"]
    loaded = load_fitted(kind(tmp_path / (name + read_as)), Line)
    assert type(loaded) is Line
    assert loaded.names == LINE.names
    np.testing.assert_array_equal(loaded.slope, LINE.slope)
    assert loaded.slope.dtype == LINE.slope.dtype
    facts = json.loads((tmp_path / f"{name}.json").read_text())
    assert len(facts.pop("arrays_sha256")) == 64
    assert facts == {"kind": "fitted line", "names": ["a", "b"]}


def test_the_listing_is_written_last(tmp_path):
    (tmp_path / "line.json").mkdir()
    with pytest.raises(InputError, match=r"line\.json is a folder"):
        save_fitted(tmp_path / "line", LINE)
    (tmp_path / "other.npz").mkdir()
    with pytest.raises(InputError, match=r"other\.npz is a folder"):
        save_fitted(tmp_path / "other", LINE)
    with pytest.raises(ValueError, match="not JSON compliant"):
        save_fitted(tmp_path / "other.v2", Line(LINE.slope, (float("nan"),)))  # type: ignore[arg-type]
    assert not list(tmp_path.glob("other*.json"))


def state(facts):
    def damage(path):
        path.with_suffix(".json").write_text(facts)
        with contextlib.suppress(ValueError, TypeError):
            seal(path)

    return damage


def store(**arrays):
    return lambda path: change_arrays(path, **arrays)


def exchange(path):
    """Put another model's arrays beside the facts."""
    save_fitted(path.with_name("other"), Line(LINE.slope + 1, LINE.names))
    path.with_name("other.npz").replace(path.with_suffix(".npz"))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda path: path.with_name("line.json").unlink(), r"line\.json does not exist"),
        (lambda path: path.with_name("line.npz").unlink(), r"line\.npz does not exist"),
        (state("{"), r"line\.json is damaged, or is no fitted line: "),
        (state("[]"), r"line\.json: it is no fitted line; an object with named fields is expected"),
        (state("{}"), r"line\.json is damaged, or is no fitted line \(KeyError: 'names'\)"),
        (state('{"names": 3}'), r"line\.json is damaged, or is no fitted line \(TypeError: "),
        (state('{"names": ["a", ""]}'), r"line\.json: a name is empty"),
        (state('{"names": ["a"]}'), r"line\.npz: array 'slope' is float64 of shape \(2, 3\); floating "),
        (store(slope=None), r"line\.npz has no array 'slope'; slope is expected"),
        (store(offset=np.zeros(2)), r"line\.npz has the array 'offset', which this fitted line does not"),
        (store(slope=np.zeros((2, 3), int)), "array 'slope' is int64"),
        (store(slope=np.zeros(2)), r"array 'slope' is float64 of shape \(2,\)"),
        (store(slope=np.full((2, 3), np.nan)), "array 'slope' has values that are not finite"),
        (store(slope=np.full((2, 3), np.inf)), "array 'slope' has values that are not finite"),
        (exchange, r"line\.npz does not have the arrays_sha256 that .*json"),
        (lambda path: change_facts(path, {"arrays_sha256": 3}), "files that were saved together are expected"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path, damage, sentence):
    save_fitted(tmp_path / "line", LINE)
    damage(tmp_path / "line")
    with pytest.raises(InputError, match=sentence):
        load_fitted(tmp_path / "line", Line)


def test_files_of_earlier_versions_have_no_checksum(tmp_path):
    save_fitted(tmp_path / "line", LINE)
    change_facts(tmp_path / "line", {"arrays_sha256": None})
    assert load_fitted(tmp_path / "line", Line).names == LINE.names
