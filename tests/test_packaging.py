"""What the wheel holds, and that the project's extras, pins and Python versions agree."""

import re
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Files that the package reads at run time, or that its users need.
DATA = {".css", ".html", ".js", ".json", ".md", ".npz", ".typed"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel as an archive, built from the working tree without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    names = wheel.namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"convcorr_jax", f"convcorr_jax-{PROJECT['version']}.dist-info"}
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".tmp"))]


def test_the_wheel_holds_every_tracked_file_of_the_package(wheel):
    tracked = subprocess.run(
        ["git", "ls-files", "convcorr_jax"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    present = {name for name in tracked if name and (ROOT / name).exists()}
    assert "convcorr_jax/py.typed" in present
    assert present <= set(wheel.namelist())
    assert {Path(name).suffix for name in present} <= {".py", *DATA}


def test_every_shipped_model_has_its_card(wheel):
    names = set(wheel.namelist())
    models = [name for name in names if name.endswith(".npz")]
    assert "convcorr_jax/pose/person.npz" in models
    for model in models:
        assert model.replace(".npz", ".json") in names
        assert model.replace(".npz", ".md") in names


def test_the_wheel_states_the_licence_and_the_command(wheel):
    info = f"convcorr_jax-{PROJECT['version']}.dist-info"
    assert b"Apache License" in wheel.read(f"{info}/licenses/LICENSE")
    assert "convcorr = convcorr_jax.__main__:main" in wheel.read(f"{info}/entry_points.txt").decode()
    metadata = wheel.read(f"{info}/METADATA").decode()
    assert "License-Expression: Apache-2.0" in metadata
    extras = set(re.findall(r"^Provides-Extra: (\w+)$", metadata, flags=re.MULTILINE))
    assert extras == set(PROJECT["optional-dependencies"])
    assert extras >= {"weights", "datasets", "cuda", "docs"}


def test_pins_satisfy_the_bounds():
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    assert not [pin for pin in pins if "/" in pin or "@" in pin]
    pinned = {canonicalize_name(pin.split("==")[0]): pin.split("==")[1] for pin in pins}
    extras = PROJECT["optional-dependencies"].values()
    for line in [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]:
        requirement = Requirement(line)
        assert requirement.specifier, f"{line} has no bounds"
        assert pinned[canonicalize_name(requirement.name)] in requirement.specifier, line


def test_classifiers_name_the_versions_that_are_supported():
    least = PROJECT["requires-python"].removeprefix(">=")
    versions = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)]
    assert versions[0] == least
    assert versions == [f"3.{11 + number}" for number in range(len(versions))]
