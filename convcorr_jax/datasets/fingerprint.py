"""A fingerprint of records, which changes with their images and annotations.

The keys of caches contain it, so that features are computed again after a photograph, a point or a split
changed.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from convcorr_jax.datasets.records import Record
from convcorr_jax.datasets.selection import Selection
from convcorr_jax.errors import InputError

HASHED_FILE_BYTES = 1 << 20
"""Image files of at most this many bytes are hashed; larger ones would take longer than features save."""


def fingerprint(records: Iterable[Record]) -> str:
    """Compute a hash of records: their ids, splits, images, label maps and annotations, in order.

    Images in memory and image files of up to 1 MiB enter by their content, so that copies of a data set have
    the fingerprint of the original; larger files enter by their size and their time of last change. Records of
    a `Selection` that are computed when they are indexed enter by what determines them, without being computed.

    Args:
        records: the records; those of a prepared data set are read one by one.

    Returns:
        32 hexadecimal digits.

    Raises:
        InputError: an image file cannot be read.
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
