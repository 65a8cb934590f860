"""MTFL's lists."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from convcorr_jax.datasets import DATASETS, Absent, Record
from convcorr_jax.datasets.official import faces
from convcorr_jax.errors import InputError
from tests.builders.fuzzing import FUZZ, mistyped

# Laid out as in the release: backslashes in one list, slashes in the other, and a space before all lines
# but the first.
TRAINING = (
    "lfw_5590\\Ada_Lovelace_0001.jpg 7.25 37.25 26.25 6.25 40.75 8.75 48.75 43.75 58.75 62.75 2 1 2 4\n"
    " net_7876\\0_1.jpg 5 9 7 5 9 1 2 3 4 5 1 2 1 1\n \n"
)
TESTING = "AFLW/0001-image20056.jpg 5 9 7 5 9 1 2 3 4 5 1 1 2 3\n"


def write_tree(source: Path) -> None:
    (source / "training.txt").write_text(TRAINING)
    (source / "testing.txt").write_text(TESTING)
    for name in ("lfw_5590/Ada_Lovelace_0001.jpg", "AFLW/0001-image20056.jpg"):
        (source / name).parent.mkdir(exist_ok=True)
        PillowImage.new("RGB", (70, 64), "red").save(source / name)


def test_lists_read_back_as_they_were_written(tmp_path: Path):
    write_tree(tmp_path)
    first, absent, third = faces.read_mtfl(tmp_path)
    assert isinstance(first, Record)
    assert isinstance(third, Record)
    assert first.source_id == "lfw_5590/Ada_Lovelace_0001.jpg"
    assert (first.split, third.split) == ("train", "test")
    np.testing.assert_array_equal(
        first.points, [[7.25, 8.75], [37.25, 48.75], [26.25, 43.75], [6.25, 58.75], [40.75, 62.75]]
    )
    assert first.normalizer_px == pytest.approx(50)
    assert first.attributes == {"gender": 2, "smile": 1, "glasses": 2, "head_pose": 4}
    assert first.size == (64, 70)
    assert absent == Absent("net_7876/0_1.jpg", "it is missing")
    assert DATASETS["mtfl"].is_release(tmp_path)


def test_missing_pieces_are_refused_by_name(tmp_path: Path):
    with pytest.raises(InputError, match=r"training\.txt does not exist"):
        faces.read_mtfl(tmp_path)
    write_tree(tmp_path)
    (tmp_path / "testing.txt").write_text(TRAINING)
    with pytest.raises(InputError, match="name an image twice"):
        faces.read_mtfl(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("lfw_5590\\", "..\\", "plain name"),
        ("lfw_5590\\", "\\etc\\", "plain name"),
        ("lfw_5590\\", "C:\\", "plain name"),
        (" 7.25", "", "line 1 has 14 fields; 15 are expected"),
        (" 7.25", " x", "line 1: could not convert"),
    ],
)
def test_other_lists_are_refused(old: str, new: str, sentence: str, tmp_path: Path):
    path = tmp_path / "training.txt"
    path.write_text(TRAINING.replace(old, new))
    with pytest.raises(InputError, match=rf"training\.txt.*{sentence}"):
        faces.read_list(path)


@FUZZ
@given(data=st.data())
def test_damage_gives_records_or_the_projects_error(tmp_path: Path, data: st.DataObject):
    write_tree(tmp_path)
    (tmp_path / "training.txt").write_bytes(mistyped(data, TRAINING.encode()))
    with contextlib.suppress(InputError):
        list(faces.read_mtfl(tmp_path))
