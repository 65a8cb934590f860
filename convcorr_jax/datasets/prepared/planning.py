"""What will be written: how many records of which split, in which shard, and from which source.

A plan comes from one pass over the records and keeps nothing of them but a digest of each id. Shards
hold a fixed number of records of one split, in the reader's order, so equal sources give equal
shards whatever the number of processes. Their digests tell one state of a source from another by
the annotations, and by the size and time of change of every file, without reading the images.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convcorr_jax.datasets.records import Absent, Record
from convcorr_jax.errors import InputError

Records = Callable[[], Iterable[Record | Absent]]
"""Lists a data set afresh on every call, lazily and in the same order."""

RECORDS_PER_SHARD = 256
"""A kill costs each process at most one shard's work; photographs fill some 25 MB."""

# Goes up when records are written differently, so that shards of both kinds never lie side by side.
_LAYOUT = 1
_SPLIT = re.compile(r"[a-zA-Z]\w*", re.ASCII)


class Shard(NamedTuple):
    """A file of records of one split."""

    split: str
    index: int
    """Its place in the split, from 0."""
    count: int
    """How many records it holds."""
    digest: str
    """Tells its records from any others."""


class Plan(NamedTuple):
    """What one pass over a data set has found."""

    shards: tuple[Shard, ...]
    """All of a split, then all of the next, in the order in which splits first appear."""
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
        """Tells the source, in its present state, from any other."""
        return hashlib.sha256(repr((_LAYOUT, self.shards)).encode()).hexdigest()


def make_plan(records: Records) -> Plan:
    """Look at every record once.

    Raises:
        InputError: two annotations have the same id, a split's name is no plain word, or is "all"
            beside others, a file of a record is not there, or there is no record.
    """
    absent: list[Absent] = []
    seen: set[bytes] = set()
    splits: dict[str, int] = {}

    def checked() -> Iterator[Record]:
        for entry in records():
            # The digest of an id stands for it, so that long ids take no more memory than short ones.
            name = hashlib.sha256(entry.source_id.encode(errors="surrogatepass")).digest()
            if name in seen:
                raise InputError(f"two annotations have the same id {entry.source_id!r}")
            seen.add(name)
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
        raise InputError(
            'beside a split "all", which TFDS takes for every split, there can be no other'
        )
    return plan


def filled_shards(records: Records, plan: Plan) -> Iterator[tuple[Shard, list[Record]]]:
    """Look at every record again, and give each shard as soon as its records are there.

    Raises:
        InputError: the source is no longer what the plan was made from.
    """
    missing = set(plan.shards)
    for shard, filling in _fill(entry for entry in records() if isinstance(entry, Record)):
        if shard not in missing:
            break
        missing.remove(shard)
        yield shard, filling
    else:
        if not missing:
            return
    raise InputError("the source was changed while it was read; run again when it is at rest")


def _fill(records: Iterable[Record]) -> Iterator[tuple[Shard, list[Record]]]:
    """Deal the records to shards; those that do not become full come last."""
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
    said = (
        *(record.size, record.category, record.source_id, record.split, record.names),
        *(record.left_right_pairs, tuple(record.part_sets.items()), record.box),
        *(tuple(record.other_boxes.items()), record.normalizer_px),
        *(tuple(record.attributes.items()), record.label_names),
        *(_state(record.image), _state(record.label_map)),
    )
    digest = hashlib.sha256(repr(said).encode(errors="surrogatepass"))
    digest.update(record.points.tobytes())
    digest.update(record.visible.tobytes())
    return digest.digest()


def _state(image: Path | bytes | np.ndarray | None) -> object:
    """What tells an image from another without reading its file."""
    if isinstance(image, Path):
        try:
            stat = image.stat()
        except OSError as error:
            raise InputError(f"{image} cannot be read: {error.strerror}") from error
        return image.name, stat.st_size, stat.st_mtime_ns
    if image is None:
        return None
    return hashlib.sha256(image if isinstance(image, bytes) else image.tobytes()).digest()
