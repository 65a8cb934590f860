"""The command beside each result is the one that computes it again."""

import shlex
import sys

import pytest

from convcorr_jax.io import make_folder, write_json
from convcorr_jax.metrics import PF_WILLOW
from convcorr_jax.report import Section
from convcorr_jax.runtime import parse, plain, write_run
from eval.experiments import experiments
from eval.experiments.provenance import command_of, with_provenance


@pytest.mark.parametrize("full", [False, True])
def test_every_command_gives_the_configuration_of_its_experiment(tmp_path, full):
    names = "pf_willow lfpw68 helen68 lspet imagenet_sample mini_imagenet camvid lfw_attributes"
    for name in names.split():
        make_folder(tmp_path / "data with spaces" / name)
    for data_root in (None, tmp_path / "data with spaces"):
        for experiment in experiments(tmp_path / "out", data_root, full=full):
            python, flag, module, *words = shlex.split(command_of(experiment))
            assert (python, flag) == ("python", "-m")
            script = sys.modules[module]
            assert script.main is experiment.main
            assert parse(script.Config, words) == experiment.config


def test_options_of_the_default_are_left_out(tmp_path):
    fields = experiments(tmp_path, None)[0]
    assert command_of(fields) == f"python -m eval.receptive_fields --out {fields.folder}"


def test_facts_tell_data_weights_device_and_time(tmp_path):
    experiment = experiments(tmp_path, None)[0]
    result = {"network": "alexnet", "weights": "alexnet.ckpt", "layer": "conv4"}
    result |= {"pairs": 12, "train": {"faces": 30}, "protocol": plain(PF_WILLOW)}
    inputs = {"code": {"version": "1.0", "sources": "0123456789abcdef0123"}, "model": None}
    inputs |= {"records": {"rendered": "generator 3"}, "weights": "fedcba9876543210ffff"}
    write_json(make_folder(experiment.folder) / "result.json", result)
    write_run(experiment.folder, experiment.config, seconds=3.0)
    section = with_provenance(Section("A", ""), experiment, result, inputs)
    facts = section.facts
    assert facts["Data"] == "rendered (generator 3)"
    assert facts["Count"] == "12 pairs, 30 for training"
    assert facts["Network"] == "alexnet, conv4, from alexnet.ckpt"
    assert facts["Weights"] == "fedcba9876543210"
    assert facts["Protocol"].startswith(f"{PF_WILLOW.name}: error ≤ alpha × the longer side of the target")
    assert facts["Device"].startswith("CPU, ")
    assert facts["Time"].startswith("3 seconds")
    assert "Model" not in facts
    assert section.command == command_of(experiment)
