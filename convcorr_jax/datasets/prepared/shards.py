"""Writing of shards, in this process or in several; each shard is written completely or not at all."""

import multiprocessing
import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from array_record.python.array_record_module import ArrayRecordReader, ArrayRecordWriter

from convcorr_jax.datasets.prepared import features
from convcorr_jax.datasets.records import Record
from convcorr_jax.errors import WriteError
from convcorr_jax.io import written_whole

# With groups of one, every record can be read without its neighbours, as TFDS and Grain expect.
_OPTIONS = "group_size:1"
# Submitted shards a process: enough to keep it busy while the next shard is listed, few enough to bound memory.
_PENDING_PER_PROCESS = 2

Task = tuple[Path, list[Record]]
"""The path of a shard, and its records."""


def write_shards(tasks: Iterable[Task], *, processes: int) -> Iterator[int]:
    """Write shards and yield the number of records of each shard that is complete.

    Shards that are complete when an error is raised stay on disk.

    Args:
        tasks: paths and records of the shards; they are listed lazily.
        processes: the number of writing processes; 1 writes in this process.

    Raises:
        InputError: a record cannot be read.
        WriteError: a file cannot be written, or a process was killed.
    """
    if processes == 1:
        for path, records in tasks:
            yield write_shard(path, records)
        return
    # The processes are spawned, because a fork of a process with JAX's threads may deadlock.
    pool = ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), initializer=_exit_with_parent
    )
    pending: set[Future[int]] = set()
    try:
        for path, records in tasks:
            pending.add(pool.submit(write_shard, path, records))
            if len(pending) == _PENDING_PER_PROCESS * processes:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    except BrokenProcessPool as error:
        raise WriteError(
            "a writing process was killed, perhaps because memory ran out; run again to resume"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def write_shard(path: Path, records: list[Record]) -> int:
    """Write records to a temporary file, rename it, and return the number of records.

    Args:
        path: the path of the complete shard.
        records: the records of the shard.

    Raises:
        InputError: a record cannot be read, or the path is wrong.
        WriteError: writing failed, for example because the disk is full.
    """
    with written_whole(path) as temporary:
        try:
            writer = ArrayRecordWriter(str(temporary), _OPTIONS)
            for record in records:
                writer.write(features.serialize(record))
            # Errors of earlier writes, such as a full disk, are raised by close.
            writer.close()
        except RuntimeError as error:
            raise WriteError(f"{path} cannot be written: {str(error).split(';')[0]}") from error
    return len(records)


def is_complete(path: Path, count: int) -> bool:
    """Return whether a file exists, is undamaged to its end, and holds ``count`` records."""
    if not path.is_file():
        return False
    try:
        reader = ArrayRecordReader(str(path))
        records = reader.num_records()
        # The reader reports a damaged end only when it is closed.
        reader.close()
    except RuntimeError:
        return False
    return records == count


def _exit_with_parent() -> None:
    """Exit this process when its parent is killed; the operating system does not do that."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
