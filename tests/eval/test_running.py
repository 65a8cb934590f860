"""Experiments that run in another process, beside the others."""

import json
import os
from pathlib import Path

import pytest
import threadpoolctl

from convcorr_jax.errors import InputError, NumericalError
from convcorr_jax.report import sections
from convcorr_jax.tasks import Backbone, Output
from eval import flow_accuracy, receptive_fields
from eval.experiments import BackgroundRunner, Experiment, Inputs, is_finished, result_of, start_in_background


def fields(folder: Path, *, order: int | None = 0) -> Experiment:
    """The receptive fields of CaffeNet: a script that needs neither weights nor data."""
    config = receptive_fields.Config(output=Output(folder))
    show = sections.correspondence.receptive_fields
    return Experiment(folder.name, receptive_fields.main, config, show, folder, background_order=order)


def test_the_result_is_that_of_this_process(tmp_path):
    """The first by its place occupies the process; others run here when their turn comes."""
    last, apart = fields(tmp_path / "last", order=1), fields(tmp_path / "apart")
    here = fields(tmp_path / "here", order=None)
    inputs = Inputs()
    with start_in_background([last, apart, here], inputs) as background:
        assert not background.wait("last")
        while not is_finished(apart, inputs.of(apart)):
            assert background._process.is_alive()
        results = [result_of(each, inputs.of(each), background=background) for each in (apart, here)]
        assert not background.wait("here")
        assert background._process.is_alive()
    assert not background._process.is_alive()
    assert results[0] == results[1]
    # What has finished does not begin again.
    with start_in_background([apart], inputs) as background:
        assert not background.wait("apart")


def blas_threads() -> list[int]:
    return [one["num_threads"] for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"]


def write_blas_threads(path: Path) -> None:
    path.write_text(json.dumps(blas_threads()), encoding="utf-8")


def test_both_processes_divide_the_cores_and_wrong_input_is_the_sentence_of_the_script(tmp_path):
    before = blas_threads()
    path, out = tmp_path / "threads.json", tmp_path / "out"
    config = flow_accuracy.Config(backbone=Backbone("resnet"), output=Output(out))
    counting = fields(tmp_path / "counting")._replace(main=write_blas_threads, config=path)
    wrong = fields(tmp_path / "wrong")._replace(main=flow_accuracy.main, config=config)
    with BackgroundRunner([counting, wrong]) as background:
        here = blas_threads()
        assert background.wait("counting")
        while not out.exists():
            assert background._process.is_alive()
        with pytest.raises(InputError, match=r"eval\.flow_accuracy: .*resnet"):
            result_of(wrong, {}, background=background)
    assert set(here) == set(json.loads(path.read_text(encoding="utf-8"))) == {max(1, os.cpu_count() // 2)}
    assert blas_threads() == before


def test_a_process_that_is_killed_is_one_sentence(tmp_path):
    with BackgroundRunner([fields(tmp_path / "apart")]) as background:
        background._process.kill()
        with pytest.raises(NumericalError, match=r"eval\.receptive_fields: its process ended"):
            background.wait("apart")
