"""Text of releases: points in .pts files, comma-separated tables and names of images, or one sentence."""

from pathlib import Path

import numpy as np
import pytest

from convcorr_jax.datasets.formats import text
from convcorr_jax.errors import InputError

OFFICIAL = "version: 1\nn_points:  3\n{\n446.000 91.000\n449.459 119.344\n1 1\n}\n"


def read_pts(folder: Path, content: str | bytes) -> np.ndarray:
    path = folder / "face.pts"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return text.read_pts(path, count=3)


@pytest.mark.parametrize(
    "content",
    [
        OFFICIAL,
        OFFICIAL.replace("\n", "\r\n"),
        OFFICIAL.removesuffix("\n"),
        "\ufeff" + OFFICIAL,
        OFFICIAL.replace("\n", "\t\n").replace("{", "\n{\n"),
        OFFICIAL.replace("{", "{\n# jaw\n// and nose"),
        "# by hand\n" + OFFICIAL.upper(),
        OFFICIAL + "pose: { 1 2 3 }\n",
    ],
)
def test_the_first_pixel_becomes_zero(content: str, tmp_path: Path):
    points = read_pts(tmp_path, content)
    assert points.dtype == np.float64
    np.testing.assert_array_equal(points, [[445, 90], [448.459, 118.344], [0, 0]])
    absent = read_pts(tmp_path, content.replace("\n1 1", "\nNaN nan"))
    assert np.isnan(absent).tolist() == [[False, False], [False, False], [True, True]]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"\xff\xfe\x00\x81" * 9, "no UTF-8 text"),
        ("446 91\n", "cut short or no .pts"),
        (OFFICIAL[:-9], "cut short or no .pts"),
        (OFFICIAL.replace("1 1\n", ""), "states 3 points and holds 2; 3 are expected"),
        (OFFICIAL.replace(" 3", " 2"), "states 2 points and holds 3; 3 are expected"),
        (OFFICIAL.replace("1 1\n", "1 1\n2 2\n"), "holds 4"),
        (OFFICIAL.replace("1 1", "1 1 1"), "two numbers a line"),
        (OFFICIAL.replace("1 1", "1 x"), "could not convert"),
        (OFFICIAL.replace("1 1", "1 -inf"), "inf is too large"),
        (OFFICIAL.replace("1 1", "1 nan"), "one coordinate"),
        (OFFICIAL.replace(" 3", "9" * 5000), "cut short or no .pts"),
    ],
    ids=range(12),
)
def test_what_is_no_points_file_is_refused(content: str | bytes, sentence: str, tmp_path: Path):
    with pytest.raises(InputError, match=rf"face\.pts.*{sentence}"):
        read_pts(tmp_path, content)


def test_files_that_are_missing_or_too_large_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(InputError, match=r"face\.pts does not exist; a points \(\.pts\) file"):
        text.read_pts(tmp_path / "face.pts", count=3)
    monkeypatch.setattr(text, "MAX_BYTES", len(OFFICIAL) - 1)
    with pytest.raises(InputError, match=r"no points .* is that large"):
        read_pts(tmp_path, OFFICIAL)


def test_lines_below_the_heading_are_read(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_bytes('\ufeffone,two\r\n"a, b",2\r\n\r\nÄ,-3e1\r\n'.encode())
    lines = list(text.read_table(path, widths=(2,)))
    assert [line.fields for line in lines] == [["a, b", "2"], ["Ä", "-3e1"]]
    assert [line.number for line in lines] == [2, 4]
    assert lines[1].numbers(lines[1].fields[1:]) == [-30]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a,b\n1\n", "line 2: 1 fields, where 2 or 3 are expected"),
        (b"a,b\n1,\xe9\n", "no UTF-8 text"),
        (b"a,b\n1,x\n", "line 2: .*'x'"),
        (b"a,b\n1,2\n1,nan\n", "line 3: a number is not finite"),
        (b'a,b\n"' + b"x" * 200_000 + b'",2\n', "no comma-separated text"),
        (b"", "is empty"),
    ],
    ids=range(6),
)
def test_other_tables_are_refused(content: bytes, sentence: str, tmp_path: Path):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.csv.*{sentence}"):
        [line.numbers(line.fields) for line in text.read_table(tmp_path / "a.csv", widths=(2, 3))]


def test_only_plain_names_of_images_pass():
    for name in ("2007_000032", "car(G)", "060_0000", "Zoë-1.b", "写真", "a b"):
        assert text.check_name(name, named_in=Path("list.txt")) == name
    for name in ("", ".", "..", "a/b", "/a", "a\\b", "a\0", "a\n", "C:", "x" * 201):
        with pytest.raises(InputError, match=r"list\.txt: .* is no plain name of an image"):
            text.check_name(name, named_in=Path("list.txt"))
