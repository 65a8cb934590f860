"""The rules of the house, read off the source: who imports whom, how functions take their arguments."""

import ast
import importlib
import inspect
import pkgutil
import tomllib
from pathlib import Path

import pytest

import convcorr_jax

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "convcorr_jax"

# A room may import from rooms of lower floors, and from its own.
FLOORS = (
    {"errors", "shapes", "coords", "images", "files", "point_files"},
    {"backbone", "metrics", "datasets"},
    {"descriptors", "retrieval", "linear"},
    {"flow"},
    {"keypoints", "patches", "photographs", "probes", "pose"},
    {"report", "runlog", "stages", "parallel", "checkpoint"},
    {"cli"},
    {"__main__"},
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# Only these open files: readers, writers, the command line.
OPENS_FILES = {
    *("files", "point_files", "datasets", "backbone"),
    *("cli", "runlog", "report", "stages", "checkpoint"),
}
MODULES = [
    info.name
    for info in pkgutil.walk_packages(convcorr_jax.__path__, "convcorr_jax.")
    if not info.name.endswith("__main__")
]


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


SOURCES = [path for path in sorted(PACKAGE.rglob("*.py")) if room_of(path) != "__init__"]


def imported_rooms(tree: ast.AST) -> set[str]:
    rooms = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("convcorr_jax"):
            parts = node.module.split(".")
            rooms |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
    return rooms & set(FLOOR)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    room = room_of(path)
    above = {
        other
        for other in imported_rooms(ast.parse(path.read_text(encoding="utf-8")))
        if other != room and FLOOR[other] > FLOOR[room]
    }
    assert not above, f"{room} imports from {above}, which stand on higher floors"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_algorithms_neither_open_files_nor_print(path):
    if room_of(path) in OPENS_FILES:
        return
    called = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"open", "print", "input"}


@pytest.mark.parametrize("name", MODULES)
def test_public_functions_follow_the_conventions(name):
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} has no docstring"
    for function in vars(module).values():
        if not inspect.isfunction(function) or function.__module__ != name:
            continue
        if function.__name__.startswith("_"):
            continue
        assert function.__doc__, f"{name}.{function.__name__} has no docstring"
        positional = [
            parameter.name
            for parameter in inspect.signature(function).parameters.values()
            if parameter.kind is not inspect.Parameter.KEYWORD_ONLY
        ]
        assert "key" not in positional[1:], f"{name}.{function.__name__}: a PRNG key comes first"


def test_no_annotations_are_postponed():
    """jaxtyping reads annotations at run time."""
    for path in SOURCES:
        assert "from __future__ import annotations" not in path.read_text(encoding="utf-8")


def test_paths_that_the_configuration_names_exist():
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    named = [
        *tools["pytest"]["ini_options"]["testpaths"],
        *tools["pytest"]["ini_options"]["pythonpath"],
        *tools["pyrefly"]["project-includes"],
    ]
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_dependency_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(name for extra in extras.values() for name in extra)]
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in pins}
    names = {name.split("=")[0].split(">")[0].split("<")[0].lower() for name in wanted}
    assert names <= pinned
    assert not [line for line in pins if "/" in line or "@" in line]
