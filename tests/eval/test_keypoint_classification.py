"""Keypoint classification end to end on a few rendered people, with the real weights of the `weights` extra."""

import dataclasses

import numpy as np
import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.io import read_image
from convcorr_jax.report.plots import estimate
from convcorr_jax.report.sections import correspondence
from convcorr_jax.tasks import CategoryData, Output
from convcorr_jax.tasks.keypoints import FeatureOptions, classification
from eval import keypoint_classification
from tests.builders.people import write_people
from tests.builders.shown import assert_shown, result_of

SIDE = 128
TRAIN, TEST = 6, 3


def write(folder, change=None):
    return write_people(folder, train=TRAIN, test=TEST, side=SIDE, change=change)


def spoil(arrays):
    """Hide a joint in all training photographs, and move another out of its photograph."""
    arrays["visible"][:TRAIN, 3] = False
    arrays["joints"][0, 5] = [SIDE + 4, 20]


@pytest.fixture
def config(tmp_path):
    return keypoint_classification.Config(
        data=CategoryData(write(tmp_path / "people", spoil)),
        # One layer, one radius, and small photographs.
        features=FeatureOptions(layers=("conv1",), radii_px=(20,), side_px=SIDE),
        costs=(0.1, 1.0),
        windows=3,
        output=Output(tmp_path / "out"),
    )


def test_keypoints_are_classified(config, monkeypatch):
    result = result_of(keypoint_classification.main, config)
    assert set(result["accuracy"]) == {"sift_20", "conv1"}
    person = result["per_category"]["person"]
    assert (person["train_samples"], person["test_samples"]) == (TRAIN * 13 - 1, TEST * 14)
    assert person["outside"] == 1
    assert result["left_out"] == {"person": ["l_hip"]}
    assert person["accuracy"] == result["accuracy"]
    table = np.array(person["confusion"]["conv1"])
    assert table.sum(axis=1).tolist() == [0 if k == 3 else TEST for k in range(14)]
    assert np.trace(table) / table.sum() == pytest.approx(result["accuracy"]["conv1"])
    curve = result["curve"]
    assert curve["costs"] == [0.1, 1.0]
    for name, cost in person["cost"].items():
        assert cost == curve["costs"][int(np.argmax(curve["accuracy"][name]))]
    figure = result["figure_4"]
    assert set(figure["responses"]) == {"sift_20", "conv1"}
    for by_keypoint in figure["responses"].values():
        assert len(by_keypoint) == 2
        assert all(one["windows"] == TEST for one in by_keypoint.values())
    for name in ("figure_4.png", "figure_5.png", "confusion_person.png"):
        assert min(read_image(config.output.out / name).shape[:2]) > 300
    table = assert_shown(correspondence.classification, result, config.output.out).tables[0]
    assert [row[0] for row in table.rows] == ["sift_20", "conv1"]
    assert table.rows[1][1:3] == (estimate(result["accuracy"]["conv1"], result["interval"]["conv1"]), 0.20)
    # A later run finds the features and one classifier of a killed one.
    (config.output.out / "result.json").unlink()
    (config.output.out / "classifiers" / "person_conv1.npz").unlink()
    monkeypatch.setattr(classification, "columns_at", pytest.fail)
    assert result_of(keypoint_classification.main, config) == result
    # Other settings need other features.
    monkeypatch.undo()
    interpolated = dataclasses.replace(config.features, interpolate=True)
    other = result_of(
        keypoint_classification.main, dataclasses.replace(config, features=interpolated, windows=0)
    )
    assert other["accuracy"]["sift_20"] == result["accuracy"]["sift_20"]
    assert other["curve"]["accuracy"]["conv1"] != result["curve"]["accuracy"]["conv1"]
    assert "figure_4" not in other


def test_one_training_photograph_is_refused(config, tmp_path):
    def change(arrays):
        arrays["split"][1:] = "test"

    few = dataclasses.replace(config, data=CategoryData(write(tmp_path / "few", change)))
    with pytest.raises(InputError, match="'person': there are 1 photographs to train on"):
        keypoint_classification.main(few)
