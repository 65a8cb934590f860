"""Progress bars: every item passes, and the bar says how many have."""

import contextlib
import io

import pytest

from convcorr_jax.runtime import bar, progress, status


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def colors(monkeypatch):
    """An environment in which Rich asks the stream alone whether it is a terminal."""
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_INTERACTIVE", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


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


def test_the_total_is_the_length_of_the_items(capsys):
    assert list(progress([5, 6, 7], description="a list")) == [5, 6, 7]
    assert "100%" in capsys.readouterr().err


def test_items_without_a_length_pass_too(capsys):
    assert list(progress(iter("ab"), description="a stream")) == ["a", "b"]
    assert "a stream" in capsys.readouterr().err


def test_no_items_are_no_error():
    assert list(progress([], description="nothing")) == []


def test_a_bar_begins_where_an_earlier_run_ended_and_shows_its_message(capsys):
    with bar("training", total=40, done=10) as update:
        update(20, message="loss 0.125")
    err = capsys.readouterr().err
    assert "50%" in err
    assert "loss 0.125" in err


def test_a_total_may_become_known_later(capsys):
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


@pytest.mark.usefixtures("colors")
def test_a_transient_bar_shows_bytes_on_a_terminal():
    with (
        contextlib.redirect_stderr(Terminal()) as terminal,
        bar("reading", transient=True, unit="bytes") as update,
    ):
        update(2_000_000, 4_000_000)
    assert "4.0 MB" in terminal.getvalue()


@pytest.mark.usefixtures("colors")
def test_a_status_line_changes_its_text_on_a_terminal():
    with contextlib.redirect_stderr(Terminal()) as terminal, status("reading") as set_status:
        set_status("writing")
    assert "writing" in terminal.getvalue()


def test_an_error_inside_passes_through(capsys):
    with pytest.raises(RuntimeError, match="stop"), bar("training", total=2):
        raise RuntimeError("stop")
