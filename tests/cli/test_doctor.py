"""``convcorr doctor`` and ``convcorr --version``: the installation, in words and as an object."""

import importlib.metadata
import json
import platform

import jax
import pytest

from convcorr_jax.backbone import NETWORKS
from convcorr_jax.backbone.weights import find
from convcorr_jax.cli import installation
from convcorr_jax.pose import PERSON
from tests.builders.command_line import assert_refused, needs_weights, run, run_all


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("CONVCORR_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("CONVCORR_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CONVCORR_COMPILATION_CACHE", str(tmp_path / "compiled"))
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    (tmp_path / "data" / "lsp").mkdir(parents=True)
    (tmp_path / "compiled").mkdir()
    (tmp_path / "compiled" / "program").write_bytes(bytes(1_500_000))
    # The program that is added here shall not depend on what JAX compiles meanwhile.
    monkeypatch.setattr("convcorr_jax.runtime.caches.enable", lambda: None)
    return tmp_path


def test_version_is_one_line_and_goes_with_no_command():
    number = importlib.metadata.version("convcorr_jax")
    assert run("--version") == (0, f"convcorr_jax {number}\n", "")
    assert_refused(run("align", "--version"), "Unrecognized options: --version")


@needs_weights
def test_the_summary_and_the_object_hold_versions_devices_and_folders(folders):
    ended, found = run_all("doctor")
    assert (ended.status, found["problems"]) == (0, [])
    assert found["version"] == importlib.metadata.version("convcorr_jax")
    assert found["python"] == platform.python_version()
    for name in ("jax", "jaxlib", "numpy", "flax"):
        assert found["packages"][name] == importlib.metadata.version(name)
    assert [device["platform"] for device in found["devices"]] == [device.platform for device in jax.devices()]
    assert found["weights"] == {
        "folder": str(folders / "weights"),
        "networks": {name: path and str(path) for name, path in ((name, find(name)) for name in NETWORKS)},
    }
    assert found["datasets"] == {"root": str(folders / "data"), "here": ["lsp"]}
    compiled = {"folder": str(folders / "compiled"), "writable": True, "megabytes": 1.5}
    assert found["compilation_cache"] == compiled
    assert str(PERSON) in [model["path"] for model in found["models"]]
    for part in (
        f"Python {platform.python_version()}",
        f"jax {jax.__version__}",
        f"weights of alexnet: {find('alexnet')}",
        "weights of caffenet: not here",
        f"fetched weights: {folders / 'weights'}",
        f"data sets: {folders / 'data'} (CONVCORR_DATA names another folder): lsp",
        f"compiled programs: {folders / 'compiled'} (1.5 MB)",
        "pose/person.npz",
    ):
        assert part in ended.out
    assert "problem" not in ended.out


def test_problems_are_listed_and_give_another_status(folders, monkeypatch):
    def no_device():
        raise RuntimeError("unable to initialize\nbackend 'cuda'")

    (folders / "file").write_text("no folder")
    monkeypatch.setenv("CONVCORR_COMPILATION_CACHE", str(folders / "file" / "compiled"))
    monkeypatch.setattr("convcorr_jax.backbone.weights.find", lambda name: None)
    monkeypatch.setattr(jax, "devices", no_device)
    monkeypatch.setenv("CONVCORR_DATA", str(folders / "absent"))
    monkeypatch.setattr(installation, "_REQUIRED", ("jax", "no-such-package"))
    ended = run("doctor")
    assert (ended.status, ended.err) == (1, "")
    assert [line for line in ended.out.splitlines() if line.startswith("problem")] == [
        "problem: no-such-package is not installed",
        "problem: JAX finds no device: unable to initialize backend 'cuda'",
        "problem: there are no weights of alexnet, which align, keypoints and landmarks need; "
        "run `convcorr weights fetch alexnet`",
        "problem: there are no weights of vgg16, which pose needs; run `convcorr weights fetch vgg16`",
        f"problem: compiled programs are not cached: {folders / 'file' / 'compiled'} cannot be written",
        f"problem: the data root {folders / 'absent'}, from CONVCORR_DATA, is not a folder; one that holds a "
        "folder for each data set is expected",
    ]
    assert "no-such-package missing" in ended.out
    assert "devices: none" in ended.out


def test_a_cache_that_is_off_is_no_problem(folders, monkeypatch):
    monkeypatch.setenv("CONVCORR_COMPILATION_CACHE", "off")
    monkeypatch.setattr("convcorr_jax.backbone.weights.find", lambda name: folders / name)
    found = json.loads(run("doctor", "--json").out)
    assert found["compilation_cache"]["folder"] is None
    assert found["problems"] == []
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(folders / "compiled"))
    found = json.loads(run("doctor", "--json").out)
    assert found["compilation_cache"]["folder"] == str(folders / "compiled")
