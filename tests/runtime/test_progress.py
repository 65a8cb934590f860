"""Progress bars: every item passes, and the bar says how many have."""

import contextlib
import io

import pytest

from convcorr_jax.runtime import bar, progress, status
from tests.builders.command_line import Terminal


def test_items_pass_in_order_and_only_when_asked_for(capsys):
    taken = []

    def items():
        for number in range(3):
            taken.append(number)
            yield number

    shown = progress(items(), description="counting", total=3)
    assert taken == []
    assert next(shown) == 0
    assert taken == [0]
    assert list(shown) == [1, 2]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "counting" in captured.err
    assert "100%" in captured.err


@pytest.mark.parametrize(("items", "text"), [([5, 6, 7], "100%"), ("ab", "a bar"), ((), "a bar")])
def test_items_with_and_without_a_length_pass(capsys, items, text):
    shown = items if isinstance(items, list) else iter(items)
    assert list(progress(shown, description="a bar")) == list(items)
    assert text in capsys.readouterr().err


def test_a_bar_begins_where_an_earlier_run_ended_and_a_total_may_become_known_later(capsys):
    with bar("training", total=40, done=10) as update:
        update(20, message="loss 0.125")
    err = capsys.readouterr().err
    assert "50%" in err
    assert "loss 0.125" in err
    with bar("reading") as update:
        update(1, 4)
        update(3)
    assert "75%" in capsys.readouterr().err


def test_a_transient_bar_leaves_no_line_in_a_file(capsys):
    with bar("reading", transient=True, unit="bytes") as update:
        update(1, 4)
    with status("reading") as set_status:
        set_status("writing")
    assert capsys.readouterr() == ("", "")


def test_a_transient_bar_shows_bytes_and_a_status_line_its_text_on_a_terminal(monkeypatch):
    # Rich asks the stream alone whether it is a terminal.
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_INTERACTIVE", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    terminal = Terminal(io.BytesIO(), encoding="utf-8", write_through=True)
    with contextlib.redirect_stderr(terminal):
        with bar("reading", transient=True, unit="bytes") as update:
            update(2_000_000, 4_000_000)
        with status("reading") as set_status:
            set_status("writing")
    shown = terminal.buffer.getvalue().decode()
    assert "4.0 MB" in shown
    assert "writing" in shown


def test_an_error_inside_passes_through(capsys):
    with pytest.raises(RuntimeError, match="stop"), bar("training", total=2):
        raise RuntimeError("stop")
