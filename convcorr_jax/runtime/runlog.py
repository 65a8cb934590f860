"""What a run leaves beside its result, and its progress on the terminal."""

import contextlib
import dataclasses
import importlib.metadata
import json
import platform
import resource
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import jax
from rich.console import Console
from rich.progress import Progress, TextColumn, track

from convcorr_jax.io import write_json

Item = TypeVar("Item")

_PACKAGES = (
    *("jax", "jaxlib", "flax", "optax", "orbax-checkpoint"),
    *("numpy", "scipy", "pillow", "scikit-image", "scikit-learn"),
)


def progress(items: Iterable[Item], *, what: str, total: int | None = None) -> Iterator[Item]:
    """The items, with a bar on the error stream that says how far they are."""
    yield from track(items, description=what, total=total, console=Console(stderr=True))


@contextlib.contextmanager
def bar(what: str, *, total: int, done: int = 0) -> Iterator[Callable[[int, str], None]]:
    """A bar on the error stream, and what moves it: how many are done now, and what to say beside it."""
    columns = (*Progress.get_default_columns(), TextColumn("{task.fields[said]}"))
    with Progress(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task(what, total=total, completed=done, said="")
        yield lambda now, said: shown.update(task, completed=now, said=said)


def plain(value: Any) -> Any:
    """A configuration as JSON holds it: dataclasses as mappings, paths as strings."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


def finished_config(folder: Path) -> Any:
    """The configuration of the run that finished in a folder, as `plain` gives it; None where none did.

    ``run.json`` is the last file that a script writes. One that is damaged is that of no finished run.
    """
    try:
        return json.loads((folder / "run.json").read_text(encoding="utf-8"))["config"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_run(folder: Path, config: Any, *, seconds: float) -> None:
    """Write ``run.json``: configuration, versions, device, wall time and peak memory of this process."""
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
