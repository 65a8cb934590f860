"""The rules of the house hold in this repository, and each rule finds a violation that is planted for it."""

import ast
import graphlib
import importlib
import subprocess
import sys
import tomllib

import pytest

from tests.builders import house

DOCSTRING = '"""A file."""\n'
FLOW, LAYERS = "convcorr_jax/flow/warping.py", "convcorr_jax/pose/layers.py"
MODEL = "convcorr_jax/keypoints/model.py"
# A rule, a file, what is planted in it, and what the rule must report.
PLANTED = [
    ("imports", "convcorr_jax/metrics/pck.py", "from convcorr_jax.flow import align", "flow"),
    ("imports", "convcorr_jax/metrics/pck.py", "from convcorr_jax import datasets", "datasets"),
    ("imports", "convcorr_jax/datasets/records.py", "import convcorr_jax.backbone", "backbone"),
    ("imports", "convcorr_jax/tasks/pose.py", "from train.pose_cascade import main", "train"),
    ("imports", "eval/pose.py", "from train import pose_cascade", "train"),
    ("imports", "train/pose_cascade.py", "def main():\n    import eval.pose", "eval"),
    ("imports", FLOW, "from tests.builders import house", "tests"),
    ("files", LAYERS, "open('a')", "open"),
    ("files", LAYERS, "path.open('rb')", "path.open"),
    ("files", LAYERS, "path.read_text()", "path.read_text"),
    ("files", LAYERS, "path.write_bytes(b'')", "path.write_bytes"),
    ("files", "convcorr_jax/probes/rgb.py", "np.load(path)", "np.load"),
    ("files", "convcorr_jax/backbone/forward.py", "np.memmap(path, mode='r')", "np.memmap"),
    ("files", MODEL, "from convcorr_jax.io import write_arrays as write\nwrite('a')", "write"),
    ("signatures", FLOW, 'def warp(image, order=1):\n    "Warp."', "order"),
    ("signatures", "eval/pose.py", 'def score(a, b=None, *, c=1):\n    "Score."', "b"),
    ("signatures", LAYERS, 'def drop(maps, key):\n    "Drop."', "key"),
    ("signatures", LAYERS, 'class Layer:\n    def apply(self, x, size=1):\n        "Apply."', "size"),
    ("words", LAYERS, "told = 1", "told"),
    ("words", LAYERS, "def _f(given):\n    pass", "given"),
    ("words", LAYERS, "# in as far as it matters", "in as far as"),
    ("lengths", LAYERS, "def f():\n" + "    x = 1\n" * 60, "61 lines"),
    ("lengths", "eval/pose.py", "x = 1\n" * 151, "153 lines"),
    ("test imports", "tests/test_b.py", "from tests.flow.test_a import f", "test module"),
    ("test imports", "tests/test_b.py", "from tests.flow import test_a", "test module"),
    ("test imports", "tests/test_b.py", "from builders.house import f", "without 'tests.'"),
]


@pytest.fixture(scope="module")
def sources():
    return list(house.sources())


@pytest.mark.parametrize("rule", house.RULES)
def test_the_rules_hold(sources, rule):
    assert [found for source in sources for found in house.violations(rule, source)] == []


@pytest.mark.parametrize(("rule", "path", "violation", "report"), PLANTED)
def test_each_rule_finds_what_is_planted(rule, path, violation, report):
    text = DOCSTRING + violation + "\n"
    assert house.violations(rule, house.Source(path, DOCSTRING, ast.parse(DOCSTRING))) == []
    (found,) = house.violations(rule, house.Source(path, text, ast.parse(text)))
    assert found.startswith(path)
    assert report in found


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("D100", "x = 1\n"),
        ("D102", DOCSTRING + 'class Layer:\n    """A layer."""\n\n    def apply(self):\n        pass\n'),
        ("D103", DOCSTRING + "def drop(maps):\n    pass\n"),
        ("TID252", DOCSTRING + "from . import pyramid\n"),
        # jaxtyping reads annotations at run time.
        ("TID251", DOCSTRING + "from __future__ import annotations\n"),
        ("T201", DOCSTRING + "print('a')\n"),
    ],
)
def test_the_linter_finds_what_is_planted(rule, text):
    command = [sys.executable, "-m", "ruff", "check", "--output-format=concise", "-", "--stdin-filename"]
    for folder in ("convcorr_jax/flow", "eval"):
        ended = subprocess.run(
            [*command, f"{folder}/planted.py"], input=text, cwd=house.ROOT, capture_output=True, text=True
        )
        assert f" {rule} " in ended.stdout


def test_every_room_keeps_its_budget(sources):
    assert house.over_budget(house.sizes(sources)) == []
    files, lines = house.BUDGETS["flow"]
    assert house.over_budget({"flow": (files, lines)}) == []
    for planted in ({"flow": (files + 1, lines)}, {"flow": (files, lines + 1)}, {"new": (1, 1)}):
        assert house.over_budget(planted)[0].startswith(f"{next(iter(planted))} has ")


def test_every_room_has_a_list_of_imports():
    files = {path.stem for path in (house.ROOT / "convcorr_jax").glob("*.py")}
    folders = {path.parent.name for path in (house.ROOT / "convcorr_jax").glob("*/__init__.py")}
    assert files | folders | {"train", "eval"} == set(house.ALLOWED_IMPORTS)


def test_rooms_do_not_import_each_other_in_circles():
    inside = {
        room: rooms - {room, house.DRAWS_ITSELF.get(room, room)}
        for room, rooms in house.ALLOWED_IMPORTS.items()
    }
    graphlib.TopologicalSorter(inside).prepare()


def test_the_io_rule_knows_what_the_room_exports():
    assert set(vars(importlib.import_module("convcorr_jax.io"))) >= house.PURE_IN_IO


def test_readmes_import_rooms_only():
    """What the pages import, `test_readme` examines."""
    assert house.readme_violations("from convcorr_jax.flow.warping import warp\n")
    assert house.readme_violations("from convcorr_jax.flow import warp\n") == []


def test_paths_that_the_configuration_names_exist():
    tools = tomllib.loads((house.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    options = tools["pytest"]["ini_options"]
    paths = [*options["testpaths"], *options["pythonpath"], *tools["pyrefly"]["project-includes"]]
    assert [path for path in paths if not (house.ROOT / path).exists()] == []
