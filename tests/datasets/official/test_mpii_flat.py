"""The readers of MPII's flat forms, on tiny files written here and on the genuine ones where present."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from convcorr_jax.datasets import DATASETS, Record
from convcorr_jax.datasets.official import mpii
from convcorr_jax.datasets.official.mpii import NAMES
from convcorr_jax.errors import InputError
from tests.builders.fuzzing import FUZZ, damaged, mistyped
from tests.builders.genuine import genuine

WRIST, HIP = NAMES.index("l_wrist"), NAMES.index("r_hip")


def arrays() -> dict[str, np.ndarray]:
    part = np.random.default_rng(0).integers(1, 40, (2, 16, 2)).astype(float)
    part[0, WRIST] = 0
    part[1, HIP] = 12, 7
    visible = np.ones((2, 16))
    visible[0, WRIST] = 0
    visible[1, HIP] = 0
    return {
        "imgname": np.array([b"a.jpg", b"a.jpg"]),
        "person": np.array([2.0, 0.0]),
        "part": part,
        "visible": visible,
        "center": np.array([[21.0, 37.5], [11.0, 26.0]]),
        "scale": np.array([1.25, 0.625]),
        "normalize": np.array([9.0, 4.5]),
        "torsoangle": np.array([3.1, 3.0]),
    }


def write_h5(path: Path, **changes: np.ndarray | None) -> Path:
    with h5py.File(path, "w") as stored:
        for name, array in (arrays() | changes).items():
            if array is not None:
                stored[name] = array
    return path


def entry(**changes: Any) -> dict[str, Any]:
    joints = [[float(3 + number), 20.0 - number] for number in range(16)]
    joints[WRIST] = [-1.0, -1.0]
    known = [1] * 16
    known[WRIST] = 0
    person = {"image": "a.jpg", "joints": joints, "joints_vis": known, "center": [21.0, 22.0], "scale": 0.5}
    return person | changes


def write_json(path: Path, *entries: dict[str, Any]) -> Path:
    path.write_text(json.dumps(entries))
    return path


def test_h5_is_read_back(tmp_path: Path):
    first, second = mpii.read_h5({"valid": write_h5(tmp_path / "valid.h5")})
    assert (first.frame, first.place, second.place, first.split) == ("a.jpg", 2, 0, "valid")
    assert np.isnan(first.points[WRIST]).all()
    assert second.points[HIP].tolist() == [11, 6]
    assert (first.visible[WRIST], second.visible[HIP], second.visible[WRIST]) == (False, False, True)
    # Centres come down by 15 scales, and scales are a quarter larger, in the file.
    assert first.attributes == {"center_x": 20, "center_y": 37.5 - 15 - 1, "scale": 1}
    assert second.attributes == {"center_x": 10, "center_y": 26 - 7.5 - 1, "scale": 0.5}
    assert (first.head_box, first.head_size) == (None, 9.0)


def test_json_is_read_back(tmp_path: Path):
    paths = {
        "train": write_json(tmp_path / "train.json", entry(), entry(image="b.jpg", center=[-1, -1])),
        "test": write_json(tmp_path / "test.json", {"image": "a.jpg", "center": [5, 6], "scale": 2}),
    }
    first, second, third = mpii.read_json(paths)
    assert [(person.frame, person.place) for person in (first, second, third)] == [
        ("a.jpg", 0),
        ("b.jpg", 0),
        ("a.jpg", 1),
    ]
    assert (first.split, third.split) == ("train", "test")
    assert first.points[HIP].tolist() == [2 + HIP, 19 - HIP]
    assert np.isnan(first.points[WRIST]).all()
    assert (first.visible.sum(), third.visible.sum()) == (15, 0)
    assert first.attributes == {"center_x": 20, "center_y": 21, "scale": 0.5}
    assert second.attributes == {"scale": 0.5}
    assert np.isnan(third.points).all()
    assert third.attributes == {"center_x": 4, "center_y": 5, "scale": 2}


def test_a_tree_of_flat_files_is_read(tmp_path: Path):
    (tmp_path / "images").mkdir()
    PillowImage.new("RGB", (40, 30)).save(tmp_path / "images" / "a.jpg")
    (tmp_path / "annot").mkdir()
    write_json(tmp_path / "annot" / "mpii_val.json", entry())
    assert DATASETS["mpii"].is_release(tmp_path)
    (record,) = mpii.read(tmp_path)
    assert isinstance(record, Record)
    assert (record.source_id, record.split) == ("a.jpg#0", "valid")
    write_h5(tmp_path / "annot" / "train.h5")
    # The .h5 know more: they come first.
    assert [record.source_id for record in mpii.read(tmp_path)] == ["a.jpg#2", "a.jpg#0"]
    assert DATASETS["mpii"].is_release(tmp_path)


def test_names_that_cannot_be_written_are_spelt_anew(tmp_path: Path):
    (person,) = mpii.read_json({"test": write_json(tmp_path / "a", entry(image="\ud800.jpg"))})
    assert person.frame == "?.jpg"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"part": None}, r"part must be an array of people times \(16, 2\)"),
        ({"part": np.zeros((2, 14, 2))}, "part must be"),
        ({"imgname": np.zeros((2, 16))}, "imgname must be"),
        ({"scale": np.array([1.0, np.nan])}, "scale must be finite"),
        ({"scale": np.array([1.0, 1e300])}, "scale must be finite"),
        ({"scale": np.ones(3)}, "different lengths"),
    ],
)
def test_h5_of_another_layout_is_refused(tmp_path: Path, changes: dict[str, np.ndarray | None], sentence: str):
    path = write_h5(tmp_path / "valid.h5", **changes)
    with pytest.raises(InputError, match=rf"valid\.h5.*{sentence}"):
        mpii.read_h5({"valid": path})


def test_h5_that_promises_more_than_memory_is_refused(tmp_path: Path):
    path = write_h5(tmp_path / "valid.h5", part=None)
    with h5py.File(path, "a") as stored:
        stored.create_dataset("part", (10**12, 16, 2), "f8", chunks=(1, 16, 2))
    with pytest.raises(InputError, match="it takes more than"):
        mpii.read_h5({"valid": path})


def test_null_for_a_joint_means_absent(tmp_path: Path):
    joints: list[list[int] | None] = [[5, 6]] * 16
    joints[3] = None
    path = write_json(tmp_path / "a.json", entry(joints=joints, joints_vis=[1] * 16))
    (person,) = mpii.read_json({"test": path})
    assert np.isnan(person.points[3]).all()
    assert person.visible.tolist() == [index != 3 for index in range(16)]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[1",
        "3",
        "[3]",
        "[" * 100_000,
        json.dumps([entry(joints=[[1, 2]])]),
        json.dumps([entry(joints_vis=None)]),
        json.dumps([entry(center=[1])]),
        json.dumps([entry(scale="tall")]),
        json.dumps([{"image": "a.jpg"}]),
    ],
    ids=range(10),
)
def test_json_of_another_layout_is_refused(tmp_path: Path, content: str):
    path = tmp_path / "valid.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"valid\.json"):
        mpii.read_json({"valid": path})


@pytest.mark.parametrize(
    ("write", "damage", "read_flat"),
    [
        (write_h5, damaged, mpii.read_h5),
        (lambda path: write_json(path, entry(), entry()), mistyped, mpii.read_json),
    ],
    ids=["h5", "json"],
)
@FUZZ
@given(data=st.data())
def test_damaged_flat_files_give_people_or_the_projects_error(
    tmp_path: Path, write: Callable, damage: Callable, read_flat: Callable, data: st.DataObject
):
    path = write(tmp_path / "valid")
    path.write_bytes(damage(data, path.read_bytes()))
    with contextlib.suppress(InputError):
        read_flat({"valid": path})


def test_the_genuine_json_sample_agrees_with_the_h5():
    sample = mpii.read_json({"valid": genuine("pose_samples/mpii/test_mpii.json")})
    h5 = mpii.read_h5({"valid": genuine("pose_annotations/mpii_valid_hourglass.h5")})
    flat = {person.frame: person for person in h5}
    assert len(sample) == 5
    for person in sample:
        other = flat[person.frame]
        np.testing.assert_array_equal(np.floor(person.points), other.points)
        assert person.attributes == pytest.approx(other.attributes, rel=1e-6)
