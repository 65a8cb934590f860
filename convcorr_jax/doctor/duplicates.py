"""Checks for images that occur twice, show one scene, or cannot be read, by thumbnails and digests.

Each image is decoded once. An image that training and test split share makes a score too good, and so may an
event or a person in photographs of both; an image that occurs twice in a split counts twice. Two objects in one
image file are not duplicates of one another.
"""

import dataclasses
import hashlib
import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image as PillowImage

from convcorr_jax.datasets import Record, load_image, load_label_map
from convcorr_jax.doctor.findings import CHANGES_SCORES, WORTH_A_LOOK, Case, Finding, report_cases
from convcorr_jax.errors import InputError
from convcorr_jax.shapes import Image

THUMBNAIL_PX = 32
"""Side of a thumbnail in pixels."""

_LUMA_BINS, _CHROMA_BINS = 8, 12

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
    colors: Float[np.ndarray, "images bins"]
    """For every image, the roots of the shares of pixels by luma and chroma, whose product is a similarity."""


class _Thumbnail(NamedTuple):
    error: str = ""
    digest: bytes = b""
    pixels: UInt8[np.ndarray, "side side"] = np.zeros((THUMBNAIL_PX, THUMBNAIL_PX), np.uint8)
    colors: Float[np.ndarray, " bins"] = np.zeros(_LUMA_BINS * _CHROMA_BINS**2, np.float16)


def compute_thumbnails(
    records: Sequence[Record], *, progress: Callable[[int, int], None] | None = None
) -> tuple[tuple[Record, ...], Thumbnails]:
    """Decode every image once; return the records without pixels, and the thumbnails of their images.

    Records of the same file have the same image. For images held in memory (bytes or pixels) the file is
    unknown: equal images count as one file within a split, and as different files across splits. ``progress``
    is called with the number of records read so far, and the number of all.
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
            records_without_pixels += [
                each if isinstance(each.image, Path) else dataclasses.replace(each, image=b"", label_map=None)
                for each in chunk
            ]
            if progress is not None:
                progress(len(records_without_pixels), len(records))
    no_pixels = np.zeros((0, THUMBNAIL_PX, THUMBNAIL_PX), np.uint8)
    return tuple(records_without_pixels), Thumbnails(
        image_of=np.array(image_of, int),
        errors=tuple(thumbnail.error for thumbnail in thumbnails),
        digests=tuple(thumbnail.digest for thumbnail in thumbnails),
        pixels=np.stack([each.pixels for each in thumbnails]) if thumbnails else no_pixels,
        colors=np.stack([each.colors for each in thumbnails or [_Thumbnail()]])[: len(thumbnails)],
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
    grey = PillowImage.fromarray(image).convert("L")
    small = grey.resize((THUMBNAIL_PX, THUMBNAIL_PX), PillowImage.Resampling.BOX)
    return _Thumbnail(
        "", hashlib.blake2b(_pixel_bytes(image)).digest(), np.asarray(small), _color_histogram(image)
    )


def _color_histogram(image: Image) -> Float[np.ndarray, " bins"]:
    """Return the roots of the shares of pixels in bins of luma and of the middle half of both chromas."""
    side = 2 * THUMBNAIL_PX
    small = PillowImage.fromarray(image).resize((side, side), PillowImage.Resampling.BOX).convert("YCbCr")
    luma, *chromas = np.moveaxis(np.asarray(small, np.int32), -1, 0)
    bins = luma * _LUMA_BINS // 256
    for chroma in chromas:
        bins = bins * _CHROMA_BINS + np.clip((chroma - 64) * _CHROMA_BINS // 128, 0, _CHROMA_BINS - 1)
    counts = np.bincount(bins.reshape(-1), minlength=_LUMA_BINS * _CHROMA_BINS**2)
    return np.sqrt(counts / side**2).astype(np.float16)


def _pixel_bytes(image: Image) -> bytes:
    """Return the shape and the pixels as bytes."""
    return str(image.shape).encode() + image.tobytes()


# Thumbnails of different objects on white, or of different faces cropped in the same way, correlate up to
# 0.94, and their gradients up to 0.705. Gradients of one photograph, cropped, lit or compressed a little
# differently, seldom correlate below 0.72. Both were measured in LFPW, Helen, LSPET and PF-WILLOW.
_LEAST_CORRELATION = 0.8
_LEAST_GRADIENT_CORRELATION = 0.71
# Images whose correlations with all later images are computed at once.
_BLOCK = 512


class NearPair(NamedTuple):
    """Two similar images, as rising indices into `Thumbnails`, and the correlations of their thumbnails.

    That of gradients is of the differences between neighbouring pixels.
    """

    first: int
    second: int
    correlation: float
    gradient_correlation: float


def shared_by_splits(records: Sequence[Record], thumbnails: Thumbnails) -> Iterator[Finding]:
    """Find image files with objects of more than one split."""
    cases = [
        Case(tuple(record.source_id for record in group), ", ".join(_splits(group)))
        for group in _records_of_images(records, thumbnails)
        if len(_splits(group)) > 1
    ]
    sentence = "Objects of more than one split are in {}."
    yield from report_cases("images in two splits", CHANGES_SCORES, sentence, cases, noun="image file")


def exact_duplicates(records: Sequence[Record], thumbnails: Thumbnails) -> Iterator[Finding]:
    """Find different files with the same pixels, whether or not their bytes are the same."""
    same = defaultdict(list)
    for image, digest in enumerate(thumbnails.digests):
        if digest:
            same[digest].append(image)
    groups = [images for images in same.values() if len(images) > 1]
    yield from _findings("exact duplicates", groups, [""] * len(groups), records, thumbnails)


def near_duplicates(records: Sequence[Record], thumbnails: Thumbnails) -> Iterator[Finding]:
    """Find images with different pixels that show the same photograph."""
    pairs = near_pairs(thumbnails)
    notes = [
        f"correlation {pair.correlation:.3f}, of gradients {pair.gradient_correlation:.3f}" for pair in pairs
    ]
    images = [[pair.first, pair.second] for pair in pairs]
    yield from _findings("near duplicates", images, notes, records, thumbnails)


def leaked_rows(tested: Sequence[Record], training: Sequence[Record]) -> list[int]:
    """Return the rows of tested records whose photograph, equal or as in `near_pairs`, is trained on."""
    _, thumbnails = compute_thumbnails([*tested, *training])
    images = thumbnails.image_of
    groups = defaultdict(set)
    for image, digest in enumerate(thumbnails.digests):
        groups[digest or image].add(image)
    same = [group for group in groups.values() if len(group) > 1]
    same += [{pair.first, pair.second} for pair in near_pairs(thumbnails)]
    of_training = set(images[len(tested) :].tolist())
    shared = {image for group in same if group & of_training for image in group} | of_training
    return [row for row, image in enumerate(images[: len(tested)].tolist()) if image in shared]


# Of LSPET's test photographs, 29 % have a training photograph of a greater similarity of colours; by eye, half
# of the pairs at the threshold, and nearly all of those above .93, show one event, place or person.
_LEAST_COLOR_SIMILARITY = 0.89


def similar_scenes(
    tested: Int[np.ndarray, " tested"], training: Int[np.ndarray, " training"], thumbnails: Thumbnails
) -> list[tuple[int, int, float]]:
    """Find the tested images whose colours are those of a training image, with the most similar one of these.

    The similarity is the product of `Thumbnails.colors`, Bhattacharyya's coefficient; most similar ones are
    first.
    """
    colors = thumbnails.colors[training].astype(np.float32)
    found = []
    for start in range(0, len(tested) if len(training) else 0, _BLOCK):
        block = tested[start : start + _BLOCK]
        similarity = thumbnails.colors[block].astype(np.float32) @ colors.T
        nearest = similarity.argmax(axis=1)
        values = similarity[np.arange(len(block)), nearest]
        found += zip(block.tolist(), training[nearest].tolist(), values.tolist(), strict=True)
    return sorted((one for one in found if one[2] > _LEAST_COLOR_SIMILARITY), key=lambda one: -one[2])


def shared_scenes(records: Sequence[Record], thumbnails: Thumbnails) -> Iterator[Finding]:
    """Find images that seem to be of an event, place or person that images of the split "train" show too.

    Where the colours of more than half of the images are those of a training image, they tell nothing.
    """
    records_of = _records_of_images(records, thumbnails)
    trained = np.array([any(record.split == "train" for record in members) for members in records_of], bool)
    cases = [
        Case((records_of[image][0].source_id, records_of[other][0].source_id), f"similarity {value:.3f}")
        for image, other, value in similar_scenes(np.flatnonzero(~trained), np.flatnonzero(trained), thumbnails)
    ]
    if len(cases) <= (~trained).sum() / 2:
        sentence = "Colours as in an image of the split 'train' are in {}: perhaps the same event or person."
        yield from report_cases("shared scenes", WORTH_A_LOOK, sentence, cases, noun="image")


def rows_of_shared_scenes(tested: Sequence[Record], training: Sequence[Record]) -> list[int]:
    """Return the rows of tested records whose image has the colours of a training image (`similar_scenes`)."""
    _, thumbnails = compute_thumbnails([*tested, *training])
    images = thumbnails.image_of
    of_tested, of_training = (np.unique(part) for part in (images[: len(tested)], images[len(tested) :]))
    shared = {image for image, *_ in similar_scenes(of_tested, of_training, thumbnails)}
    return [row for row, image in enumerate(images[: len(tested)].tolist()) if image in shared]


def near_pairs(thumbnails: Thumbnails) -> list[NearPair]:
    """Find all pairs of images that are similar but not equal, the most similar first.

    A pair is similar if the correlation of its thumbnails exceeds 0.8 and that of their gradients exceeds
    0.71. Every pair is compared; memory grows linearly with the number of images.
    """
    pixels = _standardized(_flat(thumbnails.pixels))
    pairs = []
    for start in range(0, len(pixels), _BLOCK):
        correlations = pixels[start : start + _BLOCK] @ pixels[start:].T
        rows, columns = np.nonzero(np.triu(correlations, 1) > _LEAST_CORRELATION)
        first, second = rows + start, columns + start
        of_gradients = _gradient_correlations(thumbnails.pixels, first, second)
        found = (first, second, correlations[rows, columns], of_gradients)
        for i, j, whole, gradient in zip(*(each.tolist() for each in found), strict=True):
            equal = thumbnails.digests[i] == thumbnails.digests[j]
            if gradient > _LEAST_GRADIENT_CORRELATION and not equal:
                pairs.append(NearPair(i, j, whole, gradient))
    return sorted(pairs, key=lambda pair: -pair.gradient_correlation)


def _gradient_correlations(
    thumbnails: UInt8[np.ndarray, "images side side"],
    first: Int[np.ndarray, " pairs"],
    second: Int[np.ndarray, " pairs"],
) -> Float[np.ndarray, " pairs"]:
    """Compute the gradient correlation of each pair; the gradients of each image are computed once."""
    (left, at_left), (right, at_right) = (np.unique(images, return_inverse=True) for images in (first, second))
    gradients_left, gradients_right = (_gradients(thumbnails[images]) for images in (left, right))
    return (gradients_left @ gradients_right.T)[at_left, at_right]


def _gradients(thumbnails: UInt8[np.ndarray, "images side side"]) -> Float[np.ndarray, "images differences"]:
    """Compute standardized differences between horizontal and vertical neighbours."""
    signed = thumbnails.astype(np.float32)
    across, down = (_flat(np.diff(signed, axis=axis)) for axis in (2, 1))
    return _standardized(np.concatenate([across, down], axis=1))


def _flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), math.prod(images.shape[1:]))


def _standardized(rows: np.ndarray) -> Float[np.ndarray, "rows values"]:
    """Shift and scale rows to mean 0 and length 1, so that products are correlations; equal values become 0."""
    values = rows.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    # Lengths below a hundredth of a grey level are rounding errors.
    return np.divide(values, lengths, out=np.zeros_like(values), where=lengths > 0.01)


def _findings(
    check: str,
    groups: Sequence[Sequence[int]],
    notes: Sequence[str],
    records: Sequence[Record],
    thumbnails: Thumbnails,
) -> Iterator[Finding]:
    """Yield one finding for groups of images across splits, and one for groups within a split."""
    records_of = _records_of_images(records, thumbnails)
    across, within = [], []
    for images, note in zip(groups, notes, strict=True):
        members = [record for image in images for record in records_of[image]]
        # The first object represents each image.
        case = Case(tuple(records_of[image][0].source_id for image in images), note)
        (across if len(_splits(members)) > 1 else within).append(case)
    places = (across, "across splits", CHANGES_SCORES), (within, "within a split", WORTH_A_LOOK)
    for cases, where, severity in places:
        group = "pair" if all(len(case.source_ids) == 2 for case in cases) else "group"
        yield from report_cases(check, severity, f"{{}} of {check} {where}.", cases, noun=group)


def _records_of_images(records: Sequence[Record], thumbnails: Thumbnails) -> list[list[Record]]:
    """Group the records by their image."""
    groups: list[list[Record]] = [[] for _ in thumbnails.errors]
    for record, image in zip(records, thumbnails.image_of.tolist(), strict=True):
        groups[image].append(record)
    return groups


def _splits(records: Sequence[Record]) -> list[str]:
    """Return the distinct splits of the records, in order of appearance."""
    return list(dict.fromkeys(record.split for record in records))


def unreadable_images(records: Sequence[Record], thumbnails: Thumbnails) -> Iterator[Finding]:
    """Find records whose image or label map cannot be read, or has another size than the record states."""
    cases = [
        Case((record.source_id,), thumbnails.errors[image])
        for record, image in zip(records, thumbnails.image_of.tolist(), strict=True)
        if thumbnails.errors[image]
    ]
    sentence = "The image or label map of {} cannot be read."
    yield from report_cases("unreadable images", CHANGES_SCORES, sentence, cases)
