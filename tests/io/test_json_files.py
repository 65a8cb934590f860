"""JSON files: no numbers that JSON does not have, and strange content is refused by the file's name."""

import json
from pathlib import Path

import numpy as np
import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.io import json_array, json_file, naming_file, write_json
from convcorr_jax.io.json_files import MAX_BYTES


def test_json_has_neither_nan_nor_infinity(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": [1, 2.5, None]})
    assert json.loads(path.read_text()) == {"a": [1, 2.5, None]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": [1, 2.5, None]}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("{", "is damaged, or is no list of cats: "),
        ("[" * 100_000, "is damaged, or is no list of cats: "),
        ("{}", r"is damaged, or is no list of cats \(KeyError: 'cats'\)"),
        ("[]", "is no list of cats .TypeError: "),
        ('{"cats": ["-1"]}', "a.json: a cat cannot have -1 legs"),
    ],
)
def test_strange_content_of_json_names_the_file(tmp_path, text, sentence):
    path = tmp_path / "a.json"
    path.write_text(text)

    def read() -> None:
        with json_file(path, "list of cats") as found:
            for legs in map(int, found["cats"]):
                raise InputError(f"a cat cannot have {legs} legs")

    with pytest.raises(InputError, match=sentence):
        read()


def test_a_missing_file_is_refused(tmp_path):
    with (
        pytest.raises(InputError, match=r"a\.json does not exist; a list of cats file is expected"),
        json_file(tmp_path / "a.json", "list of cats"),
    ):
        pass


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (KeyError("cats"), r"^a\.json is damaged, or is no list of cats \(KeyError: 'cats'\)$"),
        (ValueError("no"), r"^a\.json is damaged, or is no list of cats: no$"),
        (InputError("no legs"), r"^a\.json: no legs$"),
        (RecursionError("deep"), r"^a\.json is damaged, or is no list of cats: deep$"),
    ],
)
def test_errors_of_a_block_name_the_file(error, sentence):
    with pytest.raises(InputError, match=sentence), naming_file(Path("a.json"), kind="list of cats"):
        raise error


def test_other_errors_pass_through(tmp_path):
    with pytest.raises(ZeroDivisionError), naming_file(tmp_path / "a.json", kind="list of cats"):
        raise ZeroDivisionError


def test_a_file_larger_than_any_annotation_is_not_parsed(tmp_path):
    path = tmp_path / "a.json"
    with path.open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    with (
        pytest.raises(InputError, match=r"a\.json has 33554433 bytes; a model file has at most"),
        json_file(path, "model"),
    ):
        pass


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_every_encoding_of_json_is_read_with_its_byte_order_mark(tmp_path, encoding):
    (tmp_path / "a.json").write_text('{"name": "Müller"}', encoding=encoding)
    with json_file(tmp_path / "a.json", "list of cats") as found:
        assert found == {"name": "Müller"}


def test_null_stands_for_a_list_of_nulls():
    values = [None, [[1, 2], None], [[3, None], None]]
    expected = np.full((3, 2, 2), np.nan)
    expected[1, 0], expected[2, 0, 0] = (1, 2), 3
    np.testing.assert_array_equal(json_array(values, dtype=float), expected)
    assert json_array(["a", None]).tolist() == ["a", None]
    with pytest.raises(ValueError, match="inhomogeneous"):
        json_array([[1, 2], [3]])
