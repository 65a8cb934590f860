"""The reader of FLIC, on a tiny release written here and on the genuine files where present."""

import contextlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from convcorr_jax.datasets import DATASETS, Absent, Record
from convcorr_jax.datasets.official import flic
from convcorr_jax.errors import InputError
from tests.builders.flic_tree import FACING, HEIGHT, LOOKUP, OTHER_SIDE, WIDTH, example, write_release
from tests.builders.fuzzing import FUZZ, damaged
from tests.builders.genuine import genuine
from tests.builders.mat_files import structs, write_mat


def read_records(source: Path) -> list[Record]:
    found = list(flic.read(source))
    assert not [each for each in found if isinstance(each, Absent)]
    return [each for each in found if isinstance(each, Record)]


def test_a_release_is_read_back(tmp_path: Path):
    write_release(
        tmp_path / "FLIC",
        example("film-one-0001.jpg"),
        example("film-one-0001.jpg", train=0, test=1, behind=True),
        example("film-two-0002.jpg", train=0),
    )
    first, second, third = read_records(tmp_path)
    assert first.image == tmp_path / "FLIC" / "images" / "film-one-0001.jpg"
    assert (first.source_id, second.source_id) == ("film-one-0001.jpg#0", "film-one-0001.jpg#1")
    assert (first.split, second.split, third.split) == ("train", "test", "unused")
    assert first.size == (HEIGHT, WIDTH)
    assert first.names == tuple(LOOKUP)
    # The first pixel is 1 in the file and 0 here.
    expected = np.array(list(FACING.values()), float) - 1
    np.testing.assert_array_equal(first.points, expected)
    assert first.other_boxes == {"torso": (9.5, 7.0, 21.25, 26.0)}
    # From (20, 9) to (12, 25).
    assert first.normalizer_px == pytest.approx(np.hypot(8, 16))
    assert (first.attributes, second.attributes) == ({"seen_from_behind": 0.0}, {"seen_from_behind": 1.0})
    assert second.points[flic.NAMES.index("r_wrist")].tolist() == [21, 17]
    np.testing.assert_array_equal(flic.observer_centric(first.points), expected)
    np.testing.assert_array_equal(flic.observer_centric(second.points), expected)
    assert DATASETS["flic"].is_release(tmp_path)


def test_sides_exchange_by_pairs():
    for left, right in flic.LEFT_RIGHT_PAIRS:
        assert OTHER_SIDE[flic.NAMES[left]] == flic.NAMES[right]


def test_one_crossed_or_absent_joint_is_no_back_view():
    points = np.array(list(FACING.values()), float)
    behind = points[[list(FACING).index(OTHER_SIDE[name]) for name in FACING]]
    assert flic.seen_from_behind(np.stack([points, behind])).tolist() == [False, True]
    for change in ([30.0, 18.0], [np.nan, np.nan]):
        changed = behind.copy()
        changed[flic.NAMES.index("l_wrist")] = change
        np.testing.assert_array_equal(flic.observer_centric(changed), changed)


def test_people_without_their_frame_are_named(tmp_path: Path):
    examples = [example(name) for name in ("a.jpg", "b.jpg", "c.jpg")]
    write_release(tmp_path, *examples)
    (tmp_path / "images" / "a.jpg").unlink()
    PillowImage.new("RGB", (WIDTH, 20)).save(tmp_path / "images" / "b.jpg")
    absent_a, absent_b, present = flic.read(tmp_path)
    assert isinstance(absent_a, Absent)
    assert absent_a.source_id == "a.jpg#0"
    assert "does not exist" in absent_a.reason
    assert isinstance(absent_b, Absent)
    assert absent_b.reason == "the frame is (20, 40) and was annotated at (32, 40)"
    assert isinstance(present, Record)


@pytest.mark.parametrize("name", ["/etc/hostname", "../examples.mat"])
def test_no_frame_is_sought_outside_the_folder(tmp_path: Path, name: str):
    write_release(tmp_path, example("a.jpg"))
    write_mat(tmp_path / "examples.mat", {"examples": structs(example("a.jpg") | {"filepath": name})})
    (absent,) = flic.read(tmp_path)
    assert isinstance(absent, Absent)
    assert "must be a path inside the folder" in absent.reason


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"coords": np.zeros((2, 11))}, r"examples\(1\)\.coords is \(2, 11\); \(2, 29\) is expected"),
        ({"torsobox": "wide"}, r"examples\(1\)\.torsobox is the text 'wide'; numbers are expected"),
        ({"imgdims": np.array([[np.nan, 720, 3]])}, "imgdims must be positive"),
        ({"coords": np.full((2, 29), np.inf)}, r"examples\(1\)\.coords is larger than any image"),
        ({"filepath": 3.0}, r"examples\(1\)\.filepath is 3\.0; text is expected"),
        ({"istrain": "yes"}, "one finite number is expected"),
    ],
)
def test_examples_of_another_layout_are_refused(tmp_path: Path, change: dict, sentence: str):
    path = write_mat(tmp_path / "examples.mat", {"examples": structs(example("a.jpg") | change)})
    with pytest.raises(InputError, match=sentence):
        flic.read_examples(path)


def test_a_tree_that_is_not_flic_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"examples\.mat does not exist"):
        flic.read(tmp_path)
    write_mat(tmp_path / "examples.mat", {"joints": 1.0})
    with pytest.raises(InputError, match="has no 'examples'; it has joints"):
        flic.read(tmp_path)


@FUZZ
@given(data=st.data())
def test_damaged_examples_give_records_or_the_projects_error(tmp_path: Path, data: st.DataObject):
    path = write_mat(tmp_path / "examples.mat", {"examples": structs(example("a.jpg"))}, compressed=False)
    path.write_bytes(damaged(data, path.read_bytes()))
    with contextlib.suppress(InputError):
        list(flic.read(tmp_path))


@pytest.fixture(scope="module", name="genuine_examples")
def read_genuine_examples() -> flic.Examples:
    return flic.read_examples(genuine("pose_annotations/flic_examples.mat"))


def test_the_genuine_examples_have_their_official_counts(genuine_examples: flic.Examples):
    examples = genuine_examples
    assert Counter(examples.splits) == {"train": 3987, "test": 1016}
    assert not np.isnan(examples.points).any()
    assert np.unique(examples.sizes, axis=0).tolist() == [[480, 720]]
    behind = flic.seen_from_behind(examples.points)
    with np.load(genuine("pose_annotations/flic.npz")) as tidy:
        np.testing.assert_array_equal(behind, tidy["backward"])
        np.testing.assert_allclose(examples.points + 1, tidy["joints_pc"], atol=1e-4)
    # Others' observer-centric labels of the test set: nose, shoulders' middle, right, left.
    stored = scipy.io.loadmat(genuine("pose_annotations/flic_joints_test_oc_10.mat"))["joints"]
    test = examples.points[np.array(examples.splits) == "test"]
    order = ["nose", "r_shoulder", "r_elbow", "r_wrist", "r_hip"]
    order += ["l_shoulder", "l_elbow", "l_wrist", "l_hip"]
    ours = flic.observer_centric(test)[:, [flic.NAMES.index(name) for name in order]]
    np.testing.assert_allclose(ours + 1, np.delete(stored, 1, axis=1).transpose(2, 1, 0), atol=1e-4)


def test_the_genuine_frames_get_the_joints_noted_with_them(genuine_examples: flic.Examples):
    noted = json.loads(genuine("pose_samples/flic/annotations.json").read_text())
    examples = genuine_examples
    for person in noted["examples"]:
        index = examples.frames.index(person["filepath"])
        assert index == person["example_index"]
        order = [flic.NAMES.index(name) for name in noted["joint_names"]]
        np.testing.assert_allclose(examples.points[index][order] + 1, person["joints_pc"], atol=1e-4)
