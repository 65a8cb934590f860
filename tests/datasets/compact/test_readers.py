"""The readers of compact folders, on tiny folders written here and on the real ones where
present."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.datasets import Pair, load_image
from convcorr_jax.datasets.compact import people, scenes
from convcorr_jax.datasets.official.ibug import MARKUP
from convcorr_jax.errors import InputError
from tests.builders.compact_folders import (
    HEIGHT,
    WIDTH,
    face_arrays,
    lspet_arrays,
    pf_willow_annotations,
    write_faces,
    write_lspet,
    write_pf_willow,
)
from tests.builders.genuine import genuine


def pupil_distance(points: np.ndarray) -> float:
    """Return the distance of the eye centres, each the mean of its six landmarks."""
    eyes = (points[list(MARKUP.part_sets[eye])].mean(axis=0) for eye in ("left_eye", "right_eye"))
    return float(np.linalg.norm(np.subtract(*eyes)))


READERS = [
    pytest.param(write_pf_willow, scenes.read_pairs, id="pf_willow"),
    pytest.param(write_faces, people.read_landmarks, id="faces"),
    pytest.param(write_lspet, people.read_lspet, id="lspet"),
]


def test_pf_willow_reads_back_what_was_written(tmp_path: Path):
    write_pf_willow(tmp_path)
    records, pairs = (found := scenes.read_pairs(tmp_path)).records, found.pairs
    # Pairs name images by id; here ids are not positions.
    assert pairs == (Pair("winebottle(M)", 1, 0), Pair("winebottle(M)", 0, 1))
    assert [record.source_id for record in records] == ["winebottle(M)/7.png", "winebottle(M)/3.png"]
    first = records[0]
    assert (first.category, first.split, first.size) == ("winebottle", "test", (HEIGHT, WIDTH))
    np.testing.assert_array_equal(first.points, [[10.5, 1], [11.5, 1], [7, 30]])
    assert first.visible.tolist() == [True, False, True]
    assert first.left_right_pairs == ((0, 1),)
    assert first.box == (10.5, 1, 11.5, 30)
    assert first.normalizer_px == 29
    assert load_image(first).shape == (HEIGHT, WIDTH, 3)


def test_faces_read_back_what_was_written(tmp_path: Path):
    write_faces(tmp_path)
    train, test = people.read_landmarks(tmp_path)
    assert (train.split, test.split) == ("train", "test")
    landmarks = face_arrays()["landmarks"][1]
    np.testing.assert_array_equal(test.points, landmarks)
    assert test.normalizer_px == 20
    assert test.box is not None
    np.testing.assert_array_equal(np.array(test.box), [*landmarks.min(axis=0), *landmarks.max(axis=0)])
    assert load_image(test).shape == (WIDTH, WIDTH, 3)


def test_mirroring_a_face_exchanges_its_sides():
    swapped = list(MARKUP.names)
    for left, right in MARKUP.left_right_pairs:
        swapped[left], swapped[right] = swapped[right], swapped[left]
    for before, after in zip(MARKUP.names, swapped, strict=True):
        side, opposite = before.split("_")[0], after.split("_")[0]
        assert (side, opposite) not in {("left", "left"), ("right", "right")}
    # Points on the mid-line keep their names: chin, nose bridge and tip, and the middles of the
    # lips.
    fixed = [index for index, name in enumerate(MARKUP.names) if swapped[index] == name]
    assert fixed == [8, 27, 28, 29, 30, 33, 51, 57, 62, 66]


def test_pupil_distance_is_between_the_means_of_the_eyes():
    points = np.zeros((68, 2))
    points[36:42] = [3.0, 0.0]
    points[36] += [0.0, 6.0]
    points[42:48] = [3.0, 5.0]
    assert pupil_distance(points) == pytest.approx(4.0)


def test_people_read_back_what_was_written(tmp_path: Path):
    write_lspet(tmp_path)
    first, second = people.read_lspet(tmp_path)
    np.testing.assert_array_equal(first.points, lspet_arrays()["joints"][0])
    assert np.isnan(second.points[4]).all()
    assert not second.visible[4]
    assert second.visible.sum() == 13
    assert first.normalizer_px == 12.5
    assert first.size == (HEIGHT, WIDTH)
    mirrored = coords.flip_points(first.points, width=WIDTH, left_right_pairs=first.left_right_pairs)
    left, right = (people.NAMES.index(name) for name in ("l_wrist", "r_wrist"))
    np.testing.assert_allclose(mirrored[left], [WIDTH - 1 - first.points[right, 0], first.points[right, 1]])


@pytest.mark.parametrize(("write", "read"), READERS)
def test_missing_pieces_are_refused_by_name(write: Callable, read: Callable, tmp_path: Path):
    with pytest.raises(InputError, match=r"annotations\..* does not exist"):
        read(tmp_path)
    path = write(tmp_path)
    victim = next((tmp_path / "images").rglob("*.png"))
    victim.unlink()
    with pytest.raises(InputError, match=f"{victim.name} does not exist"):
        read(tmp_path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match=f"{path.name} is empty"):
        read(tmp_path)


PF_WILLOW_CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "no pairs": lambda a: a.pop("pairs"),
    "no names": lambda a: a["keypoint_names_inferred"].clear(),
    "unknown id": lambda a: a["pairs"].append(["winebottle(M)", 3, 8]),
    "same id": lambda a: a["images"][0].update(id=3),
    "absolute path": lambda a: a["images"][0].update(file="/etc/passwd"),
    "escaping path": lambda a: a["images"][0].update(file="../annotations.json"),
    "infinite point": lambda a: a["images"][0]["keypoints"].__setitem__(0, [float("inf"), 0.0]),
    "ragged points": lambda a: a["images"][0]["keypoints"].__setitem__(0, [1.0]),
    "text for a number": lambda a: a["images"][0].update(width="wide"),
    "box without area": lambda a: a["images"][0].update(bbox=[5, 5, 5, 9]),
    "images no list": lambda a: a.update(images=3),
}


@pytest.mark.parametrize("change", PF_WILLOW_CHANGES.values(), ids=PF_WILLOW_CHANGES.keys())
def test_pf_willow_of_another_layout_is_refused(change: Callable[[dict[str, Any]], object], tmp_path: Path):
    path = write_pf_willow(tmp_path)
    annotations = pf_willow_annotations()
    change(annotations)
    path.write_text(json.dumps(annotations))
    with pytest.raises(InputError, match=r"annotations\.json"):
        scenes.read_pairs(tmp_path)


@pytest.mark.parametrize("text", ["[1, 2", "[]", "3", '"text"', "[" * 100_000], ids=range(5))
def test_pf_willow_that_is_no_annotation_is_refused(text: str, tmp_path: Path):
    path = write_pf_willow(tmp_path)
    path.write_text(text)
    with pytest.raises(InputError, match=r"annotations\.json"):
        scenes.read_pairs(tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"landmarks": None}, "no array 'landmarks'"),
        ({"landmarks": np.zeros((2, 51, 2), np.float32)}, "'landmarks' is float32 of shape"),
        ({"landmarks": np.zeros((2, 68, 2), np.float32)}, "area"),
        ({"split": np.array(["train"])}, "'split'"),
        ({"crop_size": np.array(["a", "b"])}, "'crop_size'"),
        ({"files": np.array(["/etc/passwd", "x"])}, "inside the folder"),
        ({"files": np.array(["../x", "x"])}, "inside the folder"),
        ({"files": np.array([{"a": 1}, {}], dtype=object)}, "plain arrays"),
    ],
)
def test_faces_of_another_layout_are_refused(change: dict, sentence: str, tmp_path: Path):
    path = write_faces(tmp_path)
    arrays = {key: value for key, value in (face_arrays() | change).items() if value is not None}
    np.savez(path, **arrays)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=f"annotations.npz.*{sentence}"):
        people.read_landmarks(tmp_path)


def test_a_face_whose_eyes_coincide_is_refused(tmp_path: Path):
    path = write_faces(tmp_path)
    arrays = face_arrays()
    arrays["landmarks"][1, 36] = arrays["landmarks"][1, 45]
    np.savez(path, **arrays)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"b\.png.*normalizer"):
        people.read_landmarks(tmp_path)


def test_an_array_file_that_is_no_archive_is_refused(tmp_path: Path):
    path = write_faces(tmp_path)
    with path.open("wb") as stream:
        np.save(stream, np.zeros(3))
    with pytest.raises(InputError, match=r"no \.npz of plain arrays"):
        people.read_landmarks(tmp_path)


def test_a_person_without_joints_or_torso_is_refused(tmp_path: Path):
    path = write_lspet(tmp_path)
    arrays = lspet_arrays()
    np.savez(path, **(arrays | {"visible": np.zeros((2, 14), bool)}))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="at least one present point"):
        people.read_lspet(tmp_path)
    np.savez(path, **(arrays | {"torso": np.full(2, np.nan, np.float32)}))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="normalizer"):
        people.read_lspet(tmp_path)


def test_the_real_pf_willow_has_its_official_pairs():
    found = scenes.read_pairs(genuine("pf_willow"))
    subsets = {pair.subset for pair in found.pairs}
    assert (len(found.records), len(found.pairs), len(subsets)) == (70, 900, 10)
    assert len({record.source_id for record in found.records}) == 70
    for record in found.records:
        assert record.visible.all()
        # The official box is the extent of the points; the folder keeps three decimals.
        np.testing.assert_allclose(np.array(record.box), coords.tight_box(record.points), atol=2e-3)
    for record in found.records[::10]:
        load_image(record)


@pytest.mark.parametrize(("name", "train", "test"), [("lfpw68", 805, 224), ("helen68", 870, 330)])
def test_the_real_faces_have_their_official_splits(name: str, train: int, test: int):
    folder = genuine(name)
    records = people.read_landmarks(folder)
    splits = [face.split for face in records]
    assert (splits.count("train"), splits.count("test")) == (train, test)
    with np.load(folder / "annotations.npz") as stored:
        outer, pupil = stored["iod_outer"], stored["iod_pupil"]
    # The folder's own distances were computed apart from this reader, in float32.
    np.testing.assert_allclose(np.array([face.normalizer_px for face in records], float), outer, rtol=1e-5)
    np.testing.assert_allclose([pupil_distance(face.points) for face in records], pupil, rtol=1e-5)
    # "Left" is the viewer's in nearly every image (a face may be turned far, not upside down).
    left_first = [face.points[0, 0] < face.points[16, 0] for face in records]
    assert np.mean(left_first) > 0.99
    for face in records[::200]:
        load_image(face)


def test_the_real_people_have_their_joints():
    found = people.read_lspet(genuine("lspet"))
    splits = [person.split for person in found]
    assert (splits.count("train"), splits.count("test")) == (4000, 800)
    assert min(person.visible.sum() for person in found) >= 13
    for person in found[::800]:
        load_image(person)


def test_detector_boxes_differ_from_the_landmarks_of_some_test_faces():
    tested = [face for face in people.read_landmarks(genuine("lfpw68")) if face.split == "test"]
    differences = [np.abs(np.subtract(face.other_boxes["detector"], face.box)).max() for face in tested]
    assert 0.3 < np.mean(np.array(differences) > 1) < 0.5
    assert np.quantile(differences, 0.95) < 0.2 * np.median([face.box.longer_side for face in tested])
