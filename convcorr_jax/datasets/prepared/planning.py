"""Planning and writing the shards of a prepared data set.

A plan is made in one pass over the records and stores only a digest of each id. A shard holds a fixed number of
records of one split, in the reader's order, so that equal sources give equal shards whatever the number of
processes. Each shard is written completely or not at all.

The digest of a shard changes with the annotations, and with the size and the time of change of every image
file. In contrast to `convcorr_jax.datasets.fingerprint`, it reads no image file: data sets of any size are
planned in seconds, and prepared folders keep the fingerprint that they were written with.
"""

import hashlib
import multiprocessing
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NamedTuple

import numpy as np
from array_record.python.array_record_module import ArrayRecordReader, ArrayRecordWriter

from convcorr_jax.datasets.prepared import features
from convcorr_jax.datasets.records import Absent, Record
from convcorr_jax.errors import InputError, WriteError
from convcorr_jax.io import written_whole

Records = Callable[[], Iterable[Record | Absent]]
"""Lists a data set anew on every call, lazily and in the same order."""

RECORDS_PER_SHARD = 256
"""Records in a full shard, some 25 MB of photographs. After a kill, each process repeats one shard at most."""

# Increased with every change of how records are written, so that old and new shards are never mixed.
_LAYOUT = 1
_SPLIT = re.compile(r"[a-zA-Z]\w*", re.ASCII)


class Shard(NamedTuple):
    """A file of records of one split, of which it is the number ``index``, from 0."""

    split: str
    index: int
    count: int
    digest: str
    """Hash of the annotations and of the state of the image files."""


class Plan(NamedTuple):
    """The result of one pass over a data set."""

    shards: tuple[Shard, ...]
    """All shards of a split, then those of the next one, in the order in which splits first appear."""
    absent: tuple[Absent, ...]
    """The annotations that make no record."""

    @property
    def counts(self) -> dict[str, int]:
        """The number of records of each split."""
        counts: Counter[str] = Counter()
        for shard in self.shards:
            counts[shard.split] += shard.count
        return dict(counts)

    @property
    def fingerprint(self) -> str:
        """A hash of the source in its present state."""
        return hashlib.sha256(repr((_LAYOUT, self.shards)).encode()).hexdigest()


def make_plan(records: Records) -> Plan:
    """Read every record once and plan the shards.

    Raises:
        InputError: two annotations have the same id, the name of a split is not a plain word, a split "all"
            exists beside others, a file of a record does not exist, or there is no record.
    """
    absent: list[Absent] = []
    id_digests: set[bytes] = set()
    splits: dict[str, int] = {}

    def checked() -> Iterator[Record]:
        for entry in records():
            # Digests are stored, so that long ids take no more memory than short ones.
            id_digest = hashlib.sha256(entry.source_id.encode(errors="surrogatepass")).digest()
            if id_digest in id_digests:
                raise InputError(f"two annotations have the same id {entry.source_id!r}")
            id_digests.add(id_digest)
            if isinstance(entry, Absent):
                absent.append(entry)
            elif not _SPLIT.fullmatch(entry.split):
                raise InputError(
                    f"record {entry.source_id!r}: the split {entry.split!r} cannot be written; a word "
                    'of ASCII letters and digits such as "train" is expected'
                )
            else:
                splits.setdefault(entry.split, len(splits))
                yield entry

    shards = [shard for shard, _ in _fill(checked())]
    shards.sort(key=lambda shard: (splits[shard.split], shard.index))
    plan = Plan(tuple(shards), tuple(absent))
    if not plan.shards:
        reason = f", and {len(absent)} annotations make none: {absent[0].reason}" if absent else ""
        raise InputError(f"there is no record to write{reason}")
    if "all" in plan.counts and len(plan.counts) > 1:
        raise InputError('beside a split "all", which TFDS takes for every split, there can be no other')
    return plan


def filled_shards(records: Records, plan: Plan) -> Iterator[tuple[Shard, list[Record]]]:
    """Read every record again, and yield each full shard with its records; a changed source is refused."""
    missing = set(plan.shards)
    for shard, filling in _fill(entry for entry in records() if isinstance(entry, Record)):
        if shard not in missing:
            break
        missing.remove(shard)
        yield shard, filling
    else:
        if not missing:
            return
    raise InputError("the source was changed while it was read; run again when nothing changes it")


def _fill(records: Iterable[Record]) -> Iterator[tuple[Shard, list[Record]]]:
    """Distribute the records to shards; shards that are not full come last."""
    filling: dict[str, list[Record]] = {}
    full: Counter[str] = Counter()
    for record in records:
        chunk = filling.setdefault(record.split, [])
        chunk.append(record)
        if len(chunk) == RECORDS_PER_SHARD:
            yield _shard(chunk, full[record.split]), chunk
            full[record.split] += 1
            filling[record.split] = []
    for split, chunk in filling.items():
        if chunk:
            yield _shard(chunk, full[split]), chunk


def _shard(records: list[Record], index: int) -> Shard:
    digest = hashlib.sha256()
    for record in records:
        digest.update(_digest_of(record))
    return Shard(records[0].split, index, len(records), digest.hexdigest())


def _digest_of(record: Record) -> bytes:
    facts = (
        *(record.size, record.category, record.source_id, record.split, record.names),
        *(record.left_right_pairs, tuple(record.part_sets.items()), record.box),
        *(tuple(record.other_boxes.items()), record.normalizer_px),
        *(tuple(record.attributes.items()), record.label_names),
        *(_file_state(record.image), _file_state(record.label_map)),
    )
    digest = hashlib.sha256(repr(facts).encode(errors="surrogatepass"))
    digest.update(record.points.tobytes())
    digest.update(record.visible.tobytes())
    return digest.digest()


def _file_state(image: Path | bytes | np.ndarray | None) -> object:
    """Return name, size and time of change of a file; a hash of an image in memory."""
    if isinstance(image, Path):
        try:
            stat = image.stat()
        except OSError as error:
            raise InputError(f"{image} cannot be read: {error.strerror}") from error
        return image.name, stat.st_size, stat.st_mtime_ns
    if image is None:
        return None
    return hashlib.sha256(image if isinstance(image, bytes) else image.tobytes()).digest()


# With groups of one, every record can be read without its neighbours, as TFDS and Grain expect.
_OPTIONS = "group_size:1"
# Submitted shards a process: enough to keep it busy while the next shard is listed, few enough to bound memory.
_PENDING_PER_PROCESS = 2

Task = tuple[Path, list[Record]]
"""The path of a shard, and its records."""


def write_shards(tasks: Iterable[Task], *, processes: int) -> Iterator[int]:
    """Write shards and yield the number of records of each shard that is complete.

    The tasks are listed lazily; a single process is this one. Shards that are complete when an error is raised
    stay on disk.

    Raises:
        WriteError: a file cannot be written, or a process was killed.
    """
    if processes == 1:
        for path, records in tasks:
            yield write_shard(path, records)
        return
    # The processes are spawned, because a fork of a process with JAX's threads may deadlock.
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=_exit_with_parent)
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
    """Write records to a temporary file, rename it to ``path``, and return the number of records."""
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
