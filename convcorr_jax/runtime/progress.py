"""The record of a run: ``run.json``, written beside its results.

Progress on the terminal: bars and status lines on the error stream.

Rich is imported when the first bar is drawn, so that a command's help does not wait for it.
"""

import contextlib
import contextvars
import dataclasses
import importlib.metadata
import json
import platform
import resource
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sized
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

import jax

from convcorr_jax.io import write_json

_PACKAGES = (
    *("jax", "jaxlib", "flax", "optax", "orbax-checkpoint"),
    *("numpy", "scipy", "pillow", "scikit-image", "scikit-learn"),
)


def plain(value: Any) -> Any:
    """Return a configuration as JSON stores it: dataclasses as mappings, paths as strings, tuples as lists.

    Args:
        value: a dataclass, a path, a tuple, a list, or anything that JSON stores as it is.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


def finished_config(folder: Path) -> Any:
    """Return the configuration of the run that finished in a folder, in the form of `plain`.

    ``run.json`` is the last file that a script writes: where it is missing or damaged, no run has finished.

    Args:
        folder: the folder of the run's results.

    Returns:
        The configuration, or None if no run finished there.
    """
    try:
        return json.loads((folder / "run.json").read_text(encoding="utf-8"))["config"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_run(folder: Path, config: Any, *, seconds: float) -> None:
    """Write ``run.json``: configuration, versions, device, wall time and peak memory of this process.

    Args:
        folder: the folder of the run's results.
        config: the run's configuration, a dataclass.

    Raises:
        InputError: the folder is wrong.
        WriteError: the file cannot be written.
    """
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if sys.platform == "darwin":
        kilobytes //= 1024
    device = jax.devices()[0]
    write_json(
        folder / "run.json",
        {
            "command": sys.argv,
            "config": plain(config),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(seconds, 2),
            "peak_memory_mb": round(kilobytes / 1024),
            "device": f"{device.platform}: {device.device_kind}",
            "machine": platform.machine(),
            "python": platform.python_version(),
            "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        },
    )


def write_results(out: Path, result: Mapping[str, Any], config: Any, *, started: float) -> Path:
    """Write ``result.json``, then ``run.json``: the end that scripts have in common.

    Args:
        out: the folder of the run's results.
        result: what ``result.json`` holds.
        config: the run's configuration, a dataclass.
        started: the time at which the run began, as `time.perf_counter` gave it.

    Returns:
        The path of ``result.json``.

    Raises:
        ValueError: a number of the result is NaN or infinite, which JSON cannot store.
        InputError: the folder is wrong.
        WriteError: a file cannot be written.
    """
    path = out / "result.json"
    write_json(path, result)
    write_run(out, config, seconds=time.perf_counter() - started)
    return path


Item = TypeVar("Item")

_hidden: contextvars.ContextVar[bool] = contextvars.ContextVar("hidden", default=False)


@runtime_checkable
class Update(Protocol):
    """The function that moves a progress bar."""

    def __call__(self, done: int, total: int | None = None, *, message: str = "") -> None:
        """Set the state of the bar.

        Args:
            done: the number of units that are done.
            total: the number of all units, if it has only become known; by default it stays.
            message: the text at the right of the bar.
        """
        ...


@runtime_checkable
class SetStatus(Protocol):
    """The function that changes the text of a status line."""

    def __call__(self, text: str) -> None:
        """Show another text."""
        ...


@contextlib.contextmanager
def hidden(*, enabled: bool = True) -> Iterator[None]:
    """Show no bar and no status line during a ``with`` block.

    Args:
        enabled: whether they are hidden; False leaves them as they are.
    """
    token = _hidden.set(enabled or _hidden.get())
    try:
        yield
    finally:
        _hidden.reset(token)


def progress(items: Iterable[Item], *, description: str, total: int | None = None) -> Iterator[Item]:
    """Yield items while a bar shows how many of them are done.

    Args:
        items: what to iterate over.
        description: the text at the left of the bar.
        total: the number of items; by default their length, if they have one.
    """
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
    """Show a progress bar on the error stream during a ``with`` block.

    Args:
        description: the text at the left of the bar.
        total: the number of all units; None while it is unknown.
        done: the number of units that are done at the beginning.
        unit: ``"items"`` shows the share that is done, ``"bytes"`` the amount of a download.
        transient: remove the bar at the end, and show none unless the error stream is a terminal.

    Yields:
        The function that moves the bar.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True, quiet=_hidden.get())
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn() if unit == "bytes" else TaskProgressColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[message]}"),
    )
    # Rich would end a transient bar with an empty line in a log file.
    hidden = transient and not console.is_terminal
    with Progress(*columns, console=console, transient=transient, disable=hidden) as shown:
        task = shown.add_task(description, total=total, completed=done, message="")

        def update(done: int, total: int | None = None, *, message: str = "") -> None:
            shown.update(task, completed=done, total=total, message=message)

        yield update


@contextlib.contextmanager
def status(text: str) -> Iterator[SetStatus]:
    """Show a line with a spinner on the error stream during a ``with`` block, if that is a terminal.

    Args:
        text: the first text of the line.

    Yields:
        The function that changes the text.
    """
    from rich.console import Console

    with Console(stderr=True, quiet=_hidden.get()).status(text) as line:

        def set_status(text: str) -> None:
            line.update(text)

        yield set_status
