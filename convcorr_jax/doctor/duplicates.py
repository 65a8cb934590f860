"""Images that cannot be read, and images that are there twice.

An image that training and testing share makes a score better than it is; one that is twice in a split
counts twice. Two objects of one image file are no duplicates of one another.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from convcorr_jax.datasets.records import Record
from convcorr_jax.doctor.findings import CHANGES_SCORES, WORTH_A_LOOK, Case, Finding, counted
from convcorr_jax.doctor.glimpses import Glimpses

# Different objects on white, or faces cut out alike, correlate up to 0.94 as thumbnails, and their gradients
# up to 0.705; gradients of one photograph, cropped, lit or compressed a little differently, seldom less than
# 0.72. Both were looked at in LFPW, Helen, LSPET and PF-WILLOW.
_LEAST_CORRELATION = 0.8
_LEAST_GRADIENT_CORRELATION = 0.71
_BLOCK = 512


class NearPair(NamedTuple):
    """Two images (indices of `Glimpses`) that look alike."""

    first: int
    second: int
    correlation: float
    """Of their thumbnails."""
    gradient_correlation: float
    """Of the differences between neighbouring pixels of their thumbnails."""


def unreadable(records: Sequence[Record], glimpses: Glimpses) -> Iterator[Finding]:
    """Records whose image or label map cannot be read, or has another size than the record says."""
    cases = [
        Case((record.source_id,), glimpses.errors[image])
        for record, image in zip(records, glimpses.image_of.tolist(), strict=True)
        if glimpses.errors[image]
    ]
    if cases:
        sentence = f"The image or label map of {counted(len(cases), 'record')} cannot be read."
        yield Finding("unreadable images", CHANGES_SCORES, sentence, tuple(cases))


def shared_by_splits(records: Sequence[Record], glimpses: Glimpses) -> Iterator[Finding]:
    """Image files that show objects of more than one split."""
    cases = [
        Case(tuple(record.source_id for record in group), ", ".join(_splits(group)))
        for group in _records_of_images(records, glimpses)
        if len(_splits(group)) > 1
    ]
    if cases:
        sentence = f"Objects of more than one split are in {counted(len(cases), 'image file')}."
        yield Finding("images in two splits", CHANGES_SCORES, sentence, tuple(cases))


def exact(records: Sequence[Record], glimpses: Glimpses) -> Iterator[Finding]:
    """Different files with the same pixels, whether or not their bytes are the same."""
    same = defaultdict(list)
    for image, digest in enumerate(glimpses.digests):
        if digest:
            same[digest].append(image)
    groups = [images for images in same.values() if len(images) > 1]
    yield from _findings("exact duplicates", groups, [""] * len(groups), records, glimpses)


def near(records: Sequence[Record], glimpses: Glimpses) -> Iterator[Finding]:
    """Different pixels that show the same photograph."""
    pairs = near_pairs(glimpses)
    notes = [
        f"correlation {pair.correlation:.3f}, of gradients {pair.gradient_correlation:.3f}"
        for pair in pairs
    ]
    images = [[pair.first, pair.second] for pair in pairs]
    yield from _findings("near duplicates", images, notes, records, glimpses)


def near_pairs(glimpses: Glimpses) -> list[NearPair]:
    """All pairs of images that look alike and are not equal, the most alike first.

    Every pair is compared; memory stays linear in the number of images.
    """
    pixels = _standardized(_flat(glimpses.thumbnails))
    found = []
    for start in range(0, len(pixels), _BLOCK):
        correlations = pixels[start : start + _BLOCK] @ pixels[start:].T
        rows, columns = np.nonzero(np.triu(correlations, 1) > _LEAST_CORRELATION)
        first, second = rows + start, columns + start
        of_gradients = _gradient_correlations(glimpses.thumbnails, first, second)
        for i, j, whole, gradient in zip(
            first.tolist(),
            second.tolist(),
            correlations[rows, columns].tolist(),
            of_gradients.tolist(),
            strict=True,
        ):
            equal = glimpses.digests[i] == glimpses.digests[j]
            if gradient > _LEAST_GRADIENT_CORRELATION and not equal:
                found.append(NearPair(i, j, whole, gradient))
    return sorted(found, key=lambda pair: -pair.gradient_correlation)


def _gradient_correlations(
    thumbnails: UInt8[np.ndarray, "images side side"],
    first: Int[np.ndarray, " pairs"],
    second: Int[np.ndarray, " pairs"],
) -> Float[np.ndarray, " pairs"]:
    """Of these pairs, all from one block of ``first``; no gradient is computed twice."""
    (left, at_left), (right, at_right) = (
        np.unique(images, return_inverse=True) for images in (first, second)
    )
    gradients_left, gradients_right = (_gradients(thumbnails[images]) for images in (left, right))
    return (gradients_left @ gradients_right.T)[at_left, at_right]


def _gradients(
    thumbnails: UInt8[np.ndarray, "images side side"],
) -> Float[np.ndarray, "images differences"]:
    signed = thumbnails.astype(np.float32)
    across, down = (_flat(np.diff(signed, axis=axis)) for axis in (2, 1))
    return _standardized(np.concatenate([across, down], axis=1))


def _flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), math.prod(images.shape[1:]))


def _standardized(rows: np.ndarray) -> Float[np.ndarray, "rows values"]:
    """Rows of mean 0 and length 1, so that products are correlations; all 0 where the values are equal."""
    values = rows.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    # Below a hundredth of a grey level there is only rounding.
    return np.divide(values, lengths, out=np.zeros_like(values), where=lengths > 0.01)


def _findings(
    check: str,
    groups: Sequence[Sequence[int]],
    notes: Sequence[str],
    records: Sequence[Record],
    glimpses: Glimpses,
) -> Iterator[Finding]:
    """One finding for groups of images across splits, one for those within a split."""
    shown = _records_of_images(records, glimpses)
    across, within = [], []
    for images, note in zip(groups, notes, strict=True):
        members = [record for image in images for record in shown[image]]
        # One object stands for each image.
        case = Case(tuple(shown[image][0].source_id for image in images), note)
        (across if len(_splits(members)) > 1 else within).append(case)
    for cases, where, severity in (
        (across, "across splits", CHANGES_SCORES),
        (within, "within a split", WORTH_A_LOOK),
    ):
        if cases:
            group = "pair" if all(len(case.source_ids) == 2 for case in cases) else "group"
            sentence = f"{counted(len(cases), group)} of {check} {where}."
            yield Finding(check, severity, sentence, tuple(cases))


def _records_of_images(records: Sequence[Record], glimpses: Glimpses) -> list[list[Record]]:
    shown: list[list[Record]] = [[] for _ in glimpses.errors]
    for record, image in zip(records, glimpses.image_of.tolist(), strict=True):
        shown[image].append(record)
    return shown


def _splits(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(record.split for record in records))
