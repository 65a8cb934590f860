"""The reader of MPII's release, on tiny trees written here and on the genuine files where present."""

import contextlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from convcorr_jax.datasets import DATASETS, Absent, Record
from convcorr_jax.datasets.formats import mat
from convcorr_jax.datasets.official import mpii
from convcorr_jax.datasets.official.mpii import LEFT_RIGHT_PAIRS, NAMES
from convcorr_jax.errors import InputError
from tests.builders.fuzzing import FUZZ, damaged
from tests.builders.genuine import genuine
from tests.builders.mat_files import EMPTY, cells, structs, write_mat

WIDTH, HEIGHT = 64, 48
BOX = {"x1": 21.0, "y1": 5.0, "x2": 33.0, "y2": 14.0}


def joint(number: int, x: float, y: float, mark: object) -> dict[str, Any]:
    return {"id": float(number), "x": x, "y": y, "is_visible": mark}


JOINTS = [
    joint(9, 25.5, 4.25, EMPTY),
    joint(0, 30.0, 41.0, np.uint8(1)),
    joint(13, 35.0, 17.0, "1"),
    joint(12, 19.0, 18.0, "0"),
    joint(10, 12.0, 29.0, np.uint8(0)),
]


def person(**changes: Any) -> dict[str, Any]:
    annotated = {
        **BOX,
        "annopoints": structs({"point": structs(*JOINTS)}),
        "scale": 0.25,
        "objpos": structs({"x": 27.0, "y": 22.0}),
    }
    return annotated | changes


TEST_PERSON = {"scale": 1.5, "objpos": structs({"x": 11.0, "y": 12.0})}
BARE_PERSON = person(annopoints=EMPTY, scale=EMPTY, objpos=EMPTY, **dict.fromkeys(BOX, EMPTY))


def frame(name: str, *people: dict[str, Any]) -> dict[str, Any]:
    return {"image": structs({"name": name}), "annorect": structs(*people) if people else EMPTY, "vidx": 1.0}


FRAMES = (frame("a.jpg", person(), BARE_PERSON), frame("b.jpg", TEST_PERSON), frame("c.jpg"))
RELEASE = {
    "annolist": structs(*FRAMES),
    "img_train": np.array([[1, 0, 1]], np.uint8),
    "single_person": cells(np.array([[2.0]]), 1.0, EMPTY),
    "version": "12",
}


def write_release(folder: Path, **changes: Any) -> Path:
    release = structs(RELEASE | changes)
    write_mat(folder / "mpii_human_pose_v1_u12_2" / mpii.RELEASE_FILE, {"RELEASE": release})
    (folder / "images").mkdir()
    for name in "abc":
        PillowImage.new("RGB", (WIDTH, HEIGHT)).save(folder / "images" / f"{name}.jpg")
    return folder


def test_a_release_is_read_back(tmp_path: Path):
    first, bare, other, empty = mpii.read(write_release(tmp_path))
    assert empty == Absent("c.jpg", "no person is annotated in it")
    assert isinstance(first, Record)
    assert (first.source_id, first.split, first.size) == ("a.jpg#0", "train", (HEIGHT, WIDTH))
    assert first.image == tmp_path / "images" / "a.jpg"
    # The first pixel is 1 in the file and 0 here.
    present = {name: first.points[NAMES.index(name)].tolist() for name in NAMES}
    assert {name: place for name, place in present.items() if not np.isnan(place).any()} == {
        "head_top": [24.5, 3.25],
        "r_ankle": [29, 40],
        "l_shoulder": [34, 16],
        "r_shoulder": [18, 17],
        "r_wrist": [11, 28],
    }
    seen = {name for name, visible in zip(NAMES, first.visible, strict=True) if visible}
    assert seen == {"head_top", "r_ankle", "l_shoulder"}
    assert first.other_boxes == {"head": (20, 4, 32, 13)}
    assert first.normalizer_px == pytest.approx(0.6 * 15)
    assert first.attributes == {"center_x": 26, "center_y": 21, "scale": 0.25, "separated": 0}
    assert isinstance(bare, Record)
    assert np.isnan(bare.points).all()
    assert (bare.source_id, bare.other_boxes, bare.normalizer_px) == ("a.jpg#1", {}, None)
    assert bare.attributes == {"separated": 1}
    assert isinstance(other, Record)
    assert np.isnan(other.points).all()
    assert (other.source_id, other.split) == ("b.jpg#0", "test")
    assert other.attributes == {"center_x": 10, "center_y": 11, "scale": 1.5, "separated": 1}
    assert DATASETS["mpii"].is_release(tmp_path)


def test_validation_people_are_told_apart(tmp_path: Path):
    write_release(tmp_path)
    # The second person of the first frame.
    columns = {"RELEASE_img_index": 1.0, "RELEASE_person_index": 2.0}
    path = write_mat(tmp_path / "Tompson_valid" / mpii.VALIDATION_FILE, columns)
    assert mpii.read_validation(path) == {mpii.Place(0, 1)}
    splits = [each.split for each in mpii.read(tmp_path) if isinstance(each, Record)]
    assert splits == ["train", "valid", "test"]


def test_sides_exchange_by_pairs():
    for left, right in LEFT_RIGHT_PAIRS:
        assert (NAMES[left][:2], NAMES[right][:2]) == ("l_", "r_")
        assert NAMES[left][2:] == NAMES[right][2:]


def test_frames_that_are_not_there_are_named(tmp_path: Path):
    write_release(tmp_path)
    (tmp_path / "images" / "b.jpg").unlink()
    *_, absent, _ = mpii.read(tmp_path)
    assert isinstance(absent, Absent)
    assert (absent.source_id, "does not exist" in absent.reason) == ("b.jpg#0", True)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (person(scale="tall"), r"annorect\(2\)\.scale is the text 'tall'"),
        (
            person(annopoints=structs({"point": structs(joint(16, 1.0, 1.0, 1.0))})),
            r"point\(1\) has the id 16\.0; 0 to 15",
        ),
        (
            person(annopoints=structs({"point": structs(JOINTS[0], JOINTS[0])})),
            r"point\(2\) has the id 9\.0; 0 to 15 once each",
        ),
        (person(x2=21.0), "has no area"),
    ],
)
def test_a_damaged_person_is_named(tmp_path: Path, changed: dict[str, Any], reason: str):
    annolist = structs(frame("a.jpg", person(), changed), *FRAMES[1:])
    first, absent, *_ = mpii.read(write_release(tmp_path, annolist=annolist))
    assert isinstance(first, Record)
    assert isinstance(absent, Absent)
    assert absent.source_id == "a.jpg#1"
    assert re.search(reason, absent.reason)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"img_train": np.ones((1, 2))}, "different lengths"),
        ({"annolist": structs(*FRAMES[:2], FRAMES[0])}, r"have a\.jpg#0 twice"),
        ({"single_person": EMPTY}, "cells are expected"),
    ],
)
def test_a_release_of_another_layout_is_refused(tmp_path: Path, changes: dict, sentence: str):
    write_release(tmp_path, **changes)
    with pytest.raises(InputError, match=sentence):
        list(mpii.read(tmp_path))


def test_a_tree_that_is_not_mpii_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="has no folder 'images'"):
        mpii.read(tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match=r"mpii_human_pose_v1_u12_1\.mat is expected"):
        mpii.read(tmp_path)


@FUZZ
@given(data=st.data())
def test_a_damaged_release_gives_people_or_the_projects_error(tmp_path: Path, data: st.DataObject):
    path = write_mat(tmp_path / mpii.RELEASE_FILE, {"RELEASE": structs(RELEASE)}, compressed=False)
    path.write_bytes(damaged(data, path.read_bytes()))
    with contextlib.suppress(InputError):
        list(mpii.read_release(path))


def test_the_genuine_validation_people_agree_between_forms():
    path = genuine("pose_annotations/mpii_valid_tompson_detections.mat")
    flat = mpii.read_h5({"valid": genuine("pose_annotations/mpii_valid_hourglass.h5")})
    frames = genuine("pose_annotations/mpii_valid_images.txt").read_text().split()
    stored = mat.read(path).structs("annolist")
    assert len(flat) == len(frames) == len(stored) == len(mpii.read_validation(path)) == 2958
    assert [person.frame for person in flat] == frames
    # Every tenth, for time.
    for each, other in zip(stored[::10], flat[::10], strict=True):
        annotated = each.only_struct("annorect")
        ours = mpii.read_person(annotated, frame=other.frame, place=other.place, split="valid")
        # The hourglass's files cut coordinates, counted from 1, to whole numbers.
        np.testing.assert_array_equal(np.trunc(ours.points + 1) - 1, other.points)
        np.testing.assert_array_equal(ours.visible, other.visible)
        assert ours.head_size == pytest.approx(other.head_size)
        assert ours.attributes == pytest.approx(other.attributes)
