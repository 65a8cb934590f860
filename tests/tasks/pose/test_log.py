"""The log of a training run is on disk after every line, and continues after a kill."""

import json

import numpy as np
import pytest

from convcorr_jax.errors import NumericalError
from convcorr_jax.pose import Losses
from convcorr_jax.tasks.pose import Scores, StepMetrics, TrainingLog


def metrics(total):
    return StepMetrics(np.float32(total), Losses(np.float32(total), np.float32(0), np.float32(0)))


def people_of(step):
    return [f"person{step}"]


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_losses_are_on_disk_before_the_first_validation(tmp_path):
    path = tmp_path / "metrics.jsonl"
    log = TrainingLog(path, step=0)
    log.add(metrics(3.0))
    log.add(metrics(1.0))
    log.log_losses(2, "coarse", people_of=people_of)
    (line,) = lines_of(path)
    assert (line["step"], line["loss"]) == (2, 2.0)


def test_lines_after_the_checkpoint_of_a_killed_run_are_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    log = TrainingLog(path, step=0)
    log.log_scores(1, "coarse", Scores((0.1, 0.2, 0.3), (0.1, 0.2, 0.4)))
    log.add(metrics(1.0))
    log.log_losses(2, "coarse", people_of=people_of)
    assert [line["step"] for line in lines_of(path)] == [1, 2]
    again = TrainingLog(path, step=1)
    assert [line["step"] for line in again.lines] == [1]
    assert again.pck_of(1)["coarse"]["0.2"] == 0.4


def test_a_loss_that_is_not_finite_is_named_and_not_logged(tmp_path):
    path = tmp_path / "metrics.jsonl"
    log = TrainingLog(path, step=0)
    log.add(metrics(1.0))
    log.add(metrics(np.nan))
    with pytest.raises(NumericalError, match=r"step 1 \(phase fine\) is nan; .* person1;"):
        log.log_losses(2, "fine", people_of=people_of)
    assert not path.exists()
