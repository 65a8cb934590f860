"""Points in .pts files."""

from pathlib import Path

import numpy as np
import pytest

from convcorr_jax.datasets.formats import text
from convcorr_jax.errors import InputError

OFFICIAL = "version: 1\nn_points:  3\n{\n446.000 91.000\n449.459 119.344\n1 1\n}\n"


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "face.pts"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_the_first_pixel_becomes_zero(tmp_path: Path):
    points = text.read_pts(write(tmp_path, OFFICIAL), count=3)
    assert points.dtype == np.float64
    np.testing.assert_array_equal(points, [[445, 90], [448.459, 118.344], [0, 0]])


@pytest.mark.parametrize(
    "content",
    [
        OFFICIAL.replace("\n", "\r\n"),
        OFFICIAL.removesuffix("\n"),
        "\ufeff" + OFFICIAL,
        OFFICIAL.replace("\n", "\t\n").replace("{", "\n{\n"),
        OFFICIAL.replace("{", "{\n# jaw\n// and nose"),
        "# by hand\n" + OFFICIAL.upper(),
        OFFICIAL + "pose: { 1 2 3 }\n",
    ],
)
def test_other_ways_to_write_the_same(content: str, tmp_path: Path):
    points = text.read_pts(write(tmp_path, content), count=3)
    np.testing.assert_array_equal(points, [[445, 90], [448.459, 118.344], [0, 0]])


def test_a_point_without_position_is_absent(tmp_path: Path):
    points = text.read_pts(write(tmp_path, OFFICIAL.replace("1 1\n", "NaN nan\n")), count=3)
    assert np.isnan(points).tolist() == [[False, False], [False, False], [True, True]]


REFUSED = {
    "empty": (b"", "is empty"),
    "not text": (b"\xff\xfe\x00\x81" * 9, "no UTF-8 text"),
    "other text": ("446 91\n", "cut short or no .pts"),
    "cut short": (OFFICIAL[:-9], "cut short or no .pts"),
    "fewer": (OFFICIAL.replace("1 1\n", ""), "states 3 points and holds 2; 3 are expected"),
    "says fewer": (OFFICIAL.replace(" 3", " 2"), "states 2 points and holds 3; 3 are expected"),
    "more": (OFFICIAL.replace("1 1\n", "1 1\n2 2\n"), "holds 4"),
    "three numbers": (OFFICIAL.replace("1 1", "1 1 1"), "two numbers a line"),
    "a word": (OFFICIAL.replace("1 1", "1 x"), "could not convert"),
    "infinite": (OFFICIAL.replace("1 1", "1 -inf"), "inf is too large"),
    "one coordinate": (OFFICIAL.replace("1 1", "1 nan"), "one coordinate"),
    "a long count": (OFFICIAL.replace(" 3", "9" * 5000), "cut short or no .pts"),
}


@pytest.mark.parametrize(("content", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_points_file_is_refused(content: str | bytes, sentence: str, tmp_path: Path):
    with pytest.raises(InputError, match=rf"face\.pts.*{sentence}"):
        text.read_pts(write(tmp_path, content), count=3)


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"face\.pts does not exist; a points \(\.pts\) file"):
        text.read_pts(tmp_path / "face.pts", count=3)


def test_a_file_too_large_for_an_annotation_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(text, "MAX_BYTES", len(OFFICIAL) - 1)
    with pytest.raises(InputError, match=r"no points .* is that large"):
        text.read_pts(write(tmp_path, OFFICIAL), count=3)
