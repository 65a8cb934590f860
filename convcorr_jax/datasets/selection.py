"""Selections of records, their fingerprints, and photographs that other packages install.

A selection has some records of one or several sources, in any order, each of which is read when it is indexed.
A fingerprint changes with the images and annotations of records. The keys of caches contain it, so that
features are computed again after a photograph, a point or a split changed.

The photographs are those that scikit-image, scikit-learn and matplotlib install with themselves. They are free
to use and need no network; this package contains no copy. All callers share the arrays, which are read-only.
"""

import hashlib
import importlib.util
import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, SupportsIndex, overload

import numpy as np
from jaxtyping import Int

from convcorr_jax.datasets.records import Record
from convcorr_jax.errors import InputError
from convcorr_jax.io import read_image
from convcorr_jax.io.image_files import Image


# Not Sequence[Record]: a run-time type checker would compute a record to check its type.
class GeneratedRecords(Sequence):
    """Records that are computed when they are indexed, and whose splits and identities are known before."""

    @abstractmethod
    def split(self, position: int) -> str:
        """Return the split of a record."""

    @abstractmethod
    def identity(self, position: int) -> str:
        """Return what determines a record, such as its category, its seed and the version of its generator."""


class Selection(Sequence):
    """Some records of one or several sources; memory holds their positions, and no record.

    >>> Selection.of([]).splits()
    []
    """

    def __init__(
        self, sources: Sequence[Sequence], source: Int[np.ndarray, " n"], position: Int[np.ndarray, " n"]
    ) -> None:
        self._sources = tuple(sources)
        self._source = source
        self._position = position

    @classmethod
    def of(cls, *sources: Sequence) -> "Selection":
        """Return all records of some sources, which may be selections, one source after another."""
        parts = [
            records
            if isinstance(records, Selection)
            else cls((records,), np.zeros(len(records), int), np.arange(len(records)))
            for records in sources
        ]
        before = np.cumsum([0, *(len(part._sources) for part in parts)])
        return cls(
            [records for part in parts for records in part._sources],
            np.concatenate([np.arange(0), *(part._source + n for part, n in zip(parts, before, strict=False))]),
            np.concatenate([np.arange(0), *(part._position for part in parts)]),
        )

    def __len__(self) -> int:
        return len(self._position)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> "Selection": ...
    def __getitem__(self, index: SupportsIndex | slice) -> "Record | Selection":
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        number = range(len(self))[index]
        return self._sources[self._source[number]][int(self._position[number])]

    def take(self, numbers: Int[np.ndarray, " chosen"]) -> "Selection":
        """Return the records with the given numbers in this selection, in that order."""
        return Selection(self._sources, self._source[numbers], self._position[numbers])

    def splits(self) -> list[str]:
        """Return the split of every record; records that are not computed are read one by one."""
        return [
            records.split(position) if isinstance(records, GeneratedRecords) else records[position].split
            for records, position in self._entries()
        ]

    def identities(self) -> Iterator[str | Record]:
        """Yield what determines each record: the identity of a computed one, and any other one itself."""
        for records, position in self._entries():
            yield records.identity(position) if isinstance(records, GeneratedRecords) else records[position]

    def _entries(self) -> Iterator[tuple[Sequence, int]]:
        for source, position in zip(self._source, self._position, strict=True):
            yield self._sources[source], int(position)


HASHED_FILE_BYTES = 1 << 20
"""Image files of at most this many bytes are hashed; larger ones would take longer than features save."""


def fingerprint(records: Iterable[Record]) -> str:
    """Compute a hash, of 32 hexadecimal digits, of records: ids, splits, images, label maps and annotations.

    Images in memory and image files of up to 1 MiB enter by their content, so that copies of a data set have
    the fingerprint of the original; larger files enter by their size and their time of last change. Records of
    a `Selection` that are computed when they are indexed enter by what determines them, without being computed;
    those of a prepared data set are read one by one.
    """
    digest = hashlib.blake2b(digest_size=16)
    for record in records.identities() if isinstance(records, Selection) else records:
        if isinstance(record, str):
            digest.update(record.encode())
            continue
        annotation = {
            "id": record.source_id,
            "category": record.category,
            "split": record.split,
            "size": list(record.size),
            "names": list(record.names),
            "pairs": [list(pair) for pair in record.left_right_pairs],
            "parts": {name: list(members) for name, members in record.part_sets.items()},
            "box": None if record.box is None else list(record.box),
            "boxes": {name: list(box) for name, box in record.other_boxes.items()},
            "normalizer_px": record.normalizer_px,
            "attributes": dict(record.attributes),
            "labels": list(record.label_names),
        }
        digest.update(json.dumps(annotation, sort_keys=True, default=float).encode())
        digest.update(np.ascontiguousarray(record.points, np.float64).tobytes())
        digest.update(np.ascontiguousarray(record.visible).tobytes())
        for content in (record.image, record.label_map):
            digest.update(_content(content))
    return digest.hexdigest()


def _content(image: Path | bytes | np.ndarray | None) -> bytes:
    """Return a hash of an image's content, or the size and the time of change of a large file."""
    if image is None:
        return b"absent"
    if isinstance(image, bytes):
        return hashlib.blake2b(image).digest()
    if isinstance(image, np.ndarray):
        return hashlib.blake2b(np.ascontiguousarray(image).tobytes()).digest()
    try:
        status = image.stat()
        if status.st_size > HASHED_FILE_BYTES:
            return f"{status.st_size} {status.st_mtime_ns}".encode()
        return hashlib.blake2b(image.read_bytes()).digest()
    except OSError as error:
        raise InputError(f"{image} cannot be read: {error.strerror or error}") from error


class Photograph(NamedTuple):
    """A photograph, named as its file without suffix, and its credit as the package states it."""

    name: str
    image: Image
    """8-bit RGB ``[height, width, 3]``, read-only."""
    credit: str


# Package, path in it, and the credit that the package states.
_PHOTOGRAPHS = (
    ("skimage", "data/astronaut.png", "Eileen Collins; NASA, public domain"),
    ("skimage", "data/chelsea.png", "Chelsea the cat; Stefan van der Walt, CC0"),
    ("skimage", "data/coffee.png", "Coffee cup; Rachel Michetti, CC0"),
    ("skimage", "data/motorcycle_left.png", "Motorcycle; Middlebury stereo benchmark 2014"),
    ("skimage", "data/rocket.jpg", "Falcon 9 and DSCOVR; SpaceX, public domain"),
    ("skimage", "data/camera.png", "Cameraman; Lav Varshney, CC0"),
    ("sklearn", "datasets/images/china.jpg", "Summer Palace; danielbuechele, CC BY 2.0"),
    ("sklearn", "datasets/images/flower.jpg", "Dahlia; vultilion, CC BY 2.0"),
    ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg", "Grace Hopper; US Navy, public domain"),
)
_SURFACES = (
    ("skimage", "data/brick.png", "Bricks25; CC0Textures, CC0"),
    ("skimage", "data/grass.png", "Grass-01; linolafett, CC0"),
    ("skimage", "data/gravel.png", "Gravel04; CC0Textures, CC0"),
)


@lru_cache(maxsize=1)
def photographs() -> tuple[Photograph, ...]:
    """Return photographs of objects and scenes: a cat, a cup, a motorcycle, a temple and others."""
    return tuple(_load(*entry) for entry in _PHOTOGRAPHS)


@lru_cache(maxsize=1)
def surfaces() -> tuple[Photograph, ...]:
    """Return grey photographs of surfaces that fill the frame: brick, grass, gravel."""
    return tuple(_load(*entry) for entry in _SURFACES)


def _load(package: str, path: str, credit: str) -> Photograph:
    # Importing the package would take longer than reading its photograph.
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise InputError(f"package {package} is not installed; {path} is read from it")
    file = Path(spec.origin).parent / path
    image = read_image(file)
    image.flags.writeable = False
    return Photograph(file.stem, image, credit)
