"""Layouts of published predictions, all written from the same people."""

from itertools import permutations
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from convcorr_jax.datasets.poses import ORDERS, Interpretation, Order, read_predictions
from convcorr_jax.datasets.poses.joint_orders import joint_name
from convcorr_jax.errors import InputError
from convcorr_jax.pose import FLIC_JOINTS
from tests.builders.mat_files import cells, write_mat

PEOPLE = 25


@pytest.fixture
def points(rng):
    return rng.uniform(1, 400, (PEOPLE, 16, 2))


def read(path: Path, own_order: Order = "mpii", people=(PEOPLE,), **options):
    interpretation = Interpretation(**options)
    return read_predictions(path, people=people, own_order=own_order, interpretation=interpretation)


def saved(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("axes", list(permutations(range(3))))
@pytest.mark.parametrize("values", [2, 3])
def test_axes_are_told_by_their_sizes(tmp_path: Path, points, axes, values):
    confident = np.concatenate([points, np.ones((PEOPLE, 16, 1))], axis=-1)[..., :values]
    found = read(saved(tmp_path / "a.npz", preds=confident.transpose(axes)))
    np.testing.assert_array_equal(found.points, points)
    assert found.joints == ORDERS["mpii"]


@pytest.mark.parametrize(
    "key", ["preds", "predAll", "my_pred", "output", "results", "est", "detections", "keypointsAll"]
)
@pytest.mark.parametrize("truth", ["gt", "joints", "keypoints", "points", "pred_gt"])
def test_only_a_name_that_says_prediction_goes_before_others(tmp_path: Path, points, key, truth):
    both = saved(tmp_path / "a.npz", **{truth: points + 1, key: points, "short": points[:3]})
    np.testing.assert_array_equal(read(both).points, points)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32])
def test_any_name_will_do_where_one_array_fits(tmp_path: Path, points, dtype):
    points = points.astype(dtype)
    for arrays in (
        *({key: points} for key in ("pred", "predictions", "joints", "mine")),
        {"joints": points[:7], "mine": points},
    ):
        path = saved(tmp_path / "a.npz", **arrays)
        for people in ([PEOPLE], {9, PEOPLE}):
            found = read(path, people=people).points
            assert found.dtype == np.float64
            np.testing.assert_array_equal(found, points)
    # The array can be stated.
    both = saved(tmp_path / "a.npz", gt=points + 1, preds=points, short=points[:3])
    np.testing.assert_array_equal(read(both, key="gt").points, points + 1)
    with pytest.raises(InputError, match=r"no array of joints 'mine'; it has gt, preds, short"):
        read(both, key="mine")


@pytest.mark.parametrize("names", [("joints", "mine"), ("joints", "keypoints"), ("pred", "preds")])
def test_two_arrays_that_are_as_likely_are_refused(tmp_path: Path, points, names):
    sentence = rf"several arrays.*{names[0]}, {names[1]}; state which with --key"
    with pytest.raises(InputError, match=sentence):
        read(saved(tmp_path / "a.npz", **dict.fromkeys(names, points)))


def test_predictions_that_cannot_be_used_are_not_replaced_by_another_array(tmp_path: Path, points):
    short = saved(tmp_path / "a.npz", preds=points[:7], joints=points)
    pickled = saved(tmp_path / "b.npz", preds=np.array([{}], object), joints=points)
    for path in (short, pickled):
        with pytest.raises(InputError, match=r"preds should be .* joints may be the truth; state"):
            read(path)
        np.testing.assert_array_equal(read(path, key="joints").points, points)
    with pytest.raises(InputError, match=r"no array of joints 'preds'.*preds is skipped: preds\.npy"):
        read(pickled, key="preds")
    neither = saved(tmp_path / "c.npz", preds=np.array([{}], object), joints=points[:7])
    with pytest.raises(InputError, match=r"joints .* is of 7 people.*preds is skipped: preds\.npy has pickled"):
        read(neither)


def test_what_is_skipped_and_flat_rows_are_reported(tmp_path: Path, points):
    found = read(saved(tmp_path / "a.npz", preds=points, joint_names=np.array([{}], object)))
    np.testing.assert_array_equal(found.points, points)
    (note,) = found.notes
    assert "joint_names is skipped: joint_names.npy has pickled objects" in note
    assert not read(saved(tmp_path / "a.npz", preds=points, names=["a", "b"])).notes
    found = read(saved(tmp_path / "a.npz", preds=points.reshape(PEOPLE, 32)))
    np.testing.assert_array_equal(found.points, points)
    assert "flat rows are taken for x1, y1, x2, y2" in found.notes[0]
    fourteen = saved(tmp_path / "b.npz", preds=points[:, :14].reshape(PEOPLE, 28))
    assert read(fourteen, order="lsp").points.shape == (PEOPLE, 14, 2)
    with pytest.raises(InputError, match="no array of joints"):
        read(fourteen)


def test_names_in_the_file_are_used(tmp_path: Path, points):
    names = ("lwri", "Right Knee", "neck", "head")
    table = {"output_joints": cells(*names), "keypointsAll": cells(*points[:, :4])}
    found = read(write_mat(tmp_path / "a.mat", table))
    assert found.joints == ("l_wrist", "r_knee", "neck", "head_top")
    np.testing.assert_array_equal(found.points, points[:, :4])
    assert found.source == "keypointsAll, joints as the file names them"
    ordered = read(saved(tmp_path / "a.npz", preds=points[:, :14], names=names), order="lsp")
    assert ordered.joints == ORDERS["lsp"]


TURNED = ORDERS["mpii"][::-1]


@pytest.mark.parametrize(
    ("lists", "note_count"),
    [
        ((TURNED, TURNED), 0),
        ((TURNED, [name.upper() for name in TURNED]), 0),
        ((TURNED, ("l_wrist", "r_wrist")), 0),
        ((TURNED, (*TURNED, "cat")), 0),
        (((*TURNED, "background"),), 0),
        ((["root" if name == "pelvis" else name for name in TURNED],), 1),
        ((["chest" if name == "thorax" else name for name in TURNED],), 1),
        ((["head_bottom" if name == "neck" else name for name in TURNED],), 0),
        (([f"{name[2:]}_left" if name[:2] == "l_" else name for name in TURNED],), 0),
    ],
)
def test_the_names_of_as_many_joints_are_used(tmp_path: Path, points, lists, note_count):
    named = {f"names{place}": np.array(words) for place, words in enumerate(lists)}
    found = read(saved(tmp_path / "a.npz", preds=points, **named))
    assert set(ORDERS["mpii"]) - set(found.joints) <= {"pelvis", "thorax"}
    for place, joint in enumerate(found.joints):
        np.testing.assert_array_equal(found.points[:, place], points[:, TURNED.index(joint)])
    assert (len(found.notes), len(found.joints)) == (note_count, 16 - note_count)
    assert all("is no known joint" in note for note in found.notes)


def test_a_background_is_left_out_and_names_that_do_not_fit_are_not_used(tmp_path: Path, points):
    wide = np.concatenate([points, points[:, :1]], axis=1)
    found = read(saved(tmp_path / "a.npz", preds=wide, names=(*TURNED, "background")))
    assert found.joints == TURNED
    np.testing.assert_array_equal(found.points, points)
    found = read(saved(tmp_path / "a.npz", preds=points, names=("l_wrist", "r_wrist")))
    assert found.joints == ORDERS["mpii"]
    assert "no list of joints' names in the file is as long" in found.notes[0]


def test_names_that_contradict_are_refused(tmp_path: Path, points):
    two = saved(tmp_path / "a.npz", preds=points, names=TURNED, others=ORDERS["mpii"])
    with pytest.raises(InputError, match=r"2 lists of the file name its joints.*--order"):
        read(two)
    twice = saved(tmp_path / "b.npz", preds=points, names=("l_elbow", *TURNED[1:]))
    with pytest.raises(InputError, match=r"labels name l_elbow twice; state.*--order"):
        read(twice)
    for path in (two, twice):
        assert read(path, order="mpii").joints == ORDERS["mpii"]


def test_the_order_of_the_ground_truth_comes_first_and_others_are_named(tmp_path: Path, points):
    fourteen = saved(tmp_path / "a.npz", preds=points[:, :14])
    for order in ("lsp", "parse"):
        assert read(fourteen, order).joints == ORDERS[order]
    with pytest.raises(InputError, match="14 joints come in several orders; state --order mpii-14"):
        read(fourteen)
    assert read(fourteen, order="mpii-14").joints == ORDERS["mpii-14"]
    eleven = saved(tmp_path / "b.npz", preds=points[:, :11])
    found = read(eleven, "flic")
    assert (found.joints, found.source) == (ORDERS["flic"], "preds, joints in the order flic")
    assert "order flic; as many are in flic-11-face-first, and --order" in found.notes[0]
    assert not read(eleven, "flic", order="flic").notes
    assert not read(saved(tmp_path / "c.npz", preds=points)).notes


def test_orders_of_flic_are_recognized(tmp_path: Path, points):
    # Convolutional pose machines.
    nine = points[:, :9].transpose(1, 2, 0)
    assert read(write_mat(tmp_path / "a.mat", {"prediction_all": nine}), "flic").joints == ORDERS["flic-9"]
    with pytest.raises(InputError, match=r"--order flic-9 or --order flic-9-nose-first"):
        read(write_mat(tmp_path / "b.mat", {"preds": nine}), "flic")
    # The only order of its length.
    for count, order in ((10, "flic-10"), (7, "flic-7")):
        path = write_mat(tmp_path / "a.mat", {"pred": points[:, :count].transpose(2, 1, 0)})
        assert read(path, "flic").joints == ORDERS[order]


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ((24, 16, 2), r"preds \(24, 16, 2\) is of 24 people; the ground truth is of 25"),
        ((PEOPLE, 17, 2), r"is of 17 joints; 6 or 7 or 9 or 10 or 11 or 14 or 16 are expected"),
        ((17, 2, PEOPLE), r"is of 17 joints"),
        ((24, 17, 2), r"is not of people x joints x 2, in any order of axes, with 25 people"),
    ],
)
def test_what_does_not_fit_is_said(tmp_path: Path, shape, sentence):
    with pytest.raises(InputError, match=sentence):
        read(saved(tmp_path / "a.npz", preds=np.zeros(shape)))


def test_sixteen_people_may_be_joints(tmp_path: Path, rng):
    points = rng.uniform(1, 400, (16, 16, 2))
    path = saved(tmp_path / "a.npz", preds=points)
    with pytest.raises(InputError, match=r"2 ways; state which with --axes"):
        read(path, people=[16])
    for axes, expected in (("people-joints-xy", points), ("joints-people-xy", points.transpose(1, 0, 2))):
        np.testing.assert_array_equal(read(path, people=[16], axes=axes).points, expected)
    with pytest.raises(InputError, match=r"preds \(16, 16, 2\)"):
        read(path, people=[16], axes="xy-joints-people")


def test_every_order_has_its_name_and_its_length():
    assert tuple(ORDERS) == get_args(Order)
    for order, names in ORDERS.items():
        _, _, count = order.partition("-")
        assert len(set(names)) == len(names)
        if count:
            assert len(names) == int(count.split("-")[0])
        assert [joint_name(name) for name in names] == list(names)
    # This library's model.
    assert ORDERS["flic-7"] == FLIC_JOINTS


def test_joints_are_known_as_people_write_them():
    names = {
        **{"head_bottom": "neck", "upper neck": "neck", "hbot": "neck", "Head": "head_top"},
        **{"top_of_head": "head_top", "thrx": "thorax", "shoulder_left": "l_shoulder"},
        **{"shoulderL": "l_shoulder", "ElbowRight": "r_elbow", "LHip": "l_hip"},
        **{"rank": "r_ankle", "lwr": "l_wrist"},
    }
    assert {label: joint_name(label) for label in names} == names
    for label in ("shoulder", "elbow", "head_center", "left_eyebrow", "root", "", "background"):
        assert joint_name(label) is None
