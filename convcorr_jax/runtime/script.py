"""The frame of every script: options from its ``Config``, the path of its result, one way to end."""

import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from convcorr_jax.errors import InputError
from convcorr_jax.runtime import caches
from convcorr_jax.runtime.ending import DEBUG, exit_process, run_guarded
from convcorr_jax.runtime.hosts import is_child, supervise
from convcorr_jax.runtime.options import checked, parse
from convcorr_jax.runtime.tables import write_tables

Config = TypeVar("Config")


def run(
    config_class: type[Config],
    main: Callable[[Config], Path],
    description: str | None,
    *,
    argv: Sequence[str] | None = None,
    prints_tables: bool = True,
) -> Path:
    """Parse options into a ``config_class``, run ``main``, print its result, and return the result's path.

    The tables of a ``result.json`` are printed (`convcorr_jax.runtime.tables`), unless ``main`` prints its own,
    and the path on the last line.
    One process at a time runs with the same output folder, ``out`` or ``output.out`` of the options; another
    one waits for it, and finds its cached stages. Of the hosts of a training run, the first one holds the lock.
    Without ``argv`` the words are those of ``sys.argv``, and the process ends after the script. A script that
    fails ends in a `SystemExit` with a status of `convcorr_jax.runtime.ending`, after one sentence on the error
    stream.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    results: list[Path] = []

    def program() -> int:
        config = checked(parse(config_class, argv, description=description))
        caches.enable()
        several = getattr(config, "hosts", None)
        if several is not None and several.hosts > 1 and several.coordinator and not is_child():
            return supervise(several.coordinator, hosts=several.hosts, host=several.host)
        with _locked_output(config):
            results.append(main(config))
        if prints_tables and results[0].name == "result.json" and results[0].is_file():
            write_tables(json.loads(results[0].read_text(encoding="utf-8")))
        sys.stdout.write(f"{results[0]}\n")
        return 0

    status = run_guarded(program, debug=DEBUG in words)
    if argv is None:
        exit_process(status)
    if status:
        raise SystemExit(status)
    return results[0]


@contextlib.contextmanager
def _locked_output(config: Any) -> Iterator[None]:
    """Wait until no other process runs with the output folder; leave no folder that stays empty."""
    out = getattr(config, "out", None) or getattr(getattr(config, "output", None), "out", None)
    hosts = getattr(config, "hosts", None)
    if out is None or (hosts is not None and hosts.host > 0):
        yield
        return
    _check_inputs(config, out)
    # Imported here, because it imports NumPy, which a script's help does not need.
    from convcorr_jax.io import file_lock

    is_new = not out.exists()
    try:
        with file_lock(out / ".lock"):
            yield
    finally:
        if is_new:
            with contextlib.suppress(OSError):
                out.rmdir()


def _check_inputs(config: Any, out: Path) -> None:
    """Refuse an output folder that is read or holds a file that is: results have fixed names."""
    for path in _inputs(config):
        folder = path.parent if path.is_file() else path
        if os.path.realpath(folder) == os.path.realpath(out) and path.exists():
            raise InputError(
                f"results in --out {out} could overwrite what is read, {path}; choose another folder"
            )


def _inputs(option: Any) -> Iterator[Path]:
    """Yield the paths of options, but for the output folder and the root of data sets, which holds folders."""
    if dataclasses.is_dataclass(option):
        for field in dataclasses.fields(option):
            if field.name not in ("out", "data_root"):
                yield from _inputs(getattr(option, field.name))
    elif isinstance(option, tuple):
        for part in option:
            yield from _inputs(part)
    elif option and isinstance(option, str | Path):
        yield Path(option)
