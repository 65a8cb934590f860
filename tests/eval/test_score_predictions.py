"""Prediction files scored end to end, and the one whose official figures are known."""

import json
import struct
from pathlib import Path

import h5py
import numpy as np
import pytest

from convcorr_jax.datasets.formats import mat_bytes
from convcorr_jax.datasets.official import lsp
from convcorr_jax.datasets.poses import ORDERS, Interpretation
from convcorr_jax.errors import InputError
from convcorr_jax.tasks import Output
from eval import score_predictions
from eval.score_predictions import Config
from tests.builders.genuine import genuine
from tests.builders.mat_files import write_mat

LENGTHS = (40.0, 80.0, 20.0, 40.0)
COUNT = len(LENGTHS)


@pytest.fixture
def part(rng):
    """MPII's joints of a few people, 1-based."""
    joints = rng.integers(50, 300, (COUNT, 16, 2)).astype(float)
    joints[2, 10] = 0
    return joints


@pytest.fixture
def valid(tmp_path: Path, part):
    with h5py.File(tmp_path / "valid.h5", "w") as stored:
        stored["part"] = part
        stored["visible"] = np.ones((COUNT, 16))
        stored["imgname"] = np.array([b"a.jpg"] * COUNT)
        stored["normalize"] = np.array(LENGTHS)
        stored["person"], stored["scale"] = np.arange(float(COUNT)), np.ones(COUNT)
        stored["center"] = np.ones((COUNT, 2))
    return tmp_path / "valid.h5"


def scored(metric, truth: Path, predictions: Path, *, alpha=None, **options) -> dict:
    config = Config(
        *(metric, truth, predictions, alpha, Interpretation(**options)),
        output=Output(predictions.parent / "out"),
    )
    return json.loads(score_predictions.main(config).read_text(encoding="utf-8"))


def saved(path: Path, **arrays) -> Path:
    np.savez(path, **arrays)
    return path


def test_the_truth_itself_is_right(tmp_path: Path, valid, part):
    result = scored("pckh", valid, saved(tmp_path / "a.npz", preds=part))
    columns = ("head", "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "ubody", "total")
    assert [result[column] for column in columns] == [100] * 9
    assert result["joints_counted"]["total"] == 14 * COUNT - 1
    assert result["sides"] == "the person's own"
    assert (tmp_path / "out" / "run.json").is_file()
    assert (tmp_path / "out" / "curves.png").is_file()


def test_every_miss_is_counted_in_its_column(tmp_path: Path, valid, part):
    moved = part.copy()
    moved[0, 0, 0] += 20
    moved[1, 0, 0] += 40.5
    moved[2, 9] = np.nan
    moved[2, 10] = np.nan
    moved[3, 6:8] = -500
    result = scored("pckh", valid, saved(tmp_path / "a.npz", preds=moved))
    assert result["ankle"] == pytest.approx(100 * (0.75 + 1) / 2)
    assert result["head"] == pytest.approx(100 * (1 + 0.75) / 2)
    assert result["total"] == pytest.approx(100 * (14 * COUNT - 1 - 2) / (14 * COUNT - 1), abs=1e-4)
    assert (result["wrist"], result["ubody"]) == (100, 100)
    # The second wrist that is NaN has no truth.
    assert result["predictions_absent"] == 1
    assert result["curves"]["0.49"]["ankle"] == pytest.approx(100 * (0.5 + 1) / 2)
    assert result["curves"]["0.1"]["total"] == result["total@0.1"]


def test_another_first_pixel_moves_the_predictions(tmp_path: Path, valid, part):
    path = saved(tmp_path / "a.npz", preds=part - 1)
    tight = {"alpha": 0.01}
    assert scored("pckh", valid, path, **tight)["total"] == 0
    assert scored("pckh", valid, path, first_pixel=0, **tight)["total"] == 100


def test_the_table_and_the_json_are_printed(tmp_path: Path, valid, part, capsys):
    path = saved(tmp_path / "a.npz", preds=part)
    argv = ["--metric", "pckh", "--ground-truth", str(valid), "--predictions", str(path)]
    out = ["--out", str(tmp_path / "out")]
    score_predictions.script(argv=argv + out)
    printed_both = capsys.readouterr()
    lines = printed_both.out.splitlines()
    assert lines[-2] == str(tmp_path / "out" / "result.json")
    assert printed_both.err == ""
    printed = json.loads(lines[-1])
    assert printed == {
        "alpha": 0.5,
        **dict.fromkeys(("head", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"), 100),
        **dict.fromkeys(("ubody", "total", "total@0.1", "total@0.2", "auc_total"), 100),
    }
    assert "shoulder" in " ".join(lines)
    row = next(line for line in lines if line.strip().startswith("0.5"))
    assert row.split() == ["0.5", *["100.00"] * 9]


def test_fourteen_joints_do_when_their_order_is_said(tmp_path: Path, valid, part):
    fourteen = np.delete(part, [6, 7], axis=1)
    path = saved(tmp_path / "a.npz", preds=fourteen)
    assert scored("pckh", valid, path, order="mpii-14")["total"] == 100
    assert scored("pckh", valid, path, order="lsp")["total"] < 50
    with pytest.raises(InputError, match="--order mpii-14"):
        scored("pckh", valid, path)


def test_joints_that_a_metric_needs_are_missed(tmp_path: Path, valid, part):
    path = saved(tmp_path / "a.npz", preds=part[:, :6])
    with pytest.raises(InputError, match=r"lacks r_ankle, r_knee.*which pckh scores; --order states"):
        scored("pckh", valid, path)
    unknown = [*ORDERS["mpii"][:-1], "hand"]
    with pytest.raises(InputError, match=r"as the file names them\) lacks l_wrist, which pckh"):
        scored("pckh", valid, saved(tmp_path / "b.npz", preds=part, names=unknown))


def test_the_truth_beside_the_predictions_is_not_scored(tmp_path: Path, valid, part):
    for truth, mine in (("joints", "output"), ("keypoints", "my_predictions")):
        path = saved(tmp_path / "a.npz", **{truth: part, mine: part + 500})
        assert scored("pckh", valid, path)["total"] == 0


def test_another_order_of_as_many_joints_is_told_and_the_seven_of_this_library_are_known(
    tmp_path: Path, rng, capsys
):
    points = rng.uniform(100, 200, (5, 11, 2))
    truth = saved(tmp_path / "flic.npz", joints_pc=points, istest=np.ones(5, bool))
    face_first = [ORDERS["flic"].index(name) for name in ORDERS["flic-11-face-first"]]
    path = saved(tmp_path / "a.npz", preds=points[:, face_first])
    options = {"sides": "person"}
    assert scored("flic_pck", truth, path, **options)["total"] < 50
    assert capsys.readouterr().err.count("as many are in flic-11-face-first") == 1
    result = scored("flic_pck", truth, path, order="flic-11-face-first", **options)
    assert (result["total"], result["notes"], capsys.readouterr().err) == (100, [], "")
    seven = points[:, [*range(6), ORDERS["flic"].index("nose")]]
    result = scored("flic_pck", truth, saved(tmp_path / "b.npz", preds=seven), **options)
    assert (result["total"], result["joints"]) == (100, list(ORDERS["flic-7"]))


def test_lsp_is_scored_on_its_test_people(tmp_path: Path, rng):
    joints = rng.uniform(1, 180, (1003, 14, 2))
    flagged = np.concatenate([joints, np.zeros((1003, 14, 1))], axis=-1)
    truth = write_mat(tmp_path / "joints.mat", {"joints": flagged.transpose(2, 1, 0)})
    joints[:1000] += 500
    joints[1001, 13] = np.nan
    of_all = write_mat(tmp_path / "all.mat", {"pred": joints.transpose(2, 1, 0)})
    of_test = write_mat(tmp_path / "test.mat", {"pred": joints[1000:].transpose(2, 1, 0)})
    results = [scored("lsp_pck", truth, path) for path in (of_all, of_test)]
    assert results[0]["people"] == 3
    assert results[0]["head"] == pytest.approx(100 * (1 + 2 / 3) / 2, abs=1e-4)
    assert results[0]["total"] == pytest.approx(100 * 41 / 42, abs=1e-4)
    assert [result["curves"] for result in results] == [results[0]["curves"]] * 2
    short = write_mat(tmp_path / "short.mat", {"pred": joints[:9].transpose(2, 1, 0)})
    with pytest.raises(InputError, match="is of 9 people; the ground truth is of 3 or 1003"):
        scored("lsp_pck", truth, short)


def test_flic_is_scored_by_the_joints_that_are_shared(tmp_path: Path, rng):
    points = rng.uniform(100, 200, (5, 11, 2))
    points[:, [0, 1, 2, 6]] += 150
    truth = saved(tmp_path / "flic.npz", joints_pc=points, istest=np.ones(5, bool))
    eyeless = points[:, [0, 1, 2, 3, 4, 5, 6, 7, 10]].transpose(1, 2, 0)
    path = write_mat(tmp_path / "FLIC.mat", {"prediction_all": eyeless})
    result = scored("flic_pck", truth, path)
    assert result["joints"][-1] == "nose"
    assert (result["head"], result["total"], result["alpha"]) == (100, 100, 0.2)
    assert {"knee", "ankle"}.isdisjoint(result)
    assert "total@0.05" in result


def test_flic_depends_on_whose_left_is_left(tmp_path: Path, rng):
    points = rng.uniform(100, 200, (5, 11, 2))
    left = [0, 1, 2, 6, 8]
    points[:4, left, 0] += 150
    points[4, left, 0] -= 150
    truth = saved(tmp_path / "flic.npz", joints_pc=points, istest=np.ones(5, bool))
    path = saved(tmp_path / "a.npz", preds=points)
    assert scored("flic_pck", truth, path)["wrist"] == 80
    person = scored("flic_pck", truth, path, sides="person")
    assert (person["wrist"], person["sides"]) == (100, "person-centric")


def test_what_cannot_be_scored_is_refused(tmp_path: Path, valid, part):
    path = saved(tmp_path / "a.npz", preds=part)
    with pytest.raises(InputError, match="--sides is for flic_pck"):
        scored("pckh", valid, path, sides="observer")
    with pytest.raises(InputError, match="--alpha is 0"):
        scored("pckh", valid, path, alpha=0.0)
    with pytest.raises(InputError, match="does not exist; an annotation file"):
        scored("pckh", tmp_path / "nothing.h5", path)
    with h5py.File(valid, "a") as stored:
        stored["part"][:] = 0
    with pytest.raises(InputError, match="has no joint of a test person to score"):
        scored("pckh", valid, path)


def test_the_published_figures_are_matched(tmp_path: Path):
    folder = genuine("pose_annotations")
    (expected,) = json.loads((folder / "expected_metrics.json").read_text()).values()
    predictions = folder / "published_predictions" / "mpii_valid_newell.h5"
    config = Config("pckh", folder / "mpii_valid_hourglass.h5", predictions, output=Output(tmp_path))
    result = json.loads(score_predictions.main(config).read_text())
    assert {name: result[name] for name in expected} == pytest.approx(expected, abs=0.01)


def test_the_authors_own_predictions_are_scored(tmp_path: Path):
    """Of the validation people; of the test people the paper reports 82.0."""
    folder = genuine("pose_annotations")
    genuine_file = folder / "mpii_valid_tompson_detections.mat"
    content = genuine_file.read_bytes()[:128]
    # Without the truth beside the predictions, whose 150,000 arrays of one number take most of a minute.
    for name, (data, order, start, stop) in mat_bytes.variables(genuine_file).items():
        if name != "annolist":
            content += struct.pack(order + "II", 14, stop - start) + data[start:stop]
    detections = tmp_path / "detections.mat"
    detections.write_bytes(content)
    config = Config("pckh", folder / "mpii_valid_hourglass.h5", detections, output=Output(tmp_path))
    result = json.loads(score_predictions.main(config).read_text())
    assert result["read"] == "keypointsAll, joints as the file names them"
    assert result["total"] == pytest.approx(82.3, abs=0.05)


def test_the_observers_and_the_persons_lsp_differ(tmp_path: Path):
    folder = genuine("pose_annotations")
    truth, other = folder / "lsp_joints_scaled_PC.mat", folder / "lsp_joints_scaled_OC.mat"
    own, observed = (
        json.loads(score_predictions.main(Config("lsp_pck", truth, path, output=Output(tmp_path))).read_text())
        for path in (truth, other)
    )
    assert (own["total"], own["people"]) == (100, 1000)
    # A third of the people are seen from behind, by legs or by arms.
    assert observed["head"] == 100
    assert 65 < observed["wrist"] < 75
    assert own["joints"] == list(lsp.NAMES)
