"""Types of JSON values: what each annotation accepts, and what a refusal says."""

from typing import Any, Literal, NamedTuple

import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.io import check_fields


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
