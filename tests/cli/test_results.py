"""What commands print at their end: a summary, one JSON object, or nothing."""

import contextlib
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest

from convcorr_jax.backbone.weights import OFFICIAL, find
from convcorr_jax.cli.arguments import OutputOptions, Result, as_json, format_result, write_points_and_figure
from convcorr_jax.datasets import DATASETS
from convcorr_jax.io import read_points
from convcorr_jax.runtime import bar, status
from convcorr_jax.runtime.progress import hidden
from tests.builders.command_line import Terminal, assert_refused, needs_weights, run
from tests.builders.leeds_tree import write_lsp


def test_values_become_what_json_stores():
    values = {
        "path": Path("a") / "b",
        "array": np.array([[1.0, math.nan], [math.inf, 2.0]], np.float32),
        "scalar": np.float64(0.5),
        "shape": (2, 3),
        "nothing": None,
    }
    assert as_json(values) == {
        "path": "a/b",
        "array": [[1.0, None], [None, 2.0]],
        "scalar": 0.5,
        "shape": [2, 3],
        "nothing": None,
    }


@pytest.mark.parametrize(
    ("options", "printed"),
    [
        (OutputOptions(), "first\nsecond\n"),
        (OutputOptions(quiet=True), ""),
        (OutputOptions(json=True), '{"name": "Šárka"}\n'),
        (OutputOptions(json=True, quiet=True), '{"name": "Šárka"}\n'),
    ],
)
def test_a_result_is_a_summary_or_an_object_or_nothing(options, printed):
    assert format_result(Result(["first", "second"], {"name": "Šárka"}), options) == printed


def test_hidden_progress_writes_nothing_to_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")

    def shown():
        terminal = Terminal(io.BytesIO(), "utf-8")
        with contextlib.redirect_stderr(terminal):
            with bar("counting") as update:
                update(1, 2)
            with status("reading") as set_status:
                set_status("drawing")
        terminal.flush()
        return terminal.buffer.getvalue()

    with hidden(enabled=False):
        assert b"counting" in shown()
    with hidden():
        assert shown() == b""
        with hidden(enabled=False):
            assert shown() == b""
    assert b"drawing" in shown()


def printed(*argv):
    """The object that a command prints, alone on the standard output, with its exit status."""
    ended = run(*argv, "--json")
    assert ended.err == ""
    assert ended.out.count("\n") == 1
    quiet = run(*argv, "--quiet")
    assert quiet == (ended.status, "", "")
    return json.loads(ended.out), ended.status


def test_weights_list(monkeypatch, tmp_path):
    monkeypatch.setenv("CONVCORR_WEIGHTS", str(tmp_path))
    found, code = printed("weights", "list")
    assert (found["folder"], code) == (str(tmp_path), 0)
    assert [one["network"] for one in found["networks"]] == list(OFFICIAL)
    assert [one["checksum"] for one in found["networks"]] == [one.checksum for one in OFFICIAL.values()]
    paths = {name: find(name) for name in OFFICIAL}
    assert {one["network"]: one["path"] for one in found["networks"]} == {
        name: path and str(path) for name, path in paths.items()
    }


@needs_weights
def test_weights_check(monkeypatch, tmp_path):
    monkeypatch.setenv("CONVCORR_WEIGHTS", str(tmp_path))
    found, code = printed("weights", "check", "alexnet")
    expected = {"network": "alexnet", "source": "alexnet.ckpt", "last_layer": "pool5"}
    assert (found, code) == ({"weights": [expected]}, 0)


def test_weights_fetch(monkeypatch, tmp_path):
    monkeypatch.setattr("convcorr_jax.backbone.weights.fetch", lambda name, **_: tmp_path / name)
    found, code = printed("weights", "fetch", "vgg16")
    assert (found, code) == ({"network": "vgg16", "path": str(tmp_path / "vgg16")}, 0)


def test_datasets(tmp_path):
    release = write_lsp(tmp_path / "lsp")
    found, _ = printed("datasets", "list", "--data-root", tmp_path)
    assert {one["name"] for one in found["datasets"]} == set(DATASETS)
    assert [one["path"] for one in found["datasets"] if one["path"]] == [str(release)]

    (release / "images/im0003.jpg").unlink()
    out = tmp_path / "out"
    found, _ = printed("datasets", "prepare", "lsp", "--source", release, "--out", out)
    assert found["folder"] == str(out / "lsp/1.0.0")
    assert found["counts"] == {"train": 3}
    assert found["official_counts"] == {"train": 1000, "test": 1000}
    assert [one["source_id"] for one in found["absent"]] == ["im0003.jpg"]

    found, code = printed("datasets", "check", release)
    assert (found["changes_scores"], found["records"], code) == (True, 3, 1)
    absent = [one for one in found["findings"] if "im0003.jpg" in str(one["cases"])]
    assert absent

    sheet = out / "sheet.png"
    found, _ = printed("datasets", "show", release, "--n", 2, "--out", sheet)
    assert found == {"figure": str(sheet), "source_ids": ["im0001.jpg", "im0002.jpg"]}


def test_points_are_listed_as_in_the_table(tmp_path):
    points = np.array([[1.5, 2.0], [3.0, 4.25]])
    figure = np.zeros((8, 9, 3), np.uint8)
    result = write_points_and_figure(
        *(tmp_path / "face.png", figure, ("nose", "chin"), points),
        what="landmarks",
        confidence=np.array([0.5, 1.0]),
    )
    assert result.lines[0] == "2 landmarks."
    assert as_json(result.values) == {
        "figure": str(tmp_path / "face.png"),
        "table": str(tmp_path / "face.csv"),
        "points": [
            {"name": "nose", "x": 1.5, "y": 2.0, "confidence": 0.5},
            {"name": "chin", "x": 3.0, "y": 4.25, "confidence": 1.0},
        ],
    }
    np.testing.assert_array_equal(read_points(tmp_path / "face.csv").points, points)


@pytest.mark.parametrize("option", ["--json", "--quiet"])
@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (("weights", "check", "none.npz"), "none.npz does not exist"),
        (("align", "a.png", "b.png", "--smothness", "3"), "Unrecognized options: --smothness"),
    ],
)
def test_an_error_is_a_sentence_with_every_option(option, argv, sentence):
    assert_refused(run(*argv, option), sentence)
