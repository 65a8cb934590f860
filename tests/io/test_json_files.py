"""JSON files: no numbers that JSON does not have, strange content is refused by the file's name, and types."""

import json
from typing import Any, Literal, NamedTuple

import numpy as np
import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.io import check_fields, json_array, json_file, naming_file, write_json
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
        ("{", r"a\.json is damaged, or is no list of cats: Expecting"),
        ("[" * 100_000, "is damaged, or is no list of cats: maximum recursion"),
        ("{}", r"is damaged, or is no list of cats \(KeyError: 'cats'\)$"),
        ("[]", "is no list of cats .TypeError: "),
        ('{"cats": ["-1"]}', r"a\.json: a cat cannot have -1 legs$"),
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


def test_a_file_larger_than_any_annotation_is_not_parsed_and_other_errors_pass_through(tmp_path):
    with pytest.raises(ZeroDivisionError), naming_file(tmp_path / "a.json", kind="list of cats"):
        raise ZeroDivisionError
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


class Size(NamedTuple):
    height: int
    width: int


ACCEPTED = [
    (int, [0, -3, 10**30], [1.0, True, "1", None, []]),
    (float, [0, 1.5, -2], [True, float("nan"), float("inf"), "1", None]),
    (str, ["", "a"], [1, None, ["a"]]),
    (bool, [True, False], [0, 1, "true"]),
    (None, [None], [0, "", False]),
    (Any, [None, 1, {"a": []}], []),
    (Literal[4, "a"], [4, "a"], [4.0, "b", None, True]),
    (Literal[1], [1], [True, 1.0]),
    (float | None, [None, 2], ["a", True]),
    (tuple[int, ...], [[], [1, 2]], [[1, 2.0], "ab", {"a": 1}, None]),
    (tuple[int, str], [[1, "a"]], [[], [1], [1, "a", 2], ["a", 1]]),
    (tuple[tuple[int, int], ...], [[[1, 2]]], [[[1]], [1, 2]]),
    (Size, [[1, 2]], [[1], [1, 2, 3], [1.0, 2], {"height": 1, "width": 2}]),
    (dict[str, Any], [{}, {"a": 1}], [[], "a", None]),
    (dict[str, int], [{"a": 1}], [{"a": 1.5}]),
]


@pytest.mark.parametrize(("kind", "right", "wrong"), ACCEPTED, ids=str)
def test_values_of_a_kind_are_accepted_and_others_refused(kind, right, wrong):
    for value in right:
        check_fields({"a": value}, {"a": kind}, name="model")
    for value in wrong:
        with pytest.raises(InputError, match=r"^model has a .* expected$"):
            check_fields({"a": value}, {"a": kind}, name="model")


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([], r"model is \[\]; an object with named fields is expected"),
        ({"b": "x"}, "model has no 'a'; a, b, c are expected"),
        ({"a": 1, "b": "x", "d": 2}, "model has the unknown 'd'; a, b, c are expected"),
        ({"a": 1.5, "b": "x"}, "model has a 1.5; an integer is expected"),
        ({"a": 1, "b": "x", "c": 3}, "model has c 3; 'y' or null is expected"),
        ({"a": 1, "b": list(range(1000))}, r"model has b \[0, 1, .*\.\.\.; text is expected"),
    ],
)
def test_a_refusal_names_the_field_and_what_is_expected(value, sentence):
    kinds = {"a": int, "b": str, "c": Literal["y"] | None}
    with pytest.raises(InputError, match=f"^{sentence}$"):
        check_fields(value, kinds, name="model", optional=("c",))
