"""The log of a training run is on disk after every line, and continues after a kill."""

import json

import numpy as np
import pytest

from convcorr_jax.errors import InputError, NumericalError
from convcorr_jax.pose import Losses
from convcorr_jax.tasks.pose import Scores, StepMetrics, TrainingLog, log_curves


def metrics(value):
    return StepMetrics(np.float32(value), Losses(np.float32(value), np.float32(0), np.float32(0)))


def people_of(step):
    return [f"a{step}", f"b{step}"]


def test_lines_are_on_disk_and_those_after_the_last_checkpoint_are_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    log = TrainingLog(path, step=0)
    for step in (2, 4):
        log.add(metrics(1.0))
        log.add(metrics(3.0))
        log.log_losses(step, "coarse", batch=2, people_of=people_of)
        line = json.loads(path.read_text().splitlines()[-1])
        assert (line, line["step"], line["loss"], line["e1"]) == (log.lines[-1], step, 2.0, 2.0)
        log.log_scores(step, "coarse", Scores((0.1, 0.2, 0.3), (0.0, 0.1, 0.2)))
    again = TrainingLog(path, step=2)
    assert again.lines == log.lines[:2]
    assert again.pck_of(2)["coarse"]["0.2"] == 0.2
    assert again.last_scores == "PCK@0.1 0.200 (coarse 0.100)"
    assert set(again.speeds) == {"coarse"}
    assert [one.get_title() for one in log_curves(again.lines).axes] == ["", ""]


def test_the_step_whose_error_is_not_finite_is_named_with_its_people(tmp_path):
    log = TrainingLog(tmp_path / "metrics.jsonl", step=7)
    for value in (1.0, float("inf"), float("nan")):
        log.add(metrics(value))
    with pytest.raises(NumericalError, match=r"loss of step 8 \(phase fine\) is inf; its batch is a8, b8"):
        log.log_losses(10, "fine", batch=2, people_of=people_of)
    assert not (tmp_path / "metrics.jsonl").exists()


@pytest.mark.parametrize("text", ["{", '{"phase": "fine"}\n', "[]\n"])
def test_damaged_metrics_are_refused(tmp_path, text):
    (tmp_path / "metrics.jsonl").write_text(text)
    with pytest.raises(InputError, match=r"is damaged .*; remove it"):
        TrainingLog(tmp_path / "metrics.jsonl", step=7)
