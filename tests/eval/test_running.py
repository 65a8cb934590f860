"""Experiments that run in processes of their own, beside the others."""

from pathlib import Path

import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.report import sections
from convcorr_jax.tasks.options import Backbone, Output
from eval import flow_accuracy, receptive_fields
from eval.experiments import Beside, Experiment, Inputs, begin_beside, is_finished, result_of


def fields(folder: Path, *, beside: bool = True) -> Experiment:
    """The receptive fields of CaffeNet: a script that needs neither weights nor data."""
    config = receptive_fields.Config(output=Output(folder))
    show = sections.correspondence.receptive_fields
    return Experiment(folder.name, receptive_fields.main, config, show, folder, beside=beside)


def test_the_result_is_that_of_this_process(tmp_path):
    apart, here = fields(tmp_path / "apart"), fields(tmp_path / "here", beside=False)
    inputs = Inputs()
    with begin_beside([apart, here], inputs) as beside:
        assert "apart" in beside
        assert "here" not in beside
        results = [result_of(each, inputs.of(each), beside=beside) for each in (apart, here)]
    assert results[0] == results[1]
    assert is_finished(apart, inputs.of(apart))
    # What has finished does not begin again.
    with begin_beside([apart], inputs) as beside:
        assert "apart" not in beside


def test_wrong_input_is_the_sentence_of_the_script(tmp_path):
    config = flow_accuracy.Config(backbone=Backbone("resnet"), output=Output(tmp_path))
    wrong = fields(tmp_path)._replace(name="wrong", main=flow_accuracy.main, config=config)
    with (
        Beside([wrong]) as beside,
        pytest.raises(InputError, match=r"eval\.flow_accuracy: .*resnet"),
    ):
        result_of(wrong, {}, beside=beside)


def test_leaving_ends_the_process(tmp_path):
    inputs = Inputs()
    with begin_beside([fields(tmp_path / "apart")], inputs) as beside:
        while beside._process is None:
            pass
    assert beside._process.poll() is not None
