"""The record of a run: ``run.json``, written beside its results."""

import dataclasses
import importlib.metadata
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax

from convcorr_jax.io import write_json

_PACKAGES = (
    *("jax", "jaxlib", "flax", "optax", "orbax-checkpoint"),
    *("numpy", "scipy", "pillow", "scikit-image", "scikit-learn"),
)


def plain(value: Any) -> Any:
    """Return a configuration as JSON stores it: dataclasses as mappings, paths as strings, tuples as lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


def finished_config(folder: Path) -> Any:
    """Return the configuration of the run that finished in a folder, in the form of `plain`; None without one.

    ``run.json`` is the last file that a script writes: where it is missing or damaged, no run has finished.
    """
    try:
        return json.loads((folder / "run.json").read_text(encoding="utf-8"))["config"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_run(folder: Path, config: Any, *, seconds: float) -> None:
    """Write ``run.json``: configuration, commit, versions, device, wall time and peak memory of the process."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if sys.platform == "darwin":
        kilobytes //= 1024
    device = jax.devices()[0]
    write_json(
        folder / "run.json",
        {
            "command": sys.argv,
            "config": plain(config),
            "commit": _commit(),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(seconds, 2),
            "peak_memory_mb": round(kilobytes / 1024),
            "device": f"{device.platform}: {device.device_kind}",
            "machine": platform.machine(),
            "python": platform.python_version(),
            "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        },
    )


def _commit() -> str | None:
    """Return the commit of the checkout that runs, with ``+`` where files of it are changed; None elsewhere."""
    root = Path(__file__).parents[2]
    # An installed package may lie in another project's checkout.
    if not (root / ".git").exists():
        return None
    described = ["git", "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"]
    try:
        return subprocess.run(described, cwd=root, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def write_results(out: Path, result: Mapping[str, Any], config: Any, *, started: float) -> Path:
    """Write ``result.json``, then ``run.json``: the end that scripts have in common; return the former's path.

    The run ``started`` at a time of `time.perf_counter`. JSON cannot store NaN: it is a `ValueError`.
    """
    path = out / "result.json"
    write_json(path, result)
    write_run(out, config, seconds=time.perf_counter() - started)
    return path
