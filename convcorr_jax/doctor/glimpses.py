"""One look at every image: it is decoded once, and only a digest and a thumbnail are kept."""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image as PillowImage

from convcorr_jax.datasets.records import Record, load_image, load_label_map
from convcorr_jax.errors import InputError
from convcorr_jax.shapes import Image

THUMBNAIL_PX = 32
# Records whose encoded images are in memory at one time.
_CHUNK = 256


class Glimpses(NamedTuple):
    """What is kept of the distinct images that records show."""

    image_of: Int[np.ndarray, " records"]
    """The image of every record, as an index into the rest."""
    errors: tuple[str, ...]
    """Why it, or its label map, cannot be read: one sentence an image; empty where they can."""
    digests: tuple[bytes, ...]
    """Of the decoded pixels and their shape."""
    thumbnails: UInt8[np.ndarray, "images side side"]
    """The whole image in grey, squashed to a square."""


class _Glimpse(NamedTuple):
    error: str = ""
    digest: bytes = b""
    thumbnail: UInt8[np.ndarray, "side side"] = np.zeros((THUMBNAIL_PX, THUMBNAIL_PX), np.uint8)


def look(
    records: Sequence[Record], *, progress: Callable[[int, int], None] | None = None
) -> tuple[tuple[Record, ...], Glimpses]:
    """The records without their pixels, and a glimpse of every image.

    Records of the same file show the same image. Where images come as bytes or pixels nothing tells whether
    two equal ones are one file; they count as one image within a split and as two across splits.
    """
    annotations: list[Record] = []
    numbers: dict[tuple[str, str] | Path, int] = {}
    image_of: list[int] = []
    glimpses: list[_Glimpse] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(records), _CHUNK):
            chunk = [records[index] for index in range(start, min(start + _CHUNK, len(records)))]
            unseen = []
            for record in chunk:
                key = _identity(record)
                if key not in numbers:
                    numbers[key] = len(numbers)
                    unseen.append(record)
                image_of.append(numbers[key])
            glimpses += pool.map(_glimpse, unseen)
            annotations += map(_without_pixels, chunk)
            if progress is not None:
                progress(len(annotations), len(records))
    empty = np.zeros((0, THUMBNAIL_PX, THUMBNAIL_PX), np.uint8)
    return tuple(annotations), Glimpses(
        image_of=np.array(image_of, int),
        errors=tuple(glimpse.error for glimpse in glimpses),
        digests=tuple(glimpse.digest for glimpse in glimpses),
        thumbnails=np.stack([glimpse.thumbnail for glimpse in glimpses]) if glimpses else empty,
    )


def _identity(record: Record) -> tuple[str, str] | Path:
    if isinstance(record.image, Path):
        return record.image
    content = record.image if isinstance(record.image, bytes) else _bytes(record.image)
    return record.split, hashlib.blake2b(content).hexdigest()


def _glimpse(record: Record) -> _Glimpse:
    try:
        image = load_image(record)
        load_label_map(record)
    except InputError as error:
        return _Glimpse(error=str(error))
    return _Glimpse("", hashlib.blake2b(_bytes(image)).digest(), _thumbnail(image))


def _bytes(image: Image) -> bytes:
    """The pixels and their shape."""
    return str(image.shape).encode() + image.tobytes()


def _thumbnail(image: Image) -> UInt8[np.ndarray, "side side"]:
    grey = PillowImage.fromarray(image).convert("L")
    size = (THUMBNAIL_PX, THUMBNAIL_PX)
    return np.asarray(grey.resize(size, PillowImage.Resampling.BOX))


def _without_pixels(record: Record) -> Record:
    if isinstance(record.image, Path):
        return record
    return dataclasses.replace(record, image=b"", label_map=None)
