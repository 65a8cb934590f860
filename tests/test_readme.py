"""The README's commands: Python is run, `convcorr` is run on photographs, scripts and targets are parsed."""

import importlib
import re
import shlex
import subprocess
from pathlib import Path

import jax
import pytest
from PIL import Image
from skimage import data

from convcorr_jax import cli
from convcorr_jax.io import save_fitted
from convcorr_jax.pose import cascade
from convcorr_jax.pose.trained import TrainedCascade
from convcorr_jax.runtime.options import parse
from tests.builders.keypoint_models import write_model
from tests.builders.landmark_probes import write_probe
from tests.builders.leeds_tree import write_lsp
from tests.builders.pose_architectures import TINY

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


COMMANDS = [line for block in blocks("sh") for line in block.splitlines() if line]


def commands(first: str) -> list[list[str]]:
    return [shlex.split(line) for line in COMMANDS if shlex.split(line)[0] == first]


def test_every_command_is_of_a_kind_that_is_tested():
    kinds = {shlex.split(line)[0] for line in COMMANDS}
    assert kinds == {"pip", "convcorr", "make", "python", "DATA=../shared/data"}


@pytest.mark.parametrize("block", blocks("python"))
def test_python_runs(block):
    exec(compile(block, "README.md", "exec"), {})


@pytest.mark.parametrize("command", commands("convcorr"), ids=" ".join)
def test_convcorr_runs(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(data.chelsea()).save("cat1.jpg")
    Image.fromarray(data.chelsea()[20:280, 60:400]).save("cat2.jpg")
    for name in ("face.jpg", "person.jpg"):
        Image.fromarray(data.astronaut()[:256, 80:336]).save(name)
    write_lsp(tmp_path / "lsp_dataset")
    write_model(tmp_path / "runs" / "detectors" / "face")
    write_probe(tmp_path / "runs" / "landmarks" / "landmarks")
    if command[1] == "pose":
        params = cascade.init(jax.random.key(0), TINY)
        save_fitted(tmp_path / "runs" / "pose" / "model", TrainedCascade(params, TINY, {}))
    if "data/lsp" in command:
        prepare = "datasets prepare lsp --source lsp_dataset --out data --processes 1"
        assert cli.main(argv=prepare.split()) == 0
    # Four people are not the official 2000.
    assert cli.main(argv=command[1:]) == (1 if command[1:3] == ["datasets", "check"] else 0)
    assert capsys.readouterr().out
    for name in re.findall(r"--out (\S+)", " ".join(command)):
        assert (tmp_path / name).stat().st_size > 0


@pytest.mark.parametrize("command", commands("python"), ids=" ".join)
def test_script_options_exist(command):
    assert command[1] == "-m"
    module = importlib.import_module(command[2])
    parse(module.Config, command[3:])


@pytest.mark.parametrize("line", [line for line in COMMANDS if "make " in line])
def test_make_targets_exist(line):
    target = line.split()[-1]
    arguments = ["make", "--dry-run", "--directory", str(ROOT), target]
    found = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
