"""Writing a data set as TFDS keeps it in the array_record format, on several processes.

Work goes on in the hidden folder ``.<name>.partial`` beside the final one: every shard is written
under a temporary name and renamed when it is whole, the metadata come last, and then the folder
itself is renamed. So the final folder is there whole or not at all; after a kill the next run keeps
the whole shards of the same source and writes the others, and the result is the same, byte for
byte, as that of an undisturbed run.
"""

import json
import math
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from convcorr_jax.datasets.prepared import metadata, planning, shards
from convcorr_jax.datasets.prepared.metadata import About
from convcorr_jax.datasets.prepared.planning import Records, Shard
from convcorr_jax.datasets.records import Absent
from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, write_json

PLAN_FILE = "prepared.json"
"""Says what the folder was made from, and lists the annotations that made no record."""

# Another process takes seconds to start, JAX and all; in them this one writes some thousand records.
_RECORDS_WORTH_A_PROCESS = 8192


class Prepared(NamedTuple):
    """What lies in a prepared folder."""

    folder: Path
    counts: Mapping[str, int]
    """The number of records of each split."""
    absent: tuple[Absent, ...]
    """The annotations that made no record."""
    resumed: int
    """How many of the records an earlier run had written already."""


def prepare(
    records: Records,
    folder: Path,
    *,
    name: str,
    version: str = "1.0.0",
    description: str,
    homepage: str = "",
    citation: str = "",
    processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Write the records to ``folder`` so that `reading.read` and TFDS can read them.

    ``tfds.builder_from_directory(folder)`` takes any folder; ``tfds.builder(name, data_dir=out)``
    expects it to be ``out/<name>/<version>``.

    Args:
        records: Lists the data set; called twice, with the same result.
        folder: Where the data set will lie. Nothing is done when it lies there already.
        name: What TFDS calls it: a letter, then letters, digits and underscores.
        version: Three numbers.
        description: What it is, in a sentence or more.
        homepage: Where it is from.
        citation: The publication, as BibTeX or text.
        processes: How many write. By default one a CPU, or fewer when there is little to write.
        progress: Called with the number of records that are written and that of all.

    Raises:
        InputError: an option is out of range; two annotations have the same id; there is no record,
            or one cannot be read; the folder holds something else, was prepared from another state
            of the source or cannot be written, or the disk is full.
    """
    about = About(name, version, description, homepage, citation)
    metadata.check(about)
    if processes is not None and processes < 1:
        raise InputError(f"{processes} processes write nothing; at least 1 is expected")
    plan = planning.make_plan(records)
    total = sum(plan.counts.values())
    report = progress or (lambda _done, _total: None)
    said = {"name": name, "version": version, "source": plan.fingerprint, "absent": plan.absent}
    if is_prepared(folder):
        if not _is_same(folder, said):
            raise InputError(
                f"{folder} was prepared from another state of the source, or under another name; "
                "remove it to prepare it anew"
            )
        report(total, total)
        return Prepared(folder, plan.counts, plan.absent, resumed=total)
    _check_free(folder)
    partial = folder.parent / f".{folder.name}.partial"
    paths = metadata.shard_paths(partial, name, plan.shards)
    missing = _open_partial(partial, said, paths)
    to_write = sum(shard.count for shard in missing)
    done = resumed = total - to_write
    worth = math.ceil(to_write / _RECORDS_WORTH_A_PROCESS)
    default = max(1, min(os.cpu_count() or 1, worth))
    report(done, total)
    tasks = (
        (paths[shard], filling)
        for shard, filling in planning.filled_shards(records, plan)
        if shard in missing
    )
    for written in shards.write_shards(tasks, processes=processes or default):
        done += written
        report(done, total)
    try:
        metadata.write(partial, about, plan.shards)
        os.replace(partial, folder)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}") from error
    return Prepared(folder, plan.counts, plan.absent, resumed)


def is_prepared(folder: Path) -> bool:
    """Whether `prepare` has finished a data set in this folder."""
    return (folder / PLAN_FILE).is_file() and metadata.is_there(folder)


def _check_free(folder: Path) -> None:
    try:
        taken = os.path.lexists(folder) and not (folder.is_dir() and not os.listdir(folder))
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror}") from error
    if taken:
        raise InputError(f"{folder} holds something else; a new or empty folder is expected")


def _open_partial(
    partial: Path, said: Mapping[str, object], paths: Mapping[Shard, Path]
) -> frozenset[Shard]:
    """Leave in the folder the whole shards of this very plan and nothing else; give those missing."""
    try:
        if partial.exists() and not _is_same(partial, said):
            shutil.rmtree(partial)
        make_folder(partial)
        missing = frozenset(
            shard for shard, path in paths.items() if not shards.is_whole(path, shard.count)
        )
        whole = {path for shard, path in paths.items() if shard not in missing}
        for path in set(partial.iterdir()) - whole:
            path.unlink()
    except OSError as error:
        raise InputError(f"{partial} cannot be written: {error.strerror}") from error
    write_json(partial / PLAN_FILE, said)
    return missing


def _is_same(folder: Path, said: Mapping[str, object]) -> bool:
    """Whether a folder says that it was made, or begun, from the same source under the same name."""
    try:
        found = json.loads((folder / PLAN_FILE).read_text(encoding="utf-8"))
        return all(found[key] == said[key] for key in ("name", "version", "source"))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
