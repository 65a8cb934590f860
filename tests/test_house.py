"""The rules of the house hold in this repository, and each rule finds a violation that is planted for it."""

import graphlib
import importlib
import re
import tomllib
from pathlib import Path

import pytest

from tests.builders import house

ROOT = Path(__file__).parents[1]
RULES = {
    "imports": house.import_violations,
    "files": house.file_violations,
    "signatures": house.signature_violations,
    "words": house.word_violations,
    "lengths": house.length_violations,
    "test imports": house.test_import_violations,
    "budgets": house.budget_violations,
}
DOCSTRING = '"""A file."""\n'
# A rule, a file, what is planted in it, and what the rule must report.
PLANTED = [
    ("imports", "convcorr_jax/metrics/pck.py", "from convcorr_jax.flow import align", "flow"),
    ("imports", "convcorr_jax/metrics/pck.py", "from convcorr_jax import datasets", "datasets"),
    ("imports", "convcorr_jax/datasets/records.py", "import convcorr_jax.backbone", "backbone"),
    ("imports", "convcorr_jax/tasks/pose.py", "from train.pose_cascade import main", "train"),
    ("imports", "eval/pose.py", "from train import pose_cascade", "train"),
    ("imports", "train/pose_cascade.py", "def main():\n    import eval.pose", "eval"),
    ("imports", "convcorr_jax/flow/warping.py", "from . import pyramid", "relative"),
    ("imports", "convcorr_jax/flow/warping.py", "from tests.builders import house", "tests"),
    ("files", "convcorr_jax/pose/cascade.py", "open('a')", "open"),
    ("files", "convcorr_jax/pose/cascade.py", "path.open('rb')", "path.open"),
    ("files", "convcorr_jax/pose/cascade.py", "path.read_text()", "path.read_text"),
    ("files", "convcorr_jax/probes/rgb.py", "np.load(path)", "np.load"),
    ("files", "convcorr_jax/patches/views.py", "np.memmap(path, mode='r')", "np.memmap"),
    ("files", "convcorr_jax/flow/pyramid.py", "print('a')", "print"),
    (
        "files",
        "convcorr_jax/keypoints/model.py",
        "from convcorr_jax.io import write_arrays as write\nwrite('a')",
        "write",
    ),
    ("files", "convcorr_jax/backbone/forward.py", "path.write_bytes(b'')", "path.write_bytes"),
    ("signatures", "convcorr_jax/flow/warping.py", 'def warp(image, order=1):\n    "Warp."', "order"),
    ("signatures", "eval/pose.py", 'def score(a, b=None, *, c=1):\n    "Score."', "b"),
    ("signatures", "convcorr_jax/pose/layers.py", 'def drop(maps, key):\n    "Drop."', "key"),
    ("signatures", "convcorr_jax/pose/layers.py", "def drop(maps):\n    pass", "docstring"),
    (
        "signatures",
        "convcorr_jax/pose/layers.py",
        'class Layer:\n    def apply(self, x, size=1):\n        "Apply."',
        "size",
    ),
    ("words", "convcorr_jax/pose/layers.py", "told = 1", "told"),
    ("words", "convcorr_jax/pose/layers.py", "def _f(given):\n    pass", "given"),
    ("words", "convcorr_jax/pose/layers.py", "# in as far as it matters", "in as far as"),
    ("lengths", "convcorr_jax/pose/layers.py", "def f():\n" + "    x = 1\n" * 60, "61 lines"),
    ("lengths", "eval/pose.py", "x = 1\n" * 151, "153 lines"),
    ("test imports", "tests/test_b.py", "from tests.flow.test_a import f", "test module"),
    ("test imports", "tests/test_b.py", "from tests.flow import test_a", "test module"),
    ("test imports", "tests/test_b.py", "from builders.house import f", "without 'tests.'"),
]


@pytest.mark.parametrize("rule", RULES)
def test_the_rules_hold(rule):
    assert RULES[rule](ROOT) == []


@pytest.mark.parametrize(("rule", "path", "violation", "report"), PLANTED)
def test_each_rule_finds_what_is_planted(tmp_path, rule, path, violation, report):
    for folder in ("convcorr_jax", "train", "eval", "tests/builders"):
        (tmp_path / folder).mkdir(parents=True)
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(DOCSTRING, encoding="utf-8")
    assert RULES[rule](tmp_path) == []
    file.write_text(DOCSTRING + violation + "\n", encoding="utf-8")
    (found,) = RULES[rule](tmp_path)
    assert found.startswith(path)
    assert report in found


def test_a_room_beyond_its_budget_is_found(tmp_path):
    room = tmp_path / "convcorr_jax" / "flow"
    room.mkdir(parents=True)
    (room / "warping.py").write_text("x = 1\n" * house.BUDGETS["flow"][1], encoding="utf-8")
    assert house.budget_violations(tmp_path) == []
    (room / "more.py").write_text("x = 1\n", encoding="utf-8")
    (found,) = house.budget_violations(tmp_path)
    assert found.startswith("flow has 2 files")


def test_every_room_has_a_list_of_imports():
    files = {path.stem for path in (ROOT / "convcorr_jax").glob("*.py")}
    folders = {path.parent.name for path in (ROOT / "convcorr_jax").glob("*/__init__.py")}
    assert files | folders | {"train", "eval"} == set(house.ALLOWED_IMPORTS)


def test_rooms_do_not_import_each_other_in_circles():
    inside = {room: rooms - {room} for room, rooms in house.ALLOWED_IMPORTS.items()}
    graphlib.TopologicalSorter(inside).prepare()


def test_the_io_rule_knows_what_the_room_exports():
    exported = set(vars(importlib.import_module("convcorr_jax.io")))
    assert exported >= house.PURE_IN_IO


def test_the_readme_imports_rooms_only():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert house.readme_violations(text) == []
    assert house.readme_violations("from convcorr_jax.flow.warping import warp\n")


def test_no_annotations_are_postponed():
    """jaxtyping reads annotations at run time."""
    for source in house.sources(ROOT, "convcorr_jax", "train", "eval"):
        assert "from __future__ import annotations" not in source.text, source.path


def test_paths_that_the_configuration_names_exist():
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    paths = [
        *tools["pytest"]["ini_options"]["testpaths"],
        *tools["pytest"]["ini_options"]["pythonpath"],
        *tools["pyrefly"]["project-includes"],
    ]
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_dependency_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    required = [*project["dependencies"], *(name for extra in extras.values() for name in extra)]
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in pins}
    names = {re.split(r"[=<>\[]", name)[0].lower() for name in required}
    assert names <= pinned
    assert not [line for line in pins if "/" in line or "@" in line]
