"""The readers of compact folders, on tiny folders written here and on the real ones where present."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.coords import Size
from convcorr_jax.datasets import IGNORED_LABEL, Pair, load_image, load_label_map
from convcorr_jax.datasets.compact import people, scenes
from convcorr_jax.datasets.official.ibug import MARKUP
from convcorr_jax.errors import InputError
from tests.builders.compact_folders import (
    CAMVID_MASK,
    CAMVID_META,
    HEIGHT,
    WIDTH,
    attribute_arrays,
    face_arrays,
    jpeg,
    lspet_arrays,
    pf_willow_annotations,
    write_attributes,
    write_camvid,
    write_faces,
    write_imagenet_archive,
    write_imagenet_sample,
    write_lspet,
    write_pf_willow,
)
from tests.builders.genuine import genuine

Arrays = dict[str, np.ndarray]
FILES: dict[str, tuple[Callable[[Path], Path], Callable[[Path], Any]]] = {
    "willow": (write_pf_willow, scenes.read_pairs),
    "faces": (write_faces, people.read_landmarks),
    "lspet": (write_lspet, people.read_lspet),
    "attributes": (write_attributes, people.read_attributes),
    "camvid": (write_camvid, lambda folder: list(scenes.read_camvid(folder))),
}
"""What writes a folder and returns its file of annotations, and what reads it."""


def test_pf_willow_reads_back_what_was_written(tmp_path: Path):
    write_pf_willow(tmp_path)
    records, pairs = (found := scenes.read_pairs(tmp_path)).records, found.pairs
    # Pairs name images by id; here ids are not positions.
    assert pairs == (Pair("winebottle(M)", 1, 0), Pair("winebottle(M)", 0, 1))
    assert [record.source_id for record in records] == ["winebottle(M)/7.png", "winebottle(M)/3.png"]
    first = records[0]
    assert (first.category, first.split, first.size) == ("winebottle", "test", (HEIGHT, WIDTH))
    np.testing.assert_array_equal(first.points, [[10.5, 1], [11.5, 1], [7, 30]])
    assert (first.visible.tolist(), first.left_right_pairs) == ([True, False, True], ((0, 1),))
    assert (first.box, first.normalizer_px) == ((10.5, 1, 11.5, 30), 29)
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


def test_people_read_back_what_was_written(tmp_path: Path):
    write_lspet(tmp_path)
    first, second = people.read_lspet(tmp_path)
    np.testing.assert_array_equal(first.points, lspet_arrays()["joints"][0])
    assert np.isnan(second.points[4]).all()
    assert not second.visible[4]
    assert second.visible.sum() == 13
    assert (first.normalizer_px, first.size) == (12.5, (HEIGHT, WIDTH))
    mirrored = coords.flip_points(first.points, width=WIDTH, left_right_pairs=first.left_right_pairs)
    left, right = (people.NAMES.index(name) for name in ("l_wrist", "r_wrist"))
    np.testing.assert_allclose(mirrored[left], [WIDTH - 1 - first.points[right, 0], first.points[right, 1]])


@pytest.mark.parametrize("layout", FILES)
def test_missing_pieces_are_refused_by_name(layout: str, tmp_path: Path):
    write, read = FILES[layout]
    with pytest.raises(InputError, match=r"(annotations\.\w+|meta\.json) does not exist"):
        read(tmp_path)
    path = write(tmp_path)
    victim = sorted(tmp_path.rglob("*.png"))[0]
    victim.unlink()
    with pytest.raises(InputError, match=f"{victim.name} does not exist"):
        read(tmp_path)
    for content, sentence in ((b"", "is empty"), (b"[1", "(is damaged|is no)")):
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"{path.name} {sentence}"):
            read(tmp_path)


def in_images(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda annotations: annotations["images"][0].update(changes)


@pytest.mark.parametrize(
    "change",
    [
        lambda annotations: annotations.pop("pairs"),
        lambda annotations: annotations["keypoint_names_inferred"].clear(),
        lambda annotations: annotations["pairs"].append(["winebottle(M)", 3, 8]),
        lambda annotations: annotations.update(images=3),
        in_images(id=3),
        in_images(file="/etc/passwd"),
        in_images(file="../annotations.json"),
        in_images(keypoints=[[float("inf"), 0.0], [11.5, 1.0], [7.0, 30.0]]),
        in_images(keypoints=[[1.0], [11.5, 1.0], [7.0, 30.0]]),
        in_images(width="wide"),
        in_images(bbox=[5, 5, 5, 9]),
    ],
)
def test_pf_willow_of_another_layout_is_refused(change: Callable[[dict[str, Any]], object], tmp_path: Path):
    path = write_pf_willow(tmp_path)
    annotations = pf_willow_annotations()
    change(annotations)
    path.write_text(json.dumps(annotations))
    with pytest.raises(InputError, match=r"annotations\.json"):
        scenes.read_pairs(tmp_path)


def without_an_eye() -> Arrays:
    """Landmarks of two faces, in the second of which the outer corners of the eyes coincide."""
    landmarks = face_arrays()["landmarks"]
    landmarks[1, 36] = landmarks[1, 45]
    return {"landmarks": landmarks}


ARRAYS = {"faces": face_arrays, "lspet": lspet_arrays, "attributes": attribute_arrays}


@pytest.mark.parametrize(
    ("layout", "change", "sentence"),
    [
        ("faces", {"landmarks": None}, "no array 'landmarks'"),
        ("faces", {"landmarks": np.zeros((2, 51, 2), np.float32)}, "'landmarks' is float32 of shape"),
        ("faces", {"landmarks": np.zeros((2, 68, 2), np.float32)}, "area"),
        ("faces", without_an_eye(), r"b\.png.*normalizer"),
        ("faces", {"split": np.array(["train"])}, "'split'"),
        ("faces", {"crop_size": np.array(["a", "b"])}, "'crop_size'"),
        ("faces", {"files": np.array(["/etc/passwd", "x"])}, "inside the folder"),
        ("faces", {"files": np.array(["../x", "x"])}, "inside the folder"),
        ("faces", {"files": np.array([{"a": 1}, {}], dtype=object)}, "plain arrays"),
        ("lspet", {"visible": np.zeros((2, 14), bool)}, "at least one present point"),
        ("lspet", {"torso": np.full(2, np.nan, np.float32)}, "normalizer"),
        ("attributes", {"files": np.array(["images/a.png", "../b.png"])}, "inside the folder"),
        ("attributes", {"landmarks": attribute_arrays()["landmarks"][:, [0, 0, 2, 3, 4]]}, "must be positive"),
        ("attributes", {"attribute_names": np.array(["gender"])}, "of shape"),
    ],
)
def test_arrays_of_another_layout_are_refused(layout: str, change: dict, sentence: str, tmp_path: Path):
    write, read = FILES[layout]
    changed = {key: value for key, value in (ARRAYS[layout]() | change).items() if value is not None}
    np.savez(write(tmp_path), **changed)
    with pytest.raises(InputError, match=rf"annotations\.npz.*{sentence}"):
        list(read(tmp_path))


def test_the_real_pf_willow_has_its_official_pairs():
    found = scenes.read_pairs(genuine("pf_willow"))
    subsets = {pair.subset for pair in found.pairs}
    assert (len(found.records), len(found.pairs), len(subsets)) == (70, 900, 10)
    assert len({record.source_id for record in found.records}) == 70
    for record in found.records:
        assert record.visible.all()
        # The official box is the extent of the points; the folder keeps three decimals.
        np.testing.assert_allclose(np.array(record.box), coords.tight_box(record.points), atol=2e-3)


@pytest.mark.parametrize("name", ["lfpw68", "helen68"])
def test_the_real_faces_have_their_lengths_and_sides(name: str):
    folder = genuine(name)
    records = people.read_landmarks(folder)
    with np.load(folder / "annotations.npz") as stored:
        outer, pupil = stored["iod_outer"], stored["iod_pupil"]
    # The folder's own distances were computed apart from this reader, in float32.
    np.testing.assert_allclose(np.array([face.normalizer_px for face in records], float), outer, rtol=1e-5)
    # The centre of an eye is the mean of its six landmarks.
    eyes = [list(MARKUP.part_sets[eye]) for eye in ("left_eye", "right_eye")]
    centers = np.array([[face.points[eye].mean(axis=0) for eye in eyes] for face in records])
    np.testing.assert_allclose(np.linalg.norm(centers[:, 0] - centers[:, 1], axis=-1), pupil, rtol=1e-5)
    # "Left" is the viewer's in nearly every image (a face may be turned far, not upside down).
    assert np.mean([face.points[0, 0] < face.points[16, 0] for face in records]) > 0.99
    if name == "lfpw68":
        # Detector boxes differ from the landmarks of some test faces.
        tested = [face for face in records if face.split == "test"]
        differences = [np.abs(np.subtract(face.other_boxes["detector"], face.box)).max() for face in tested]
        assert 0.3 < np.mean(np.array(differences) > 1) < 0.5
        assert np.quantile(differences, 0.95) < 0.2 * np.median([face.box.longer_side for face in tested])


def test_the_real_people_have_their_joints():
    assert min(person.visible.sum() for person in people.read_lspet(genuine("lspet"))) >= 13


def test_faces_come_with_attributes_and_landmarks(tmp_path: Path):
    write_attributes(tmp_path)
    first, second = people.read_attributes(tmp_path)
    assert first.attributes == {"gender": 1, "smile": 2, "glasses": 2, "head_pose": 3}
    assert (first.split, second.split) == ("train", "test")
    assert (first.size, first.normalizer_px) == (Size(32, 32), 20)
    np.testing.assert_array_equal(second.points[0], [6, 8])
    sides = [first.names[k] for pair in first.left_right_pairs for k in pair]
    assert sides == ["left_eye", "right_eye", "left_mouth_corner", "right_mouth_corner"]


def test_the_real_noses_show_the_poses():
    records = list(people.read_attributes(genuine("lfw_attributes")))
    # The nose of a face that looks left lies left of the middle of its eyes.
    offsets = {pose: [] for pose in (2.0, 4.0)}
    for record in records:
        pose = record.attributes["head_pose"]
        if pose in offsets:
            offsets[pose].append(record.points[2, 0] - record.points[:2, 0].mean())
    assert np.median(offsets[2.0]) < 0 < np.median(offsets[4.0])


def test_a_sample_is_read_in_the_order_of_names(tmp_path: Path):
    write_imagenet_sample(tmp_path, "n01443537_goldfish.jpg", "n01440764_tench.jpg")
    assert scenes.is_sample(tmp_path)
    assert not scenes.is_archive(tmp_path)
    records = list(scenes.read_sample(tmp_path))
    assert [record.category for record in records] == ["n01440764", "n01443537"]
    assert [record.size for record in records] == [Size(20, 24)] * 2
    assert load_image(records[0]).shape == (20, 24, 3)
    # Names that state no class.
    write_imagenet_sample(tmp_path, "tench.jpg")
    with pytest.raises(InputError, match=r"tench\.jpg is not named <wnid>_<name>"):
        list(scenes.read_sample(tmp_path))
    for path in (tmp_path / "images").glob("n*"):
        path.unlink()
    assert not scenes.is_sample(tmp_path)


def test_an_archive_is_split_within_its_classes(tmp_path: Path):
    members = [f"n0000000{k}/{image:02}.jpg" for k in (2, 1) for image in range(20)]
    write_imagenet_archive(tmp_path, *reversed(members))
    assert scenes.is_archive(tmp_path)
    records = list(scenes.read_archive(tmp_path))
    assert [record.source_id for record in records] == sorted(members)
    tests = [record.source_id for record in records if record.split == "test"]
    assert tests == [f"n0000000{k}/{image}.jpg" for k in (1, 2) for image in (18, 19)]
    assert load_image(records[3]).shape == (20, 24, 3)


def test_other_archives_are_refused(tmp_path: Path):
    for member, content, sentence in (
        *(
            (name, None, "not named <wnid>/<name>")
            for name in ("../n01440764/a.jpg", "n01440764/../a.jpg", "a.jpg")
        ),
        ("n01440764/a.jpg", b"not an image", r"images\.zip, member n01440764/a\.jpg is not an image"),
    ):
        write_imagenet_archive(tmp_path, member, content=content)
        with pytest.raises(InputError, match=sentence):
            list(scenes.read_archive(tmp_path))
    path = write_imagenet_archive(tmp_path, "n01440764/a.jpg")
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole.replace(jpeg()[40:60], bytes(20))):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"images\.zip is damaged"):
            list(scenes.read_archive(tmp_path))


def test_frames_come_with_their_labels(tmp_path: Path):
    write_camvid(tmp_path)
    records = list(scenes.read_camvid(tmp_path))
    found = [(record.source_id, record.split) for record in records]
    assert found == [("b", "train"), ("a", "train"), ("c", "test")]
    assert (records[0].size, records[0].label_names) == (Size(16, 20), ("sky", "road"))
    expected = np.select([CAMVID_MASK == 0, CAMVID_MASK == 1], [1, 2], IGNORED_LABEL)
    np.testing.assert_array_equal(load_label_map(records[0]), expected)
    shutil.copy(tmp_path / "images/a.jpg", tmp_path / "masks/a.png")
    with pytest.raises(InputError, match="a RGB image"):
        list(scenes.read_camvid(tmp_path))


@pytest.mark.parametrize(
    ("meta", "sentence"),
    [
        ({"splits": {"train": ["../images/a"]}}, "must be a path inside the folder"),
        # Pixels of no class never become background: counted from 1 in 8 bits, the mask's 255 would be 0.
        ({"ignore_index": 2}, "pixels of none of 2 classes"),
        ({"classes": ["sky"]}, "pixels of none of 1 classes"),
        ({"classes": [str(number) for number in range(255)]}, "below 255 are expected"),
    ],
)
def test_other_meta_data_are_refused(meta: dict, sentence: str, tmp_path: Path):
    write_camvid(tmp_path).write_text(json.dumps(CAMVID_META | meta))
    with pytest.raises(InputError, match=sentence):
        list(scenes.read_camvid(tmp_path))
