"""Layouts of published predictions, all written from the same people."""

from itertools import permutations
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from mat_files import cells, write

from convcorr_jax.datasets import predictions
from convcorr_jax.datasets.joint_orders import ORDERS, Order, joint_name
from convcorr_jax.errors import InputError

PEOPLE = 25


@pytest.fixture
def points(rng):
    return rng.uniform(1, 400, (PEOPLE, 16, 2))


def read(path: Path, own_order: Order = "mpii", people=(PEOPLE,), **options):
    return predictions.read(path, people=people, own_order=own_order, **options)


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


@pytest.mark.parametrize("key", ["pred", "predictions", "joints", "mine"])
def test_any_name_will_do_where_there_is_one_array(tmp_path: Path, points, key):
    np.testing.assert_array_equal(
        read(saved(tmp_path / "a.npz", **{key: points.astype(np.float32)})).points,
        points.astype(np.float32),
    )


def test_the_likeliest_array_is_taken(tmp_path: Path, points):
    both = saved(tmp_path / "a.npz", gt=points + 1, preds=points, short=points[:3])
    np.testing.assert_array_equal(read(both).points, points)
    np.testing.assert_array_equal(read(both, key="gt").points, points + 1)
    with pytest.raises(InputError, match=r"no array of joints 'mine'; it has gt, preds, short"):
        read(both, key="mine")


def test_two_unknown_arrays_are_refused(tmp_path: Path, points):
    with pytest.raises(InputError, match=r"several arrays.*a, b; say which with --key"):
        read(saved(tmp_path / "a.npz", a=points, b=points))


def test_an_array_of_the_wrong_size_does_not_hide_the_right_one(tmp_path: Path, points):
    np.testing.assert_array_equal(
        read(saved(tmp_path / "a.npz", preds=points[:7], mine=points)).points, points
    )


def test_integers_are_read_as_numbers(tmp_path: Path, points):
    whole = points.astype(np.int32)
    found = read(saved(tmp_path / "a.npz", preds=whole)).points
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, whole)


def test_names_in_the_file_are_believed(tmp_path: Path, points):
    names = ("lwri", "Right Knee", "neck", "head")
    table = {"output_joints": cells(*names), "keypointsAll": cells(*points[:, :4])}
    found = read(write(tmp_path / "a.mat", table))
    assert found.joints == ("l_wrist", "r_knee", "neck", "head_top")
    np.testing.assert_array_equal(found.points, points[:, :4])
    assert found.source == "keypointsAll, joints as the file names them"
    said = read(saved(tmp_path / "a.npz", preds=points[:, :14], names=names), order="lsp")
    assert said.joints == ORDERS["lsp"]


def test_the_order_of_the_ground_truth_comes_first(tmp_path: Path, points):
    path = saved(tmp_path / "a.npz", preds=points[:, :14])
    assert read(path, "lsp").joints == ORDERS["lsp"]
    assert read(path, "parse").joints == ORDERS["parse"]


def test_an_order_that_cannot_be_told_is_refused(tmp_path: Path, points):
    path = saved(tmp_path / "a.npz", preds=points[:, :14])
    with pytest.raises(InputError, match="14 joints come in several orders; say --order mpii-14"):
        read(path)
    assert read(path, order="mpii-14").joints == ORDERS["mpii-14"]


def test_convolutional_pose_machines_are_recognized(tmp_path: Path, points):
    nine = points[:, :9].transpose(1, 2, 0)
    found = read(write(tmp_path / "a.mat", {"prediction_all": nine}), "flic")
    assert found.joints == ORDERS["flic-9"]
    with pytest.raises(InputError, match=r"--order flic-9 or --order flic-9-nose-first"):
        read(write(tmp_path / "b.mat", {"preds": nine}), "flic")


def test_the_only_order_of_its_length_is_taken(tmp_path: Path, points):
    ten = points[:, :10].transpose(2, 1, 0)
    assert read(write(tmp_path / "a.mat", {"pred": ten}), "flic").joints == ORDERS["flic-10"]


def test_several_numbers_of_people_may_do(tmp_path: Path, points):
    path = saved(tmp_path / "a.npz", preds=points)
    assert len(read(path, people={9, PEOPLE}).points) == PEOPLE


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ((24, 16, 2), r"preds \(24, 16, 2\) is of 24 people; the ground truth is of 25"),
        ((PEOPLE, 17, 2), r"is of 17 joints; 6 or 9 or 10 or 11 or 14 or 16 are expected"),
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
    with pytest.raises(InputError, match=r"2 ways; say which with --axes"):
        read(path, people=[16])
    for axes, expected in (
        ("people-joints-xy", points),
        ("joints-people-xy", points.transpose(1, 0, 2)),
    ):
        np.testing.assert_array_equal(read(path, people=[16], axes=axes).points, expected)


def test_axes_that_cannot_be_are_refused(tmp_path: Path, points):
    with pytest.raises(InputError, match=r"preds \(25, 16, 2\)"):
        read(saved(tmp_path / "a.npz", preds=points), axes="xy-joints-people")


def test_every_order_has_its_name_and_its_length():
    assert tuple(ORDERS) == get_args(Order)
    for order, names in ORDERS.items():
        _, _, count = order.partition("-")
        assert len(set(names)) == len(names)
        if count:
            assert len(names) == int(count.split("-")[0])
        assert [joint_name(name) for name in names] == list(names)
