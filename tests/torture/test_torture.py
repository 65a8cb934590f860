"""A few kills of the quick programs, and the harness itself with planted faults."""

import json

import pytest

from tests.torture import harness
from tests.torture.harness import content, disturb


@pytest.mark.parametrize("name", ["stages", "sums", pytest.param("prepared", marks=pytest.mark.slow)])
def test_killed_runs_end_at_the_same_files(tmp_path, name):
    assert disturb(name, tmp_path, kills=2, seed=1, full_disks=False) == (2, 0, ())


def test_differences_are_found(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "checkpoints" / "3" / "deep").mkdir(parents=True)
        (tmp_path / name / "result.json").write_text(json.dumps({"pck": 0.5, "seconds": name}))
        (tmp_path / name / "run.json").write_text(json.dumps({"started": name}))
        (tmp_path / name / "checkpoints" / "3" / "deep" / name).write_text(name)
    assert content(tmp_path / "a") == content(tmp_path / "b")
    (tmp_path / "b" / "result.json").write_text(json.dumps({"pck": 0.6, "seconds": 1}))
    (tmp_path / "b" / ".left.npz").write_bytes(b"half")
    (tmp_path / "b" / "run.json").unlink()
    found = harness._differences("run", content(tmp_path / "a"), content(tmp_path / "b"))
    assert found == ["run: .left.npz is new", "run: result.json is other", "run: run.json is missing"]
