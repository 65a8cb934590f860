"""How scripts end: with the path of their result, or with one sentence and an exit status."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from convcorr_jax.errors import InputError, NumericalError, WriteError
from convcorr_jax.runtime import exit_status, run
from tests.builders.processes import printed


@dataclass(frozen=True)
class Config:
    """Options of a script."""

    count: int = 1
    """How many."""


def test_the_result_is_printed_and_a_wrong_option_is_one_sentence(capsys):
    run(Config, lambda config: Path(f"result{config.count}.json"), None, argv=["--count", "3"])
    assert capsys.readouterr() == ("result3.json\n", "")
    with pytest.raises(SystemExit) as ended:
        run(Config, lambda _: Path(), None, argv=["--count", "many"])
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), "many" in err) == ("", 1, True)


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(
    "error", [InputError("--count is 0"), NumericalError("nan"), WriteError("full"), ValueError("a bug")]
)
def test_errors_are_one_sentence_and_a_status_and_a_trace_on_demand(capsys, error, debug):
    def main(config):
        raise error

    with pytest.raises(SystemExit) as ended:
        run(Config, main, None, argv=["--debug"] if debug else [])
    assert ended.value.code == exit_status(error)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith(f"{error}\n")
    assert ("Traceback" in err) == debug
    assert debug or err.count("\n") == 1


@dataclass(frozen=True)
class _Reading:
    """Options of a script that reads files."""

    out: Path
    """The folder of results."""
    data: str = ""
    """A data set."""
    files: tuple[Path, ...] = ()
    """Predictions."""


@pytest.mark.parametrize(
    ("argv", "is_refused"),
    [
        (["--files", "x/other.npz", "x/../out/predictions.npz"], True),
        (["--data", "out"], True),
        (["--files", "x/other.npz", "out/x/predictions.npz"], False),
        (["--data", "outside"], False),
    ],
)
def test_results_overwrite_nothing_that_is_read(tmp_path, monkeypatch, capsys, argv, is_refused):
    monkeypatch.chdir(tmp_path)
    for folder in ("x", "out/x"):
        Path(folder).mkdir(parents=True)
    Path("out/predictions.npz").write_bytes(b"theirs")
    Path("out/x/predictions.npz").write_bytes(b"theirs")

    def program() -> Path:
        return run(_Reading, lambda _: Path("result.json"), None, argv=["--out", "out", *argv])

    if not is_refused:
        assert program() == Path("result.json")
        return
    with pytest.raises(SystemExit):
        program()
    assert "results in --out out could overwrite what is read, " in capsys.readouterr().err


def test_errors_are_what_they_are_caught_as():
    assert issubclass(InputError, ValueError)
    assert issubclass(NumericalError, ArithmeticError)
    assert issubclass(WriteError, OSError)
    assert not any(issubclass(error, InputError) for error in (NumericalError, WriteError))


def test_importing_the_room_imports_neither_jax_nor_orbax():
    code = (
        "import sys, convcorr_jax.runtime, convcorr_jax.runtime.script\n"
        "sys.exit(any(name in sys.modules for name in ('jax', 'orbax', 'numpy', 'rich')))"
    )
    printed("-c", code)


def test_every_public_name_of_the_room_can_be_imported():
    import convcorr_jax.runtime as room

    for name in room._MODULE_OF:
        assert getattr(room, name) is not None
    assert callable(room.progress)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        room.nothing  # noqa: B018
