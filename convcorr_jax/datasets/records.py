"""Records: one annotated object in one image; and the pairs of records that a protocol fixes.

Every data set becomes a sequence of `Record`, whatever its own format; scripts and metrics use nothing else.
Coordinates are those of `convcorr_jax.coords`: a reader converts official 1-based points and boxes once, when
it reads them. Whether "left" is the subject's own or the viewer's depends on the data set; the docstring of
its reader states which.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

from convcorr_jax import coords
from convcorr_jax.errors import InputError
from convcorr_jax.io import decode_image, decode_labels, read_image, read_labels

# `convcorr_jax.shapes` imports JAX, for which reading annotations should not wait.
from convcorr_jax.io.image_files import Image
from convcorr_jax.metrics import Protocol


@dataclass(frozen=True, eq=False)
class Record:
    """An image, one annotated object in it, and their origin; fields that contradict each other are refused.

    Attributes:
        image: The photograph: a path, the bytes of an image file, or decoded 8-bit RGB ``[height, width, 3]``.
        size: Height and width of the image in pixels, known without decoding it.
        category: The object's class.
        source_id: The identifier of the object, unique within the data set.
        split: The split that the object belongs to, such as ``"train"``.
        names: The name of each keypoint.
        points: Keypoints ``[n, 2]`` as (x, y) in pixels of the image; both NaN where a keypoint is absent.
        visible: Whether each keypoint is visible, ``[n]``. A hidden keypoint may have a position.
        left_right_pairs: Pairs of indices of keypoints that exchange names when the image is mirrored.
        part_sets: Indices of the keypoints of each named part, such as ``"left_eye"``; parts may overlap.
        box: The object's box in pixels of the image.
        other_boxes: Further annotated boxes by name, such as ``"torso"`` or ``"head"``.
        normalizer_px: The length in pixels by which the data set's own metric divides errors.
        attributes: Numbers that describe the object by name, such as ``"smiling"`` or ``"scale"``.
        label_map: The label of every pixel, ``[height, width]``: 0 is background, k is ``label_names[k - 1]``,
            255 is ignored. Either the decoded map, or a path or the bytes of an image file whose pixels (or
            palette indices) are the labels; `load_label_map` decodes it.
        label_names: The name of each label, background excluded.
    """

    image: Path | bytes | Image = field(repr=False)
    size: coords.Size
    category: str
    source_id: str
    split: str
    names: tuple[str, ...] = field(default=(), repr=False)
    points: Float[np.ndarray, "n 2"] = field(default_factory=lambda: np.zeros((0, 2)), repr=False)
    visible: Bool[np.ndarray, " n"] = field(default_factory=lambda: np.zeros(0, np.bool_), repr=False)
    left_right_pairs: tuple[tuple[int, int], ...] = field(default=(), repr=False)
    part_sets: Mapping[str, tuple[int, ...]] = field(default_factory=dict, repr=False)
    box: coords.Box | None = None
    other_boxes: Mapping[str, coords.Box] = field(default_factory=dict, repr=False)
    normalizer_px: float | None = None
    attributes: Mapping[str, float] = field(default_factory=dict, repr=False)
    label_map: Path | bytes | UInt8[np.ndarray, "height width"] | None = field(default=None, repr=False)
    label_names: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        try:
            self._check()
        except InputError as error:
            raise InputError(f"record {self.source_id!r}: {error}") from error

    def _check(self) -> None:
        if min(self.size) < 1:
            raise InputError(f"the size {tuple(self.size)} must be positive (height, width)")
        if isinstance(self.image, np.ndarray):
            _check_image_shape(self.image, self.size)
        _check_points(self.points, self.visible, self.names)
        _check_pairs(self.left_right_pairs, len(self.names))
        for part, members in self.part_sets.items():
            if any(not 0 <= index < len(self.names) for index in members):
                raise InputError(f"part {part!r} names keypoints beyond the {len(self.names)}")
        for box in (self.box, *self.other_boxes.values()):
            if box is not None:
                coords.check_box(box)
        for name, value in self.attributes.items():
            if not np.isfinite(value):
                raise InputError(f"attribute {name!r} is {value}; a finite number is expected")
        if self.normalizer_px is not None and not 0 < self.normalizer_px < float("inf"):
            raise InputError(f"the normalizer {self.normalizer_px} must be positive and finite")
        if isinstance(self.label_map, np.ndarray):
            _check_labels(self.label_map, self.label_names, self.size)


class Absent(NamedTuple):
    """An annotation that makes no record, such as one whose image is missing."""

    source_id: str
    reason: str
    """Why there is no record, as a clause without capital letter and full stop."""


IGNORED_LABEL = 255
"""The label of pixels that belong to no class and that no score counts, such as PASCAL VOC's object borders."""


def load_image(record: Record) -> Image:
    """Return the record's photograph as 8-bit RGB ``[height, width, 3]``, in the frame of its annotation.

    That is the frame of the stored pixels, since annotation tools ignored the EXIF rotation of cameras.
    """
    if isinstance(record.image, np.ndarray):
        return record.image
    name = str(record.image)
    if isinstance(record.image, bytes):
        name = f"the image of record {record.source_id!r}"
        image = decode_image(record.image, name=name, upright=False)
    else:
        image = read_image(record.image, upright=False)
    try:
        _check_image_shape(image, record.size)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    return image


def load_label_map(record: Record) -> UInt8[np.ndarray, "height width"] | None:
    """Return the record's label map, decoded; None where it has none."""
    stored = record.label_map
    if stored is None or isinstance(stored, np.ndarray):
        return stored
    name = f"the label map of record {record.source_id!r}" if isinstance(stored, bytes) else str(stored)
    label_map = decode_labels(stored, name=name) if isinstance(stored, bytes) else read_labels(stored)
    try:
        _check_labels(label_map, record.label_names, record.size)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    return label_map


class Pair(NamedTuple):
    """Two records of `PairSet.records`; the keypoints of the first are transferred to the second."""

    subset: str
    """The part of the protocol that the pair belongs to, such as a class."""
    source: int
    target: int


class Scoring(NamedTuple):
    """How pairs are scored: the rules, and the length in pixels that divides errors at each target record."""

    protocol: Protocol
    normalizers_px: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class PairSet:
    """The pairs that a protocol fixes, such as the 900 of PF-WILLOW, and the records that occur in them.

    The pairs are in the protocol's order, each of records with equal keypoints. The first scoring is the data
    set's own.
    """

    records: tuple[Record, ...]
    pairs: tuple[Pair, ...]
    scorings: tuple[Scoring, ...]

    def __post_init__(self) -> None:
        count = len(self.records)
        if not self.scorings or any(len(each.normalizers_px) != count for each in self.scorings):
            raise InputError(f"a scoring with a length for each of the {count} records is expected")
        for pair in self.pairs:
            if not (0 <= pair.source < count and 0 <= pair.target < count):
                raise InputError(f"{pair} points outside the {count} records")
            if self.records[pair.source].names != self.records[pair.target].names:
                raise InputError(f"{pair} joins records whose keypoints have different names")


def box_lengths(records: Sequence[Record], protocol: Protocol) -> Scoring:
    """Return the scoring by the longer sides of the records' boxes; a record without a box is refused.

    The whole image in its place would divide by a greater length and raise every score.
    """
    lacking = f", whose longer side normalizes {protocol.name}"
    lengths = [box_of(record, lacking=lacking).longer_side for record in records]
    return Scoring(protocol, tuple(lengths))


def box_of(record: Record, *, lacking: str = " around its object; one is needed") -> coords.Box:
    """Return the box of a record's object; the message about one without a box ends in ``lacking``."""
    if record.box is None:
        raise InputError(f"record {record.source_id!r} has no box{lacking}")
    return record.box


def own_lengths(records: Sequence[Record], protocol: Protocol) -> Scoring:
    """Return the scoring by the data set's own lengths, `Record.normalizer_px`; a missing one is refused."""
    lengths = [record.normalizer_px for record in records]
    known = tuple(length for length in lengths if length is not None)
    if len(known) < len(lengths):
        missing = records[lengths.index(None)].source_id
        raise InputError(f"record {missing!r} has no length that normalizes {protocol.name}")
    return Scoring(protocol, known)


def _check_image_shape(image: np.ndarray, size: coords.Size) -> None:
    if image.shape != (*size, 3) or image.dtype != np.uint8:
        raise InputError(
            f"the image is {image.dtype} of shape {image.shape}; 8-bit RGB of shape {(*size, 3)} is expected"
        )


def _check_points(points: np.ndarray, visible: np.ndarray, names: tuple[str, ...]) -> None:
    if points.shape != (len(names), 2) or visible.shape != (len(names),):
        raise InputError(
            f"points {points.shape} and visible {visible.shape} must hold one row for each of the "
            f"{len(names)} names"
        )
    if points.dtype != np.float64 or visible.dtype != np.bool_:
        raise InputError(
            f"points are {points.dtype} and visible is {visible.dtype}; float64 and bool are expected"
        )
    if len(set(names)) != len(names):
        raise InputError("two keypoints have the same name")
    absent = np.isnan(points)
    if np.isinf(points).any() or (absent[:, 0] != absent[:, 1]).any():
        raise InputError("each point must be finite, or NaN in both coordinates where it is absent")
    if (visible & absent[:, 0]).any():
        raise InputError("a visible point has no position")


def _check_pairs(pairs: tuple[tuple[int, int], ...], count: int) -> None:
    members = [index for pair in pairs for index in pair]
    if any(not 0 <= index < count for index in members) or len(set(members)) != len(members):
        raise InputError(f"left_right_pairs {pairs} must hold distinct indices of the {count} keypoints")


def _check_labels(label_map: np.ndarray, names: tuple[str, ...], size: coords.Size) -> None:
    if label_map.shape != tuple(size) or label_map.dtype != np.uint8:
        raise InputError(
            f"the label map is {label_map.dtype} of shape {label_map.shape}; uint8 of shape "
            f"{tuple(size)} is expected"
        )
    unnamed = set(np.unique(label_map).tolist()) - {*range(len(names) + 1), IGNORED_LABEL}
    if unnamed:
        raise InputError(f"labels {sorted(unnamed)} have no name among {names}")
