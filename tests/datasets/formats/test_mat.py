"""MATLAB files of version 5: what SciPy writes is read back, and nothing else ends in more than a sentence."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from convcorr_jax.datasets.formats import mat, mat_bytes
from convcorr_jax.errors import InputError
from tests.builders.genuine import genuine
from tests.builders.mat_files import cells, structs, write_mat

PEOPLE = structs(
    {"name": "Zoë", "height": 1.8, "joints": np.arange(6.0).reshape(2, 3), "pets": structs({"x": 3})},
    {"name": "", "height": np.float32(2), "joints": np.zeros((0, 0)), "pets": np.zeros((0, 0))},
)
VARIABLES = {
    "people": PEOPLE,
    "list": cells("a", np.array([[1, 2, 3]], np.uint8), cells(4.0)),
    "truth": np.array([[True, False]]),
    "solid": np.arange(24, dtype=np.int16).reshape(2, 3, 4),
    "rows": np.array(["ab", "cd"]),
}


@pytest.mark.parametrize("compressed", [False, True])
def test_what_scipy_writes_is_read_back(tmp_path: Path, compressed: bool):
    found = mat.read(write_mat(tmp_path / "a.mat", VARIABLES, compressed=compressed))
    assert list(found) == list(VARIABLES)
    first, second = found.structs("people")
    assert (first.text("name"), first.number("height")) == ("Zoë", 1.8)
    np.testing.assert_array_equal(first.array("joints"), [[0, 1, 2], [3, 4, 5]])
    assert first.only_struct("pets").number("x") == 3
    assert (second.structs("pets"), second.array("joints").shape) == ((), (0, 0))
    assert [second.has(field) for field in second] == [False, True, False, False]
    assert second.number_if_any("height") == 2
    assert [second.number_if_any(field) for field in ("name", "joints", "width")] == [None] * 3
    with pytest.raises(InputError, match="one finite number is expected"):
        first.number_if_any("joints")
    listed = found.cells("list")
    assert (listed.text(0), listed.array(1).tolist()) == ("a", [[1, 2, 3]])
    assert listed.cells(2).number(0) == 4
    assert found.array("truth").dtype == bool
    np.testing.assert_array_equal(found.array("solid"), VARIABLES["solid"])
    assert found.array("solid").dtype == np.int16
    assert found.text("rows") == "ab\ncd"


def element(kind: int, content: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "II", kind, len(content)) + content + bytes(-len(content) % 8)


def matrix(array_class: int, shape: tuple[int, ...], *body: bytes, flags: int = 0, order: str = "<") -> bytes:
    head = (
        element(6, struct.pack(order + "II", array_class | flags, 0), order),
        element(5, struct.pack(f"{order}{len(shape)}i", *shape), order),
        element(1, b"v", order),
    )
    return element(14, b"".join((*head, *body)), order)


def file_of(content: bytes, order: str = "<") -> bytes:
    return b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(order + "HH", 0x0100, 0x4D49) + content


def parsed(path: Path, content: bytes, order: str = "<") -> mat.Value:
    path.write_bytes(file_of(content, order))
    return mat.read(path)["v"]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("array_class", "kind", "stored", "expected"),
    [
        # Numbers stored in fewer bytes get their class back.
        (6, 3, {"<": struct.pack("<2h", 300, -2), ">": struct.pack(">2h", 300, -2)}, [[300.0, -2.0]]),
        # A signalling NaN comes as an ordinary one; warnings fail a test.
        (6, 7, {order: struct.pack(order + "If", 0x7F800001, 2.5) for order in "<>"}, [[np.nan, 2.5]]),
        (4, 4, {"<": "žλ".encode("utf-16-le"), ">": "žλ".encode("utf-16-be")}, "žλ"),
    ],
    ids=["numbers", "NaN", "characters"],
)
def test_values_are_in_the_files_order(
    tmp_path: Path, order: str, array_class: int, kind: int, stored: dict[str, bytes], expected: Any
):
    content = matrix(array_class, (1, 2), element(kind, stored[order], order), order=order)
    value = parsed(tmp_path / "a.mat", content, order)
    if isinstance(expected, str):
        assert value == expected
    else:
        assert value.dtype == np.float64
        np.testing.assert_array_equal(value + 1, np.array(expected) + 1)


def deep_cells(depth: int) -> bytes:
    """Cells in cells, which SciPy reads by recursion."""
    head = matrix(1, (1, 1))[8:]
    sizes = [len(head) + level * (len(head) + 8) for level in range(depth)]
    return b"".join(struct.pack("<II", 14, size) + head for size in reversed(sizes))


def test_cells_nested_beyond_any_stack_are_read_level_by_level(tmp_path: Path):
    packed = zlib.compress(deep_cells(100_000))
    path = tmp_path / "a.mat"
    path.write_bytes(file_of(struct.pack("<II", 15, len(packed)) + packed))
    found = mat.read(path)
    for _ in range(3):
        found = found.cells(next(iter(found)))
    assert len(found) == 1
    # Rows without characters are no text.
    assert parsed(path, matrix(4, (2**30, 0), element(16, b""))) == ""


NUMBER = element(9, struct.pack("<d", 1.0))
HOSTILE = {
    "more numbers than bytes": matrix(6, (2**30, 2**30), NUMBER),
    "a negative size": matrix(6, (-1, -1), NUMBER),
    "one dimension": matrix(6, (1,), NUMBER),
    "more cells than bytes": matrix(1, (2**30, 1)),
    "a cell that is no array": matrix(1, (1, 1), NUMBER),
    "more structs than bytes": matrix(2, (2**30, 1), element(5, struct.pack("<i", 2)), element(1, b"a\0")),
    "fields without length": matrix(2, (0, 0), element(5, struct.pack("<i", 0)), element(1, b"a\0")),
    "no fields": matrix(2, (1, 2**30), element(5, struct.pack("<i", 2)), element(1, b"")),
    "a field twice": matrix(2, (0, 0), element(5, struct.pack("<i", 2)), element(1, b"a\0a\0")),
    "fractions in whole numbers": matrix(8, (1, 1), NUMBER),
    "large fractions in small": matrix(7, (1, 1), NUMBER),
    "numbers of no type": matrix(6, (1, 1), element(99, bytes(8))),
    "characters of no type": matrix(4, (1, 1), element(9, bytes(8))),
    "more rows than characters": matrix(4, (2**30, 1), element(16, b"ab")),
    "half a character": matrix(4, (1, 1), element(4, b"a")),
    "no class": matrix(99, (1, 1), NUMBER),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_values_that_contradict_themselves_are_refused(tmp_path: Path, content: bytes):
    with pytest.raises(InputError, match=r"a\.mat(\.v)? is damaged or cut short"):
        parsed(tmp_path / "a.mat", content)


@pytest.mark.parametrize(
    ("variable", "kind"),
    [(scipy.sparse.csc_matrix(np.eye(3)), "a sparse array"), (np.array([[1j]]), "complex")],
)
def test_values_that_no_data_set_has_are_refused_when_asked_for(tmp_path: Path, variable: Any, kind: str):
    found = mat.read(write_mat(tmp_path / "a.mat", {"v": variable, "w": 1.0}))
    assert found.number("w") == 1
    with pytest.raises(InputError, match=rf"a\.mat\.v is {kind}, which is not read"):
        found["v"]


def test_files_that_are_no_version_5_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.mat"
    with pytest.raises(InputError, match="does not exist"):
        mat.read(path)
    scipy.io.savemat(path, {"a": 1.0}, format="4")
    number = matrix(6, (1, 1), NUMBER)
    for content, sentence in (
        (path.read_bytes(), "no MATLAB file of version 5"),
        (b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n", r"MATLAB 7\.3 file"),
        (file_of(number + number), "two variables 'v'"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=sentence):
            mat.read(path)
    write_mat(path, {"v": np.zeros(1000)})
    monkeypatch.setattr(mat_bytes, "MAX_INFLATED_BYTES", 500)
    with pytest.raises(InputError, match="inflates to more than 500 bytes"):
        mat.read(path)


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda found: found.array("joints"), r"a\.mat has no 'joints'; it has people, list"),
        (lambda found: found.text("truth"), r"a\.mat\.truth is an array \(1, 2\); text is expected"),
        (lambda found: found.number("truth"), "one finite number is expected"),
        (lambda found: found.number("rows"), "the text 'ab.ncd'; one finite number is expected"),
        (lambda found: found.array("rows"), "numbers are expected"),
        (lambda found: found.structs("truth"), "structs are expected"),
        (lambda found: found.only_struct("people"), "is 2 structs; one struct is expected"),
        (lambda found: found.cells("people"), "cells are expected"),
        (lambda found: found.array("list"), r"a\.mat\.list is 3 cells; numbers are expected"),
        (lambda found: found.cells("list").text(1), r"a\.mat\.list\{2\} is"),
        (lambda found: found.structs("people")[1].number("joints"), r"a\.mat\.people\(2\)\.joints"),
    ],
)
def test_values_of_another_kind_are_refused_by_place(tmp_path: Path, ask: Any, sentence: str):
    found = mat.read(write_mat(tmp_path / "a.mat", VARIABLES))
    with pytest.raises(InputError, match=sentence):
        ask(found)


@pytest.mark.parametrize("name", ["lspet_joints.mat", "flic_joints_test_oc_10.mat"])
def test_genuine_arrays_are_as_scipy_reads_them(name: str):
    path = genuine(f"pose_annotations/{name}")
    np.testing.assert_array_equal(mat.read(path).array("joints"), scipy.io.loadmat(path)["joints"])
