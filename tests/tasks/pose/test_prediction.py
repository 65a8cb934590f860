"""Scores of a cascade, and what a run keeps of them."""

import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax.coords import Size
from convcorr_jax.datasets import Record
from convcorr_jax.errors import InputError, NumericalError
from convcorr_jax.pose import Losses, small
from convcorr_jax.tasks.pose import (
    PredictedJoints,
    Scores,
    StepMetrics,
    TrainingLog,
    log_curves,
    predict_joints,
    prediction,
    prepare,
    score,
)

NAMES = ("l_hand", "r_hand")
ARCHITECTURE = small(NAMES, ((0, 1),))
# Of photographs half as large as the input.
TRUTH = np.array([[[10.0, 20], [30, 40]], [[50, 12], [np.nan, np.nan]], [[5, 5], [60, 60]]])


@pytest.fixture
def people():
    return prepare(
        [
            Record(
                image=np.full((64, 64, 3), number, np.uint8),
                size=Size(64, 64),
                category="person",
                source_id=str(number),
                split="train",
                names=NAMES,
                points=points,
                visible=~np.isnan(points[:, 0]),
                normalizer_px=20.0,
            )
            for number, points in enumerate(TRUTH)
        ],
        ARCHITECTURE,
    )


def test_everybody_is_looked_at_once_in_pixels_of_the_photographs(people, monkeypatch):
    def predict(params, images, torso, *, architecture, mirrored, rotated, subcell):
        assert (mirrored, rotated, subcell) == (True, True, False)
        corner = jnp.asarray(images[:, :2, 0, :2], jnp.float32) * 2 + 0.5
        return prediction.cascade.Prediction(corner, corner + 2, corner[..., 0], corner + 4)

    monkeypatch.setattr(prediction.cascade, "predict", predict)
    # The last batch is filled up with the last person.
    predicted = predict_joints({"coarse": 1.0}, people, architecture=ARCHITECTURE, batch=2, subcell=False)
    np.testing.assert_allclose(predicted.cascade, np.arange(3.0)[:, None, None] * np.ones((2, 2)))
    np.testing.assert_allclose(predicted.coarse, predicted.cascade + 1)
    np.testing.assert_allclose(predicted.coarse_alone, predicted.cascade + 2)


def test_shares_count_the_joints_that_are_annotated(people):
    wrong = TRUTH + np.array([0.0, 3.0])
    right = TRUTH.copy()
    right[0, 0] += [0, 2.01]
    assert score(PredictedJoints(right, wrong, TRUTH), people, NAMES) == Scores(
        (0.8, 0.8, 1.0), (0.0, 0.0, 1.0)
    )


def test_joints_that_are_not_found_are_wrong(people):
    nowhere = np.full_like(TRUTH, np.nan)
    predicted = PredictedJoints(TRUTH, nowhere, TRUTH)
    assert score(predicted, people, NAMES) == Scores((1.0,) * 3, (0.0,) * 3)


def test_nobody_to_compare_with_is_refused(people):
    for record in people.records:
        object.__setattr__(record, "normalizer_px", None)
    with pytest.raises(InputError, match="no person has both an annotated joint and a length"):
        score(PredictedJoints(TRUTH, TRUTH, TRUTH), people, NAMES)


def metrics(value):
    return StepMetrics(np.float32(value), Losses(np.float32(value), np.float32(0), np.float32(0)))


def people_of(step):
    return [f"a{step}", f"b{step}"]


def test_lines_after_the_last_checkpoint_are_dropped(tmp_path):
    log = TrainingLog(tmp_path / "metrics.jsonl", step=0)
    for step in (2, 4):
        log.add(metrics(1.0))
        log.add(metrics(3.0))
        log.log_losses(step, "coarse", people_of=people_of)
        line = log.lines[-1]
        assert (line["step"], line["loss"], line["e1"]) == (step, 2.0, 2.0)
        log.log_scores(step, "coarse", Scores((0.1, 0.2, 0.3), (0.0, 0.1, 0.2)))
    again = TrainingLog(tmp_path / "metrics.jsonl", step=2)
    assert again.lines == log.lines[:2]
    assert again.last_scores == "PCK@0.1 0.200 (coarse 0.100)"
    assert set(again.speeds) == {"coarse"}
    assert [one.get_title() for one in log_curves(again.lines).axes] == ["", ""]


def test_the_step_whose_error_is_not_finite_is_named_with_its_people(tmp_path):
    log = TrainingLog(tmp_path / "metrics.jsonl", step=7)
    for value in (1.0, float("inf"), float("nan")):
        log.add(metrics(value))
    with pytest.raises(NumericalError, match=r"loss of step 8 \(phase fine\) is inf; its batch is a8, b8"):
        log.log_losses(10, "fine", people_of=people_of)


@pytest.mark.parametrize("text", ["{", '{"phase": "fine"}\n', "[]\n"])
def test_damaged_metrics_are_refused(tmp_path, text):
    (tmp_path / "metrics.jsonl").write_text(text)
    with pytest.raises(InputError, match=r"is damaged .*; remove it"):
        TrainingLog(tmp_path / "metrics.jsonl", step=7)
