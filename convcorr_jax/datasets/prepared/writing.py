"""Writing of a data set in TFDS's array_record format, by several processes, with the files that describe it.

The shards are written to the hidden folder ``.<name>.partial`` beside the final one. Each shard has a temporary
name until it is complete. The metadata come last, and then the folder itself is renamed, so that the final
folder is complete or does not exist. Of several processes with the same folder, one writes and the others wait.
After a kill, the next run keeps the complete shards of the same source and writes the others. The result is the
same, byte for byte, as that of an uninterrupted run.
"""

import itertools
import json
import math
import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow_datasets as tfds
from google.protobuf import json_format, message
from tensorflow_datasets.core.dataset_info import DatasetIdentity, read_proto_from_builder_dir
from tensorflow_datasets.core.naming import is_valid_dataset_and_class_name

from convcorr_jax.datasets.prepared import planning
from convcorr_jax.datasets.prepared.features import FEATURES
from convcorr_jax.datasets.prepared.planning import Records, Shard
from convcorr_jax.datasets.records import Absent
from convcorr_jax.errors import InputError
from convcorr_jax.io import file_lock, make_folder, write_json, writing_to

FILE_FORMAT = "array_record"
"""The file format of all shards."""

DAMAGE = (
    *(OSError, EOFError, RuntimeError, AssertionError, ValueError, TypeError, LookupError),
    *(AttributeError, ImportError, json_format.Error, message.Error),
)
"""What TFDS raises for files that are cut short, changed, or of another kind."""


def _check_names(name: str, version: str) -> None:
    """Refuse a name or version that TFDS cannot read back."""
    if not (is_valid_dataset_and_class_name(name) and name.isascii()):
        raise InputError(f"the data set's name {name!r} must be a letter, then letters, digits and underscores")
    if not tfds.core.Version.is_valid(version):
        raise InputError(f'version {version!r} must be three numbers such as "1.0.0"')


def shard_paths(folder: Path, name: str, shards: Sequence[Shard]) -> dict[Shard, Path]:
    """Return the paths in a folder at which TFDS expects all shards of all splits of a data set."""
    counts = Counter(shard.split for shard in shards)
    return {
        shard: folder / f"{name}-{shard.split}.{FILE_FORMAT}-{shard.index:05d}-of-{counts[shard.split]:05d}"
        for shard in shards
    }


def write(folder: Path, name: str, version: str, shards: Sequence[Shard], about: Mapping[str, Any]) -> None:
    """Write the JSON files that describe a folder of shards, those of a split one after another."""
    identity = DatasetIdentity(name, tfds.core.Version(version), str(folder), module_name="")
    info = tfds.core.DatasetInfo(builder=identity, features=FEATURES, disable_shuffling=True, **about)
    info.set_file_format(FILE_FORMAT)
    paths = shard_paths(folder, name, shards)
    splits = []
    for split, of_split in itertools.groupby(paths, key=lambda shard: shard.split):
        members = list(of_split)
        size = sum(paths[shard].stat().st_size for shard in members)
        splits.append(tfds.core.SplitInfo(split, [shard.count for shard in members], size))
    info.set_splits(tfds.core.splits.SplitDict(splits))
    info.write_to_directory(folder)


def read_metadata(folder: Path) -> tfds.core.DatasetInfo:
    """Read the files that `write` has written.

    The features are always `FEATURES`: the classes that ``features.json`` names would be imported by TFDS.
    """
    try:
        identity = DatasetIdentity.from_proto(read_proto_from_builder_dir(folder), str(folder))
        info = tfds.core.DatasetInfo(builder=identity, features=FEATURES)
        info.read_from_directory(folder)
    except DAMAGE as error:
        raise InputError(f"{folder / 'dataset_info.json'} is damaged: {error}") from error
    return info


def exists(folder: Path) -> bool:
    """Return whether a folder has the files that `write` writes."""
    return all((folder / name).is_file() for name in ("dataset_info.json", "features.json"))


PLAN_FILE = "prepared.json"
"""Name of the file with the fingerprint of the source and the annotations that made no record."""

# A process takes seconds to start, because it imports JAX; meanwhile this one writes some thousand records.
_RECORDS_PER_PROCESS = 8192


class Prepared(NamedTuple):
    """The content of a prepared folder: its number of records of each split."""

    folder: Path
    counts: Mapping[str, int]
    absent: tuple[Absent, ...]
    """Annotations that made no record."""
    resumed: int
    """Number of records that an earlier run had written."""


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
    """Write records to a folder that `convcorr_jax.datasets.prepared.read_prepared` and TFDS can read.

    ``tfds.builder_from_directory(folder)`` reads any folder; ``tfds.builder(name, data_dir=out)`` expects the
    folder ``out/<name>/<version>``.

    Args:
        records: lists the data set; it is called twice and must return the same records.
        folder: the final folder. If it holds the same data set already, nothing is written.
        name: a letter, then letters, digits and underscores.
        version: three numbers with points between them.
        description: a sentence or more about the data set.
        homepage: address of the source.
        citation: the publication, as BibTeX or text.
        processes: number of writing processes; by default one for each CPU, or fewer for few records.
        progress: called with the number of records written so far, and the number of all.

    Raises:
        InputError: an option is out of range; two annotations have the same id; there is no record, or a record
            cannot be read; the folder holds other data, was prepared from another state of the source, or may
            not be written.
        WriteError: writing failed, for example because the disk is full.
    """
    _check_names(name, version)
    about = {"description": description, "homepage": homepage, "citation": citation}
    if processes is not None and processes < 1:
        raise InputError(f"{processes} processes write nothing; at least 1 is expected")
    plan = planning.make_plan(records)
    total = sum(plan.counts.values())
    report = progress or (lambda _done, _total: None)
    summary = {"name": name, "version": version, "source": plan.fingerprint, "absent": plan.absent}
    # Two at once would remove each other's shards.
    with file_lock(folder.parent / f".{folder.name}.lock"):
        if is_prepared(folder):
            if not _is_same(folder, summary):
                raise InputError(
                    f"{folder} was prepared from another state of the source, or under another name; "
                    "remove it to prepare it again"
                )
            report(total, total)
            return Prepared(folder, plan.counts, plan.absent, resumed=total)
        _check_free(folder)
        partial = folder.parent / f".{folder.name}.partial"
        paths = shard_paths(partial, name, plan.shards)
        missing = _resume(partial, summary, paths)
        to_write = sum(shard.count for shard in missing)
        done = resumed = total - to_write
        report(done, total)
        tasks = (
            (paths[shard], members)
            for shard, members in planning.filled_shards(records, plan)
            if shard in missing
        )
        # One for each CPU, or fewer if there are few records to write.
        few = max(1, min(os.cpu_count() or 1, math.ceil(to_write / _RECORDS_PER_PROCESS)))
        for written in planning.write_shards(tasks, processes=processes or few):
            done += written
            report(done, total)
        with writing_to(folder):
            write(partial, name, version, plan.shards, about)
            os.replace(partial, folder)
    return Prepared(folder, plan.counts, plan.absent, resumed)


def is_prepared(folder: Path) -> bool:
    """Return whether `prepare` has finished a data set in this folder."""
    return (folder / PLAN_FILE).is_file() and exists(folder)


def _check_free(folder: Path) -> None:
    """Refuse a path that holds anything but an empty folder."""
    try:
        taken = os.path.lexists(folder) and not (folder.is_dir() and not os.listdir(folder))
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror}") from error
    if taken:
        raise InputError(f"{folder} holds something else; a new or empty folder is expected")


def _resume(partial: Path, summary: Mapping[str, object], paths: Mapping[Shard, Path]) -> frozenset[Shard]:
    """Remove everything but complete shards of the same plan from a folder; return the missing shards."""
    with writing_to(partial):
        if partial.exists() and not _is_same(partial, summary):
            shutil.rmtree(partial)
        make_folder(partial)
        missing = frozenset(
            shard for shard, path in paths.items() if not planning.is_complete(path, shard.count)
        )
        complete = {path for shard, path in paths.items() if shard not in missing}
        for path in set(partial.iterdir()) - complete:
            path.unlink()
    write_json(partial / PLAN_FILE, summary)
    return missing


def _is_same(folder: Path, summary: Mapping[str, object]) -> bool:
    """Return whether a folder was prepared, perhaps partly, from the same source under the same name."""
    try:
        stored = json.loads((folder / PLAN_FILE).read_text(encoding="utf-8"))
        return all(stored[key] == summary[key] for key in ("name", "version", "source"))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
