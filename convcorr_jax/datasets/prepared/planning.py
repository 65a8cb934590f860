"""What will be written: how many records of which split, in which shard, and from which source.

A plan comes from one pass over the records and keeps nothing of them but a short digest each. Shards
hold a fixed number of records of one split, in the reader's order, so equal sources give equal
shards whatever the number of processes. The fingerprint tells one source from another by the
annotations, and by the size and time of change of every file, without reading the images.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
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


class Plan(NamedTuple):
    """What one pass over a data set has found."""

    fingerprint: str
    counts: Mapping[str, int]
    """The number of records of each split, in the order in which splits first appear."""
    absent: tuple[Absent, ...]


class Shard(NamedTuple):
    """A file of records of one split."""

    split: str
    index: int
    """Its place in the split, from 0."""
    count: int
    """How many records it holds."""


def make_plan(records: Records) -> Plan:
    """Look at every record once.

    Raises:
        InputError: two annotations have the same id, a split's name is no plain word, or is "all"
            beside others, a file of a record is not there, or there is no record.
    """
    counts: Counter[str] = Counter()
    absent: list[Absent] = []
    seen: set[bytes] = set()
    digest = _new_digest()
    for entry in records():
        # The digest of an id stands for it, so that long ids take no more memory than short ones.
        name = hashlib.blake2b(entry.source_id.encode(errors="surrogatepass"), digest_size=16)
        if name.digest() in seen:
            raise InputError(f"two annotations have the same id {entry.source_id!r}")
        seen.add(name.digest())
        digest.update(_digest_of(entry))
        if isinstance(entry, Absent):
            absent.append(entry)
            continue
        if not _SPLIT.fullmatch(entry.split):
            raise InputError(
                f"record {entry.source_id!r}: the split {entry.split!r} cannot be written; a word of "
                'ASCII letters and digits such as "train" is expected'
            )
        counts[entry.split] += 1
    if not counts:
        reason = f", and {len(absent)} annotations make none: {absent[0].reason}" if absent else ""
        raise InputError(f"there is no record to write{reason}")
    if "all" in counts and len(counts) > 1:
        raise InputError(
            'beside a split "all", which TFDS takes for every split, there can be no other'
        )
    return Plan(digest.hexdigest(), dict(counts), tuple(absent))


def shards_of(counts: Mapping[str, int]) -> list[Shard]:
    """The shards that hold so many records of each split, in order.

    >>> shards_of({"train": 300})
    [Shard(split='train', index=0, count=256), Shard(split='train', index=1, count=44)]
    """
    return [
        Shard(split, index, min(RECORDS_PER_SHARD, count - start))
        for split, count in counts.items()
        for index, start in enumerate(range(0, count, RECORDS_PER_SHARD))
    ]


def filled_shards(records: Records, plan: Plan) -> Iterator[tuple[Shard, list[Record]]]:
    """Look at every record again, and give each shard as soon as its records are there.

    Raises:
        InputError: the source is no longer what the plan was made from.
    """
    expected = {(shard.split, shard.index): shard for shard in shards_of(plan.counts)}
    waiting: dict[str, list[Record]] = {split: [] for split in plan.counts}
    indices = dict.fromkeys(plan.counts, 0)
    digest = _new_digest()
    changed = InputError("the source was changed while it was read; run again when it is at rest")
    for entry in records():
        digest.update(_digest_of(entry))
        if isinstance(entry, Absent):
            continue
        shard = expected.get((entry.split, indices.get(entry.split, 0)))
        if shard is None:
            raise changed
        chunk = waiting[entry.split]
        chunk.append(entry)
        if len(chunk) == shard.count:
            yield shard, chunk
            waiting[entry.split] = []
            indices[entry.split] += 1
    if digest.hexdigest() != plan.fingerprint:
        raise changed


def _new_digest() -> "hashlib._Hash":
    return hashlib.sha256(f"{_LAYOUT} {RECORDS_PER_SHARD}".encode())


def _digest_of(entry: Record | Absent) -> bytes:
    if isinstance(entry, Absent):
        return hashlib.sha256(repr(tuple(entry)).encode(errors="surrogatepass")).digest()
    said = (
        *(entry.size, entry.category, entry.source_id, entry.split, entry.names),
        *(entry.left_right_pairs, tuple(entry.part_sets.items()), entry.box),
        *(tuple(entry.other_boxes.items()), entry.normalizer_px),
        *(tuple(entry.attributes.items()), entry.label_names),
        *(_state(entry.image), _state(entry.label_map)),
    )
    digest = hashlib.sha256(repr(said).encode(errors="surrogatepass"))
    digest.update(entry.points.tobytes())
    digest.update(entry.visible.tobytes())
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
