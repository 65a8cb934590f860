"""What commands print at their end: a summary, one JSON object, or nothing."""

import contextlib
import io
import math
from pathlib import Path

import numpy as np
import pytest

from convcorr_jax.cli.arguments import OutputOptions, Result, as_json, format_result
from convcorr_jax.runtime import bar, status
from convcorr_jax.runtime.progress import hidden
from tests.builders.command_line import Terminal


def test_values_become_what_json_stores():
    values = {"path": Path("a") / "b", "array": np.array([[1.0, math.nan], [math.inf, 2.0]], np.float32)}
    assert as_json(values) == {"path": "a/b", "array": [[1.0, None], [None, 2.0]]}
    values = {"scalar": np.float64(0.5), "shape": (2, 3), "nothing": None}
    assert as_json(values) == {"scalar": 0.5, "shape": [2, 3], "nothing": None}


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
