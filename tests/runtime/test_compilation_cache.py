"""Programs that one process compiles are read from disk by the next."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from convcorr_jax.runtime import caches, parse
from convcorr_jax.runtime.caches import OFF, VARIABLE, cache_folder, enable, prune

# A script that adds numbers, and counts the programs that it compiles and those that it reads.
_SCRIPT = """
import sys
from convcorr_jax.runtime import caches
assert "jax" not in sys.modules or sys.argv[1] == "late"
if sys.argv[1] == "late":
    import jax
caches.enable()
import jax
events = []
jax.monitoring.register_event_listener(lambda name, **_: events.append(name.rsplit("/", 1)[-1]))
assert float(jax.jit(lambda x: x * 3 + 1)(2.0)) == 7
print(events.count("cache_hits"), events.count("cache_misses"))
"""


def _run(folder: Path, when: str) -> tuple[str, str]:
    # Tests have a cache of their own (tests/conftest.py), which would take precedence.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", _SCRIPT, when],
        env=inherited | {VARIABLE: str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout.strip(), ended.stderr


def test_the_second_process_reads_what_the_first_compiled(tmp_path):
    folder = tmp_path / "compiled"
    assert _run(folder, "early") == ("0 1", "")
    assert _run(folder, "late") == ("1 0", "")
    (programs,) = folder.iterdir()
    assert programs.name.startswith("jax-")
    assert list(programs.iterdir())


def test_off_and_folders_that_cannot_be_made_are_not_used(monkeypatch, tmp_path):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    (tmp_path / "file").touch()
    for chosen in (tmp_path / "file" / "below", OFF):
        monkeypatch.setenv(VARIABLE, str(chosen))
        assert enable() is None


def test_the_folder_is_the_users_cache(monkeypatch, tmp_path):
    """`tests/datasets/test_loading.py` has the folders of all systems."""
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "convcorr_jax" / "compiled"

    def no_home() -> Path:
        raise RuntimeError("there is no home folder")

    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setattr(Path, "home", no_home)
    assert cache_folder() is None
    assert enable() is None


def test_a_folder_that_the_user_chose_for_jax_stays(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "ours"))
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "other"))
    assert enable() is None
    assert not (tmp_path / "ours").exists()


def test_the_oldest_programs_are_removed_first(tmp_path):
    (tmp_path / "old").mkdir()
    names = ["new", "old/middle", "old/oldest"]
    for age, name in enumerate(names):
        (tmp_path / name).write_bytes(bytes(100))
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    for _ in range(2):
        prune(tmp_path, largest_bytes=250)
        assert [(tmp_path / name).exists() for name in names] == [True, True, False]


def test_an_option_turns_the_cache_off(monkeypatch, tmp_path, capsys):
    @dataclass(frozen=True)
    class Config:
        """Options."""

        count: int = 1

    monkeypatch.setenv(VARIABLE, str(tmp_path / "compiled"))
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    assert parse(Config, ["--no-compilation-cache", "--count", "3"]) == Config(3)
    assert cache_folder() is None
    assert enable() is None
    assert not (tmp_path / "compiled").exists()
    with pytest.raises(SystemExit):
        parse(Config, ["--help"])
    assert "--no-compilation-cache" in capsys.readouterr().out


@pytest.mark.parametrize("change", ["version", "processor"])
def test_other_versions_and_processors_have_other_folders(monkeypatch, change):
    before = caches._kind_of_program()
    if change == "version":
        monkeypatch.setattr("importlib.metadata.version", lambda package: "99.0")
    else:
        monkeypatch.setattr(caches.platform, "machine", lambda: "another")
    assert caches._kind_of_program() != before
