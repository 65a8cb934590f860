"""The truths of pose metrics: of tiny files written here, and of the genuine ones where present."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from convcorr_jax.datasets.official import flic
from convcorr_jax.datasets.poses import ORDERS, ground_truth
from convcorr_jax.errors import InputError
from tests.builders import releases
from tests.builders.flic_tree import LOOKUP, example
from tests.builders.mat_files import structs, write_mat
from tests.builders.mpii_flat import write_h5

FLIC_ORDER = ORDERS["flic"]


def write_detections(path: Path, points: np.ndarray, boxes: np.ndarray) -> Path:
    """``detections.mat`` with the given joints, 1-based, NaN where absent."""
    people = []
    for person, box in zip(points, boxes, strict=True):
        joints = [
            releases.mpii_joint(number, float(x), float(y), 1.0)
            for number, (x, y) in enumerate(person)
            if not np.isnan(x)
        ]
        edges = dict(zip(("x1", "y1", "x2", "y2"), map(float, box), strict=True))
        people.append({"annorect": structs({**edges, "annopoints": structs({"point": structs(*joints)})})})
    return write_mat(path, {"annolist": structs(*people)})


@pytest.fixture
def mpii(rng):
    points = rng.integers(5, 300, (3, 16, 2)).astype(float)
    points[1, 4] = np.nan
    boxes = np.array([[10, 10, 40, 50], [1, 2, 4, 6], [100, 90, 130, 130]], float)
    return points, np.isnan(points[..., 0]), boxes


def test_mpii_is_the_same_in_its_three_forms(tmp_path: Path, mpii):
    points, missing, boxes = mpii
    sizes = np.array([30.0, 3.0, 30.0])
    detections = write_detections(tmp_path / "detections.mat", points, boxes)
    flat = write_mat(tmp_path / "gt_valid.mat", gt_valid(np.nan_to_num(points), missing, boxes))
    write_h5(tmp_path / "valid.h5", count=3, part=np.nan_to_num(points), normalize=sizes)
    for path in (detections, flat, tmp_path / "valid.h5"):
        truth = ground_truth.read_mpii(path)
        np.testing.assert_array_equal(truth.points, points - 1)
        np.testing.assert_allclose(truth.normalizer, sizes)
        assert truth.joints == ORDERS["mpii"]
        assert (truth.tested.all(), truth.first_pixel) == (True, 1)


def gt_valid(points: np.ndarray, missing: np.ndarray, boxes: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "pos_gt_src": points.transpose(1, 2, 0),
        "jnt_missing": missing.T.astype(float),
        "headboxes_src": boxes.reshape(-1, 2, 2).transpose(1, 2, 0),
    }


def test_what_is_missing_need_not_be_a_number(tmp_path: Path, mpii):
    points, missing, boxes = mpii
    truth = ground_truth.read_mpii(write_mat(tmp_path / "gt_valid.mat", gt_valid(points, missing, boxes)))
    np.testing.assert_array_equal(truth.points, points - 1)
    # A person without a head has no size.
    rect = structs({"annopoints": np.zeros((0, 0)), "x1": 3.0})
    truth = ground_truth.read_mpii(write_mat(tmp_path / "b.mat", {"annolist": structs({"annorect": rect})}))
    assert np.isnan(truth.normalizer).all()
    assert np.isnan(truth.points).all()


def test_other_files_are_called_by_their_names(tmp_path: Path, mpii):
    points, missing, boxes = mpii
    unsaid = gt_valid(points, np.zeros_like(missing), boxes)
    for variables, read_truth, sentence in (
        (unsaid, ground_truth.read_mpii, r"pos_gt_src has no finite position of joint 5 of person 2"),
        (
            gt_valid(points, missing[:2], boxes),
            ground_truth.read_mpii,
            r"jnt_missing is \(16, 2\); \(16, 3\) is expected, as in pos_gt_src",
        ),
        (
            gt_valid(points, missing, boxes[:2]),
            ground_truth.read_mpii,
            r"headboxes_src is \(2, 2, 2\); \(2, 2, 3\) is expected",
        ),
        ({"RELEASE": 1.0}, ground_truth.read_mpii, "has neither annolist"),
        ({"joints": np.ones((2, 9, 3))}, ground_truth.read_flic, r"joints is \(2, 9, 3\); \(2, 10, 'people'\)"),
    ):
        with pytest.raises(InputError, match=sentence):
            read_truth(write_mat(tmp_path / "a.mat", variables))
    np.savez(tmp_path / "joints.npz", joints=np.zeros((3, 16, 2)))
    with pytest.raises(InputError, match="lack the boxes of heads"):
        ground_truth.read_mpii(tmp_path / "joints.npz")
    with h5py.File(tmp_path / "valid.h5", "w") as stored:
        stored["part"] = np.zeros((3, 16, 2))
    for read_truth in (ground_truth.read_flic, ground_truth.read_lsp):
        with pytest.raises(InputError, match=r"valid\.h5 is an HDF5 file.*joints\.mat"):
            read_truth(tmp_path / "valid.h5")
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as stored:
        stored["joints"] = np.zeros((3, 14, 2))
    with (tmp_path / "a.mat").open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file")
    with pytest.raises(InputError, match=r"a\.mat is a MATLAB 7\.3 file"):
        ground_truth.read_lsp(tmp_path / "a.mat")


def people_of_flic(rng, count: int) -> np.ndarray:
    """Joints in the release's order, 1-based; every other person is seen from behind."""
    points = rng.uniform(100, 200, (count, len(FLIC_ORDER), 2))
    left = [name.startswith("l_") for name in FLIC_ORDER]
    points[::2, left, 0] += 200
    points[1::2, left, 0] -= 100
    return points


def write_examples(path: Path, points: np.ndarray, tested: np.ndarray) -> Path:
    people = []
    for person, is_tested in zip(points, tested, strict=True):
        joints = np.full((2, 29), np.nan)
        joints[:, [column - 1 for column in LOOKUP.values()]] = person.T
        people.append(example("a.jpg", train=int(not is_tested), test=int(is_tested)) | {"coords": joints})
    return write_mat(path, {"examples": structs(*people)})


def test_flic_is_the_same_in_its_three_forms(tmp_path: Path, rng):
    points = people_of_flic(rng, 6)
    tested = np.array([True, True, False, True, True, False])
    examples = write_examples(tmp_path / "examples.mat", points, tested)
    np.savez(tmp_path / "flic.npz", joints_pc=points, istest=tested)
    observed = flic.observer_centric(points)
    place = {name: observed[:, index] for index, name in enumerate(FLIC_ORDER)}
    place["neck"] = (place["l_shoulder"] + place["r_shoulder"]) / 2
    ten = np.stack([place[name] for name in ORDERS["flic-10"]])[:, tested]
    chosen = write_mat(tmp_path / "joints.mat", {"joints": ten.transpose(2, 0, 1)})
    for path in (examples, tmp_path / "flic.npz", chosen):
        truth = ground_truth.read_flic(path)
        assert truth.sides == "observer-centric"
        mine = truth.points[truth.tested]
        for index, name in enumerate(truth.joints):
            np.testing.assert_allclose(mine[:, index], place[name][tested] - 1)
        torso = np.hypot(*(place["l_shoulder"] - place["r_hip"])[tested].T)
        np.testing.assert_allclose(truth.normalizer[truth.tested], torso)


def test_flic_keeps_the_persons_own_sides_when_asked_to(tmp_path: Path, rng):
    points = people_of_flic(rng, 4)
    path = write_examples(tmp_path / "examples.mat", points, np.ones(4, bool))
    truth = ground_truth.read_flic(path, sides="person")
    np.testing.assert_array_equal(truth.points[:, :11], points - 1)
    assert truth.sides == "person-centric"
    ten = write_mat(tmp_path / "joints.mat", {"joints": np.ones((2, 10, 3))})
    with pytest.raises(InputError, match="is observer-centric; it does not state"):
        ground_truth.read_flic(ten, sides="person")


def test_lsp_is_tested_on_its_second_thousand_and_lspet_on_what_is_annotated(tmp_path: Path, rng):
    joints = rng.uniform(1, 180, (3, 14, 1004))
    joints[2] = 0
    truth = ground_truth.read_lsp(write_mat(tmp_path / "joints.mat", {"joints": joints}))
    np.testing.assert_array_equal(np.flatnonzero(truth.tested), np.arange(1000, 1004))
    np.testing.assert_array_equal(truth.points, joints[:2].transpose(2, 1, 0))
    np.testing.assert_allclose(truth.normalizer, np.hypot(*(joints[:2, 9] - joints[:2, 2])))
    assert (truth.first_pixel, truth.order) == (0, "lsp")
    # In its original size it counts from one.
    joints = rng.uniform(300, 900, (3, 14, 4))
    joints[2] = 1
    truth = ground_truth.read_lsp(write_mat(tmp_path / "joints.mat", {"joints": joints}))
    assert (truth.first_pixel, truth.tested.all()) == (1, True)
    np.testing.assert_array_equal(truth.points, joints[:2].transpose(2, 1, 0) - 1)
    # LSPET has its axes in another order, and flags what is there.
    extended = joints.transpose(1, 0, 2).copy()
    extended[8:10, 2, 1] = 0
    truth = ground_truth.read_lsp(write_mat(tmp_path / "joints.mat", {"joints": extended}))
    assert np.isnan(truth.points[1, 8:10]).all()
    assert np.isnan(truth.normalizer).tolist() == [False, True, False, False]
    assert truth.first_pixel == 0


@pytest.mark.parametrize("key", ["joints", "ptsAll"])
def test_parse_is_tested_after_its_first_hundred(tmp_path: Path, rng, key):
    points = rng.uniform(1, 200, (103, 14, 2))
    axes = (2, 1, 0) if key == "joints" else (1, 2, 0)
    truth = ground_truth.read_lsp(write_mat(tmp_path / "a.mat", {key: points.transpose(axes)}))
    np.testing.assert_array_equal(truth.points, points - 1)
    assert (truth.tested.sum(), truth.joints[0], truth.joints[9]) == (3, "l_ankle", "r_shoulder")
    np.testing.assert_allclose(truth.normalizer, np.hypot(*(points[:, 9] - points[:, 2]).T))
