"""Thumbnails and digests of all images, computed while each image is decoded once."""

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
"""Side of a thumbnail in pixels."""

# The number of records whose encoded images are in memory at one time.
_CHUNK = 256


class Thumbnails(NamedTuple):
    """Errors, digests and thumbnails of the distinct images of a sequence of records."""

    image_of: Int[np.ndarray, " records"]
    """For every record, the index of its image in the other fields."""
    errors: tuple[str, ...]
    """For every image, one sentence why it or its label map cannot be read; empty if both can."""
    digests: tuple[bytes, ...]
    """For every image, a hash of its decoded pixels and their shape; empty if it cannot be read."""
    pixels: UInt8[np.ndarray, "images side side"]
    """For every image, the whole image in grey, resized to a square of `THUMBNAIL_PX` pixels a side."""


class _Thumbnail(NamedTuple):
    error: str = ""
    digest: bytes = b""
    pixels: UInt8[np.ndarray, "side side"] = np.zeros((THUMBNAIL_PX, THUMBNAIL_PX), np.uint8)


def compute_thumbnails(
    records: Sequence[Record], *, progress: Callable[[int, int], None] | None = None
) -> tuple[tuple[Record, ...], Thumbnails]:
    """Decode every image once and compute its thumbnail.

    Records of the same file have the same image. For images held in memory (bytes or pixels) the file is
    unknown: equal images count as one file within a split, and as different files across splits.

    Args:
        records: records of all splits, read once in order.
        progress: called with the number of records read so far, and the number of all.

    Returns:
        The records without pixels, and the thumbnails of their images.
    """
    records_without_pixels: list[Record] = []
    numbers: dict[tuple[str, str] | Path, int] = {}
    image_of: list[int] = []
    thumbnails: list[_Thumbnail] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(records), _CHUNK):
            chunk = [records[index] for index in range(start, min(start + _CHUNK, len(records)))]
            with_new_image = []
            for record in chunk:
                key = _image_key(record)
                if key not in numbers:
                    numbers[key] = len(numbers)
                    with_new_image.append(record)
                image_of.append(numbers[key])
            thumbnails += pool.map(_compute_thumbnail, with_new_image)
            records_without_pixels += map(_without_pixels, chunk)
            if progress is not None:
                progress(len(records_without_pixels), len(records))
    no_pixels = np.zeros((0, THUMBNAIL_PX, THUMBNAIL_PX), np.uint8)
    return tuple(records_without_pixels), Thumbnails(
        image_of=np.array(image_of, int),
        errors=tuple(thumbnail.error for thumbnail in thumbnails),
        digests=tuple(thumbnail.digest for thumbnail in thumbnails),
        pixels=np.stack([each.pixels for each in thumbnails]) if thumbnails else no_pixels,
    )


def _image_key(record: Record) -> tuple[str, str] | Path:
    """Return what identifies the record's image: its path, or its split and a hash of its content."""
    if isinstance(record.image, Path):
        return record.image
    content = record.image if isinstance(record.image, bytes) else _pixel_bytes(record.image)
    return record.split, hashlib.blake2b(content).hexdigest()


def _compute_thumbnail(record: Record) -> _Thumbnail:
    try:
        image = load_image(record)
        load_label_map(record)
    except InputError as error:
        return _Thumbnail(error=str(error))
    return _Thumbnail("", hashlib.blake2b(_pixel_bytes(image)).digest(), _shrink(image))


def _pixel_bytes(image: Image) -> bytes:
    """Return the shape and the pixels as bytes."""
    return str(image.shape).encode() + image.tobytes()


def _shrink(image: Image) -> UInt8[np.ndarray, "side side"]:
    grey = PillowImage.fromarray(image).convert("L")
    size = (THUMBNAIL_PX, THUMBNAIL_PX)
    return np.asarray(grey.resize(size, PillowImage.Resampling.BOX))


def _without_pixels(record: Record) -> Record:
    if isinstance(record.image, Path):
        return record
    return dataclasses.replace(record, image=b"", label_map=None)
