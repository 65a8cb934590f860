"""How scripts end: with the path of their result, or with one sentence and an exit status."""

import json
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


RESULT = {
    **{"dataset": "cats", "pairs": 900, "protocol": {"alpha": 0.1}, "error": 0.25, "interval": [0.2, 0.3]},
    "methods": {
        name: {"pck": {"0.1": 0.5, "0.2": 1.0}, "interval": {"0.1": [0.4, 0.9]}} for name in ("flow", "copy")
    },
    "penalty": {"net": 0.00002, "rgb": 16598.5},
    "nets": {
        "net": {"may": "unknown", "bytes": 3, "sees": "all"},
        "rgb": {"may": "no", "bytes": 1, "sees": "little"},
    },
    "reasons": {"net": {"may": "unknown", "because": "no one has compared them"}},
    "joints": {f"joint {n}": {f"of person {k}": k * n for k in range(20)} for n in range(15)},
}
PRINTED = """\
dataset cats, pairs 900, error 0.250 [0.200, 0.300]

methods pck
                 0.1    0.2
flow           0.500  1.000
      [0.400, 0.900]
copy           0.500  1.000
      [0.400, 0.900]

           net    rgb
penalty  2e-05  16598

nets
         may  bytes
net  unknown      3
rgb       no      1

joints
          of person 0  of person 1  of person 2  of person 3  of person 4
joint 0             0            0            0            0            0
"""


def test_the_numbers_of_a_result_are_tables_of_80_columns(tmp_path, capsys):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(RESULT))
    run(Config, lambda _: path, None, argv=[])
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert "\n".join(lines).startswith(PRINTED)
    assert lines[-3:] == ["(3 more rows and 15 more columns in result.json)", "", str(path)]
    assert max(map(len, lines[:-1])) <= 80


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
