"""Progress on the terminal: bars and status lines on the error stream.

Rich is imported when the first bar is drawn, so that a command's help does not wait for it.
"""

import contextlib
import contextvars
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Literal, Protocol, TypeVar, runtime_checkable

Item = TypeVar("Item")

_hidden: contextvars.ContextVar[bool] = contextvars.ContextVar("hidden", default=False)


@runtime_checkable
class Update(Protocol):
    """The function that moves a progress bar."""

    def __call__(self, done: int, total: int | None = None, *, message: str = "") -> None:
        """Set the number of units done, of all (None: as before), and the text at the right of the bar."""
        ...


@contextlib.contextmanager
def hidden(*, enabled: bool = True) -> Iterator[None]:
    """Show no bar and no status line during a ``with`` block; ``enabled=False`` leaves them as they are."""
    token = _hidden.set(enabled or _hidden.get())
    try:
        yield
    finally:
        _hidden.reset(token)


def progress(items: Iterable[Item], *, description: str, total: int | None = None) -> Iterator[Item]:
    """Yield items while a bar shows how many of them are done, of all if their number is known."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with bar(description, total=total) as update:
        for done, item in enumerate(items, 1):
            yield item
            update(done)


@contextlib.contextmanager
def bar(
    description: str,
    *,
    total: int | None = None,
    done: int = 0,
    unit: Literal["items", "bytes"] = "items",
    transient: bool = False,
) -> Iterator[Update]:
    """Show a progress bar on the error stream during a ``with`` block; yield the function that moves it.

    The ``total`` is None while it is unknown. The unit ``"items"`` shows the share that is done, ``"bytes"``
    the amount of a download. A transient bar is removed at the end, and shown on a terminal only.
    """
    from rich import progress as bars
    from rich.console import Console

    console = Console(stderr=True, quiet=_hidden.get())
    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.DownloadColumn() if unit == "bytes" else bars.TaskProgressColumn(),
        bars.TimeRemainingColumn(elapsed_when_finished=True),
        bars.TextColumn("{task.fields[message]}"),
    )
    # Rich would end a transient bar with an empty line in a log file.
    hidden = transient and not console.is_terminal
    with bars.Progress(*columns, console=console, transient=transient, disable=hidden) as shown:
        task = shown.add_task(description, total=total, completed=done, message="")

        def update(done: int, total: int | None = None, *, message: str = "") -> None:
            shown.update(task, completed=done, total=total, message=message)

        yield update


@contextlib.contextmanager
def status(text: str) -> Iterator[Callable[[str], None]]:
    """Show a line with a spinner on the error stream during a ``with`` block, if that is a terminal.

    The function that is yielded changes its text.
    """
    from rich.console import Console

    with Console(stderr=True, quiet=_hidden.get()).status(text) as line:
        yield lambda text: line.update(text)


def note(text: str) -> None:
    """Print a line on the standard error, unless bars are hidden."""
    from rich.console import Console

    Console(stderr=True, quiet=_hidden.get(), soft_wrap=True).print(text, markup=False, highlight=False)
