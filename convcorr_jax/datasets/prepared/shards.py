"""Writing shards, one after another or on several processes, each to its end or not at all."""

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
from convcorr_jax.errors import InputError
from convcorr_jax.io import written_whole

# Every record can be read alone, without its neighbours; TFDS and Grain expect that.
_OPTIONS = "group_size:1"
# Enough to keep a process busy while the next shard is listed, few enough to keep memory flat.
_WAITING_A_PROCESS = 2

Task = tuple[Path, list[Record]]


def write_shards(tasks: Iterable[Task], *, processes: int) -> Iterator[int]:
    """Write shards to their paths; give the number of records of each as soon as it is whole.

    With one process it is this one. Shards that are whole when an error is raised stay.

    Raises:
        InputError: as `write_shard`, or a process was ended from outside.
    """
    if processes == 1:
        for path, records in tasks:
            yield write_shard(path, records)
        return
    # Spawned, since a fork of a process with JAX's threads may hang.
    pool = ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), initializer=_end_with_parent
    )
    pending: set[Future[int]] = set()
    try:
        for path, records in tasks:
            pending.add(pool.submit(write_shard, path, records))
            if len(pending) == _WAITING_A_PROCESS * processes:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    except BrokenProcessPool as error:
        raise InputError(
            "a writing process was ended from outside, perhaps for want of memory; run again to resume"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def write_shard(path: Path, records: list[Record]) -> int:
    """Write the records to a temporary file, rename it to ``path``, and give their number.

    Raises:
        InputError: a record cannot be read, or the file cannot be written.
    """
    with written_whole(path) as temporary:
        try:
            writer = ArrayRecordWriter(str(temporary), _OPTIONS)
            for record in records:
                writer.write(features.serialize(record))
            # What went wrong on the way, such as a full disk, is said here.
            writer.close()
        except RuntimeError as error:
            raise InputError(f"{path} cannot be written: {str(error).split(';')[0]}") from error
    return len(records)


def is_whole(path: Path, count: int) -> bool:
    """Whether a file is there and holds so many records, to its end."""
    if not path.is_file():
        return False
    try:
        reader = ArrayRecordReader(str(path))
        found = reader.num_records()
        # The reader says of a damaged end only here that it is damaged.
        reader.close()
    except RuntimeError:
        return False
    return found == count


def _end_with_parent() -> None:
    """Let this process end when the one that started it is killed, which does not tell it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
