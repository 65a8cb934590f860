"""Pairs of ground truth and predictions, official and plain."""

import json

import h5py
import numpy as np
import pytest

from convcorr_jax.datasets.poses import ORDERS, Interpretation, ground_truth, read_comparison
from convcorr_jax.errors import InputError
from convcorr_jax.io import write_arrays
from convcorr_jax.metrics import ProtocolChoices
from tests.builders.genuine import genuine
from tests.builders.leeds_tree import write_lsp
from tests.builders.mat_files import write_mat
from tests.builders.mpii_flat import json_person
from tests.builders.pck_files import write_mpii, write_plain


def read(truth, predictions, **options):
    return read_comparison(truth, predictions, interpretation=Interpretation(**options))


def test_mpii_has_heads_visibility_and_its_own_joints(tmp_path):
    files = write_mpii(tmp_path)
    found = read(*files)
    with h5py.File(files.truth) as stored, np.load(files.predictions) as predicted:
        np.testing.assert_array_equal(found.truth.points, stored["part"][()] - 1)
        np.testing.assert_array_equal(found.truth.visible, stored["visible"][()] > 0)
        np.testing.assert_array_equal(found.truth.head_sizes, stored["normalize"][()])
        np.testing.assert_array_equal(found.predicted, predicted["preds"] - 1)
    unscored = [name for name, scored in zip(found.truth.names, found.truth.scored, strict=True) if not scored]
    assert unscored == ["pelvis", "thorax"]
    assert found.compared.all()
    assert found.default == ProtocolChoices("head", scored=True)
    assert found.joint_default == ProtocolChoices("head", average="keypoint")


def test_joints_and_heads_that_the_files_lack_are_not_compared(tmp_path, rng):
    files = write_mpii(tmp_path)
    places = [ORDERS["mpii"].index(name) for name in ORDERS["mpii-14"]]
    with np.load(files.predictions) as stored:
        write_arrays(tmp_path / "b.npz", preds=stored["preds"][:, places])
    found = read(files.truth, tmp_path / "b.npz", order="mpii-14")
    assert np.isnan(found.predicted[:, ~found.compared]).all()
    assert sorted(np.flatnonzero(~found.compared)) == [6, 7]
    assert found.default == ProtocolChoices("head", scored=False)
    write_arrays(tmp_path / "arms.npz", preds=np.ones((20, 6, 2)))
    with pytest.raises(InputError, match=r"lacks r_ankle, .*, which the metric of MPII scores"):
        read(files.truth, tmp_path / "arms.npz", order="flic-6")
    # Without heads MPII has no figure of its own.
    people = [json_person(joints=rng.uniform(1, 99, (16, 2)).tolist())]
    (tmp_path / "valid.json").write_text(json.dumps(people))
    write_arrays(tmp_path / "pred.npz", preds=np.array([people[0]["joints"]]))
    found = read(tmp_path / "valid.json", tmp_path / "pred.npz")
    assert found.default is None
    np.testing.assert_allclose(found.predicted, found.truth.points)


def test_people_of_lsp_are_those_of_the_test_set(tmp_path):
    folder = write_lsp(tmp_path, count=1002)
    with pytest.raises(InputError, match="--sides is for FLIC only"):
        read(folder / "joints.mat", folder / "joints.mat", sides="person")
    found = read(folder / "joints.mat", folder / "joints.mat", first_pixel=0)
    np.testing.assert_array_equal(found.predicted, found.truth.points)
    assert (len(found.predicted), found.default) == (2, ProtocolChoices("torso"))


def test_flic_has_sizes_where_its_file_states_them(tmp_path, rng):
    joints = rng.uniform(10, 90, (4, 11, 2)).astype(np.float32)
    arrays = {"joints_pc": joints, "istest": np.array([False, True, True, True])}
    write_arrays(tmp_path / "a.npz", **arrays)
    write_arrays(tmp_path / "b.npz", **arrays, imgdims=np.tile([480, 720, 3], (4, 1)))
    write_arrays(tmp_path / "pred.npz", pred=joints[1:])
    without, with_sizes = (
        read(tmp_path / name, tmp_path / "pred.npz", sides="person") for name in ("a.npz", "b.npz")
    )
    assert without.truth.image_sizes is None
    np.testing.assert_array_equal(with_sizes.truth.image_sizes, [[480, 720]] * 3)
    # The neck, which the ground truth derives, is not predicted.
    assert np.flatnonzero(~with_sizes.compared).tolist() == [11]
    np.testing.assert_allclose(with_sizes.predicted[:, :11], with_sizes.truth.points[:, :11])
    assert with_sizes.default is with_sizes.joint_default is None
    observers = read(tmp_path / "b.npz", tmp_path / "pred.npz")
    assert observers.default == observers.joint_default == ProtocolChoices("torso")


def test_plain_predictions_may_be_in_another_order_and_must_belong_to_the_truth(tmp_path):
    files = write_plain(tmp_path)
    found = read(*files)
    assert (found.default, found.compared.all()) == (None, True)
    names = np.array(found.truth.names)
    turned = tmp_path / "turned.npz"
    write_arrays(turned, points=found.predicted[:, ::-1], names=names[::-1])
    np.testing.assert_array_equal(read(files.truth, turned).predicted, found.predicted)
    write_arrays(turned, points=found.predicted, names=np.array([*names[:-1], "tail"]))
    write_arrays(tmp_path / "few.npz", points=np.zeros((3, 5, 2)))
    write_mat(tmp_path / "a.mat", {"something": np.ones(3)})
    for truth, predictions, options, sentence in (
        (files.truth, turned, {}, r"tail; those of .*truth\.npz are expected: l_shoulder"),
        (files.truth, tmp_path / "few.npz", {}, r"few\.npz: points is \(3, 5, 2\); \(12, 5, 2\) is expected"),
        (*files, {"order": "lsp", "key": "points"}, "--order and --key is for predictions of official people"),
        (files.truth, tmp_path / "nothing.npz", {}, "does not exist; a prediction file"),
        (tmp_path / "a.mat", files.predictions, {}, r"a\.mat has something; annolist or pos_gt_src of MPII"),
    ):
        with pytest.raises(InputError, match=sentence):
            read(truth, predictions, **options)


def test_genuine_files_are_recognized():
    for release, names in {
        "MPII": ("mpii_valid_hourglass.h5", "mpii_valid_tompson_detections.mat"),
        "FLIC": ("flic_examples.mat", "flic.npz", "flic_joints_test_oc_10.mat"),
        "LSP": ("lsp_joints_scaled_PC.mat", "lspet_joints.mat", "parse_joints.mat", "parse_labels.mat"),
    }.items():
        for name in names:
            assert ground_truth.release_of(genuine("pose_annotations") / name) == release
