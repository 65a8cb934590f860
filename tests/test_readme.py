"""Commands of README and documentation: Python and `convcorr` are run, scripts and targets are parsed."""

import importlib
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import jax
import pytest
from PIL import Image
from skimage import data

from convcorr_jax import cli
from convcorr_jax.backbone.weights import load
from convcorr_jax.io import save_fitted
from convcorr_jax.pose import TrainedCascade, cascade
from convcorr_jax.runtime import parse
from tests.builders import house
from tests.builders.command_line import output_of
from tests.builders.fitted_models import keypoint_model, landmark_model
from tests.builders.leeds_tree import write_lsp
from tests.builders.pck_files import write_plain
from tests.builders.pose_architectures import TINY

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += sorted((ROOT / "docs").glob("[!g]*/*.md"))


def blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


COMMANDS = list(
    dict.fromkeys(
        line
        for page in PAGES
        for block in blocks(page, "sh")
        for line in block.splitlines()
        if line and not line.startswith("#")
    )
)
IN_TABLES = [
    command
    for page in PAGES
    for command in re.findall(r"^\| `([^`]+)` \|", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
]


# What the page of a review exports.
FOUND = {"id": 1, "image_id": 1, "category_id": 1, "keypoints": [120, 90, 2, 140, 220, 2]}
CORRECTED = {
    "images": [{"id": 1, "file_name": "photos/a.jpg", "width": 256, "height": 256, "reviewed": True}],
    "categories": [{"id": 1, "name": "face", "keypoints": ["nose", "chin"]}],
    "annotations": [FOUND | {"bbox": [9, 9, 200, 230]}],
}


def commands(first: str) -> list[list[str]]:
    return [shlex.split(line) for line in COMMANDS if shlex.split(line)[0] == first]


def test_every_command_is_of_a_kind_that_is_tested():
    kinds = {shlex.split(line)[0] for line in COMMANDS}
    tested = {"convcorr", "make", "python", "DATA=../shared/data"}
    assert kinds == {*tested, "git", "cd", "python3", ".", "pip"}


@pytest.fixture
def few_steps(monkeypatch):
    """Heads of annotation see few windows, and learn little."""
    # The room has a function of the module's name.
    module = sys.modules[importlib.import_module("convcorr_jax.annotation").annotate.__module__]
    for name in ("_STEPS", "_LEAST_WINDOWS", "_WINDOWS_EACH"):
        monkeypatch.setattr(module, name, 3)


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.stem)
def test_python_runs(page):
    """The blocks of a page follow each other."""
    names: dict[str, object] = {}
    for block in blocks(page, "python"):
        exec(compile(block, page.name, "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_import_rooms_only(page):
    assert house.readme_violations(page.read_text(encoding="utf-8")) == []


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("command", commands("convcorr"), ids=" ".join)
def test_convcorr_runs(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(data.chelsea()).save("cat1.jpg")
    Image.fromarray(data.chelsea()[20:280, 60:400]).save("cat2.jpg")
    for folder in ("photos", "others"):
        (tmp_path / folder).mkdir()
    for name in ("face.jpg", "person.jpg", "photos/a.jpg", "photos/b.jpg", "others/a.jpg", "others/b.jpg"):
        Image.fromarray(data.astronaut()[:256, 80:336]).save(name)
    # Points as far apart as these fill the face's photograph, so that annotate searches few angles.
    Path("points.csv").write_text("name,x,y\nnose,120,90\nchin,140,220\n", encoding="utf-8")
    (tmp_path / "labels").mkdir()
    Path("labels/corrected.json").write_text(json.dumps(CORRECTED), encoding="utf-8")
    write_lsp(tmp_path / "lsp_dataset")
    fingerprint = load("alexnet").fingerprint
    save_fitted(tmp_path / "runs" / "detectors" / "face", keypoint_model(fingerprint))
    save_fitted(tmp_path / "runs" / "landmarks" / "landmarks", landmark_model(fingerprint, features=9216))
    write_plain(tmp_path)
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


@pytest.mark.parametrize("line", [line for line in dict.fromkeys([*COMMANDS, *IN_TABLES]) if "make " in line])
def test_make_targets_exist(line):
    target = line.split()[-1]
    arguments = ["make", "--dry-run", "--directory", str(ROOT), target]
    found = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


def test_the_table_of_commands_is_found():
    assert {"convcorr align a.jpg b.jpg", "python -m train.pose_cascade", "make test"} <= set(IN_TABLES)


@pytest.mark.parametrize("command", [each for each in IN_TABLES if each.startswith(("convcorr ", "python "))])
def test_commands_of_the_table_exist(command):
    program, *words = shlex.split(command)
    if program == "convcorr":
        assert output_of(*words, "--help")
    else:
        assert words[0] == "-m"
        assert importlib.import_module(words[1]).Config
