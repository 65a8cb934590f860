"""The record of a run: what ``run.json`` holds, and when a run counts as finished."""

import json
import math
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import jax
import pytest

from convcorr_jax.runtime import finished_config, plain, write_results, write_run
from tests.builders.house import ROOT


@dataclass(frozen=True)
class Part:
    dataset: str = "lspet"
    root: Path | None = Path("/data")


@dataclass(frozen=True)
class Config:
    part: Part = Part()
    sizes: tuple[int, ...] = (3, 5)
    out: Path = Path("runs/x")
    rate: float = 0.25


PLAIN = {"part": {"dataset": "lspet", "root": "/data"}, "sizes": [3, 5], "out": "runs/x", "rate": 0.25}


def test_a_configuration_is_plain_json():
    assert plain(Config()) == PLAIN
    assert json.loads(json.dumps(plain(Config()))) == PLAIN
    assert plain([Part(root=None), (1, "a")]) == [{"dataset": "lspet", "root": None}, [1, "a"]]


def test_both_files_are_written_and_the_result_is_returned(tmp_path):
    out = tmp_path / "new" / "run"
    path = write_results(out, {"pck": [0.5, None]}, Config(), started=time.perf_counter() - 3.0)
    assert path == out / "result.json"
    assert json.loads(path.read_text()) == {"pck": [0.5, None]}
    assert sorted(file.name for file in out.iterdir()) == ["result.json", "run.json"]
    recorded = json.loads((out / "run.json").read_text())
    assert recorded["config"] == PLAIN
    assert 3.0 <= recorded["seconds"] < 60.0
    assert recorded["peak_memory_mb"] > 10
    if (ROOT / ".git").exists():
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert head.stdout.startswith(recorded["commit"].removesuffix("+"))
    assert recorded["versions"]["jax"] == jax.__version__
    assert recorded["device"].startswith(f"{jax.devices()[0].platform}: ")
    assert finished_config(out) == PLAIN
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_results(tmp_path / "other", {"pck": math.nan}, Config(), started=0.0)
    assert finished_config(tmp_path / "other") is None


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "\x00", '{"confi'])
def test_a_damaged_record_is_that_of_no_finished_run(tmp_path, content):
    write_run(tmp_path, Config(), seconds=1.0)
    assert finished_config(tmp_path) == PLAIN
    (tmp_path / "run.json").write_text(content)
    assert finished_config(tmp_path) is None
