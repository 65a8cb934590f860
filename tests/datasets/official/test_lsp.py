"""The reader of LSP and LSPET, on tiny releases written here and on the genuine files where present."""

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from convcorr_jax.datasets import Absent, Record
from convcorr_jax.datasets.official import lsp
from convcorr_jax.datasets.official.lsp import NAMES
from convcorr_jax.errors import InputError
from tests.builders.fuzzing import FUZZ, damaged
from tests.builders.genuine import genuine
from tests.builders.mat_files import write_mat

WIDTH, HEIGHT = 60, 48
COUNT = 3


def joints() -> tuple[np.ndarray, np.ndarray]:
    """Points [people, 14, 2], and which of them are flagged."""
    random = np.random.default_rng(0)
    points = random.uniform(1, 40, (COUNT, len(NAMES), 2))
    flags = np.zeros((COUNT, len(NAMES)), bool)
    flags[0, 3] = flags[2, 0] = True
    return points, flags


def write_lsp(folder: Path, *, scale: float = 1.0) -> Path:
    points, flags = joints()
    stored = np.concatenate([points * scale, flags[..., None]], axis=-1)
    write_mat(folder / "joints.mat", {"joints": stored.transpose(2, 1, 0)})
    return write_images(folder, "im{:04}.jpg")


def write_lspet(folder: Path) -> Path:
    points, flags = joints()
    points[flags] = -7.0
    stored = np.concatenate([points, ~flags[..., None]], axis=-1)
    write_mat(folder / "joints.mat", {"joints": stored.transpose(1, 2, 0)})
    return write_images(folder, "im{:05}.jpg")


def write_images(folder: Path, name: str) -> Path:
    (folder / "images").mkdir()
    for number in range(1, COUNT + 1):
        PillowImage.new("RGB", (WIDTH, HEIGHT)).save(folder / "images" / name.format(number))
    return folder


def read_records(source: Path) -> list[Record]:
    return [each for each in lsp.read(source) if isinstance(each, Record)]


def test_lsp_flags_what_is_hidden(tmp_path: Path):
    first, second, third = read_records(write_lsp(tmp_path))
    points, flags = joints()
    np.testing.assert_array_equal(first.points, points[0])
    assert first.visible.tolist() == (~flags[0]).tolist()
    assert second.visible.all()
    assert (first.source_id, third.source_id) == ("im0001.jpg", "im0003.jpg")
    assert first.image == tmp_path / "images" / "im0001.jpg"
    assert first.size == (HEIGHT, WIDTH)
    diagonal = points[0, NAMES.index("l_shoulder")] - points[0, NAMES.index("r_hip")]
    assert first.normalizer_px == pytest.approx(np.linalg.norm(diagonal))


def test_lspet_flags_what_is_there(tmp_path: Path):
    first, _, third = read_records(write_lspet(tmp_path))
    points, flags = joints()
    np.testing.assert_array_equal(first.points, np.where(flags[0, :, None], np.nan, points[0]))
    assert first.visible.tolist() == (~flags[0]).tolist()
    assert (first.source_id, third.source_id) == ("im00001.jpg", "im00003.jpg")
    assert first.split == "train"


def test_joints_of_original_photographs_are_counted_from_one(tmp_path: Path):
    first, *_ = read_records(write_lsp(tmp_path, scale=10.0))
    np.testing.assert_allclose(first.points, 10 * joints()[0][0] - 1)


def test_the_first_thousand_train(tmp_path: Path):
    people = lsp.read_joints(write_mat(tmp_path / "joints.mat", {"joints": np.ones((3, 14, 1002))}))
    assert people.splits[998:] == ("train", "train", "test", "test")
    assert people.images[1000] == "im1001.jpg"


def test_the_other_diagonal_stands_in(tmp_path: Path):
    points = joints()[0][0]
    points[NAMES.index("r_hip")] = np.nan
    expected = points[NAMES.index("r_shoulder")] - points[NAMES.index("l_hip")]
    assert lsp.torso_diagonal(points) == pytest.approx(np.linalg.norm(expected))
    points[NAMES.index("r_shoulder")] = np.nan
    assert lsp.torso_diagonal(points) is None


def test_people_without_their_image_are_named(tmp_path: Path):
    write_lsp(tmp_path)
    (tmp_path / "images" / "im0002.jpg").unlink()
    (tmp_path / "images" / "im0003.jpg").write_bytes(b"no image")
    _, missing, damaged = lsp.read(tmp_path)
    assert isinstance(missing, Absent)
    assert missing.source_id == "im0002.jpg"
    assert "does not exist" in missing.reason
    assert isinstance(damaged, Absent)
    assert "is not an image" in damaged.reason


@pytest.mark.parametrize(
    ("stored", "sentence"),
    [
        (np.zeros((2, 14, 5)), r"joints is \(2, 14, 5\); \(3, 14, n\) of LSP"),
        (np.zeros((3, 14)), r"joints is \(3, 14\)"),
        (np.full((3, 14, 2), 0.5), "a third value of 0 or 1"),
        (np.full((3, 14, 2), np.nan), "must have finite positions"),
        ("joints", "numbers are expected"),
    ],
)
def test_joints_of_another_layout_are_refused(tmp_path: Path, stored: object, sentence: str):
    write_mat(tmp_path / "joints.mat", {"joints": stored})
    with pytest.raises(InputError, match=rf"joints\.mat.*{sentence}"):
        lsp.read(tmp_path)


def test_a_tree_that_is_not_lsp_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"joints\.mat does not exist"):
        lsp.read(tmp_path)


@FUZZ
@given(data=st.data())
def test_damaged_joints_give_records_or_the_projects_error(tmp_path: Path, data: st.DataObject):
    stored = np.ones((14, 3, 1))
    path = write_mat(tmp_path / "joints.mat", {"joints": stored}, compressed=False)
    path.write_bytes(damaged(data, path.read_bytes()))
    with contextlib.suppress(InputError):
        list(lsp.read(tmp_path))


def test_the_genuine_lsp_has_its_joints():
    people = lsp.read_joints(genuine("pose_annotations/lsp_joints_scaled_PC.mat"))
    assert (people.release, len(people.images)) == ("lsp", 2000)
    assert (people.splits.count("train"), people.splits.count("test")) == (1000, 1000)
    assert not np.isnan(people.points).any()
    assert np.sum(~people.visible) == 2044
    noted = json.loads(genuine("pose_samples/lsp/annotations.json").read_text())
    for image, person in noted.items():
        index = people.images.index(image)
        np.testing.assert_allclose(people.points[index], person["joints"])
        assert people.visible[index].tolist() == [flag == 1 for flag in person["visible"]]


def test_the_genuine_sizes_of_lsp_agree():
    """A scaled image is a cut of the original: scale times the distance from a whole pixel."""
    scaled = lsp.read_joints(genuine("pose_annotations/lsp_joints_scaled_PC.mat")).points
    original = lsp.read_joints(genuine("pose_annotations/lsp_joints_originalsize.mat")).points
    middle, middle_scaled = original.mean(axis=1), scaled.mean(axis=1)
    around = original - middle[:, None]
    scale = (around * scaled).sum(axis=1) / (around**2).sum(axis=1)
    corner = middle - middle_scaled / scale
    np.testing.assert_allclose(corner, corner.round(), atol=1e-6)
    # Images that were cut at the left or top edge begin at the first pixel, which is 0 here.
    assert corner.round().min(axis=0).tolist() == [0, 0]
    assert (corner.round() == 0).sum(axis=0).tolist() == [177, 293]


def test_the_genuine_lspet_has_its_joints():
    people = lsp.read_joints(genuine("pose_annotations/lspet_joints.mat"))
    assert (people.release, len(people.images), set(people.splits)) == ("lspet", 10_000, {"train"})
    assert np.sum(people.visible) == 123_213
    np.testing.assert_array_equal(np.isnan(people.points[..., 0]), ~people.visible)
    # The prepared crops were made from the same annotations, in another way.
    with np.load(genuine("lspet/annotations.npz")) as crops:
        index = crops["src_index"] - 1
        visible = crops["visible"]
        np.testing.assert_array_equal(people.visible[index], visible)
        back = crops["joints"] + crops["crop_xy"][:, None]
        np.testing.assert_allclose(people.points[index][visible], back[visible], atol=1e-3)
