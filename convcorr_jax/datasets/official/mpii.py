"""MPII Human Pose: some 25,000 video frames with over 40,000 people, 16 joints each.

The release is ``mpii_human_pose_v1_u12_1.mat`` (the struct ``RELEASE``) and the folder ``images``. Without that
file, the flat forms of `mpii_flat` are read: ``train.h5``, ``valid.h5`` and ``test.h5``, or else JSON.

- "Left" is the person's own. A joint that is not annotated is absent; the others may be marked as hidden. The
  two joints of the head, which were derived from its box, have no mark and count as visible.
- The test set has neither joints nor head boxes. Its people have a rough centre and a scale, as attributes:
  ``center_x``, ``center_y``, and ``scale``, the person's height in units of 200 pixels.
- Coordinates are 1-based: among the joints of 19,919 training people 22 coordinates are 1 and none is 0, and
  MPII's authors confirmed it to HRNet's (microsoft/human-pose-estimation.pytorch, issue 110).
- ``separated`` is 1 for people who stand apart from others: the official single-person setting.
- The metric's length is `metrics.pckh.head_sizes` of the head's box. People have no box.
- The official splits are train and test. The usual validation set is that of Tompson et al., 2958 people of the
  training set: if their ``detections.mat`` is in the folder, these people are of the split "valid".

A record's id is ``<frame>#<index of the person in the frame, from 0>``. A frame without people is `Absent`, and
so is a person whose annotation is damaged.

Source: Andriluka, Pishchulin, Gehler, Schiele, "2D Human Pose Estimation: New Benchmark and State of
the Art Analysis", CVPR 2014; Tompson, Goroshin, Jain, LeCun, Bregler, "Efficient Object Localization
Using Convolutional Networks", CVPR 2015.
"""

from collections.abc import Iterable, Iterator, Set
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convcorr_jax import coords
from convcorr_jax.datasets.formats import mat
from convcorr_jax.datasets.formats.annopoints import points_by_id
from convcorr_jax.datasets.official import mpii_flat, mpii_people
from convcorr_jax.datasets.official.mpii_people import Person
from convcorr_jax.datasets.records import Absent, Record
from convcorr_jax.errors import InputError
from convcorr_jax.metrics.pckh import head_sizes

RELEASE_FILE = "mpii_human_pose_v1_u12_1.mat"
VALIDATION_FILE = "detections.mat"

# How deep in the tree files may be.
_FOLDERS = ("", "*/", "*/*/")
MARKERS = tuple(
    f"{folders}{name}"
    for name in (RELEASE_FILE, *(name for names, _ in mpii_flat.FORMS for name in names.values()))
    for folders in _FOLDERS
)
"""Glob patterns of the annotation files that are read."""


class Place(NamedTuple):
    """The indices of a person of the release, from 0."""

    frame: int
    """The index of the frame in ``annolist``."""
    person: int
    """The index of the person in the frame."""


def read(source: Path) -> Iterator[Record | Absent]:
    """Yield the people of the release, or of the flat files, in their order.

    Raises:
        InputError: the annotations or ``images`` are missing; the annotations are damaged or of another layout;
            a person occurs twice.
    """
    images = _find(source, "images")
    if images is None:
        raise InputError(f"{source} has no folder 'images' of MPII's frames")
    return _records(images, _people(source))


def _people(source: Path) -> Iterable[Person | Absent]:
    if (release := _find(source, RELEASE_FILE)) is not None:
        places = _find(source, VALIDATION_FILE)
        return read_release(release, validation=read_validation(places) if places else frozenset())
    for names, read_flat in mpii_flat.FORMS:
        paths = {split: path for split, name in names.items() if (path := _find(source, name))}
        if paths:
            return read_flat(paths)
    raise InputError(
        f"{source} has no annotations of MPII: {RELEASE_FILE} is expected, or train.h5, valid.h5 and "
        "test.h5 (or .json) of pose networks"
    )


def _find(source: Path, name: str) -> Path | None:
    """Return the file or folder of this name that is at most two folders down, the first by path."""
    for folders in _FOLDERS:
        if paths := sorted(source.glob(f"{folders}{name}")):
            return paths[0]
    return None


def _records(images: Path, people: Iterable[Person | Absent]) -> Iterator[Record | Absent]:
    seen: set[str] = set()
    for person in people:
        record = person if isinstance(person, Absent) else mpii_people.to_record(images, person)
        if record.source_id in seen:
            raise InputError(f"{images.parent}: the annotations have {record.source_id} twice")
        seen.add(record.source_id)
        yield record


def read_release(path: Path, *, validation: Set[Place] = frozenset()) -> Iterator[Person | Absent]:
    """Yield the people of ``RELEASE``.

    Args:
        path: the file of the release.
        validation: people of the training set that are of the split "valid".

    Raises:
        InputError: the file is missing, damaged or of another layout.
    """
    release = mat.read(path).only_struct("RELEASE")
    frames = release.structs("annolist")
    training = release.array("img_train").ravel()
    separated = release.cells("single_person")
    if not len(frames) == len(training) == len(separated):
        raise InputError(f"{path}: annolist, img_train and single_person are of different lengths")
    for index, frame in enumerate(frames):
        name = frame.only_struct("image").text("name")
        alone = {number - 1 for number in separated.array(index).ravel().tolist()}
        people = frame.structs("annorect") if frame.has("annorect") else ()
        if not people:
            yield Absent(name, "no person is annotated in it")
        for place, annotated in enumerate(people):
            is_valid = Place(index, place) in validation
            split = ("valid" if is_valid else "train") if training[index] else "test"
            try:
                person = read_person(annotated, frame=name, place=place, split=split)
            except InputError as error:
                yield Absent(f"{name}#{place}", str(error))
            else:
                attributes = {**person.attributes, "separated": float(place in alone)}
                yield person._replace(attributes=attributes)


def read_validation(path: Path) -> frozenset[Place]:
    """Return the places of the validation people of Tompson et al., from their ``detections.mat``.

    Raises:
        InputError: the file is missing, damaged or of another layout.
    """
    variables = mat.read(path)
    columns = (variables.array("RELEASE_img_index"), variables.array("RELEASE_person_index"))
    if columns[0].size != columns[1].size:
        raise InputError(f"{path}: RELEASE_img_index and RELEASE_person_index differ in length")
    pairs = zip(*(column.ravel().tolist() for column in columns), strict=True)
    return frozenset(Place(frame - 1, person - 1) for frame, person in pairs)


def read_person(annotated: mat.Group, *, frame: str, place: int, split: str) -> Person:
    """Return a person of the release.

    Args:
        annotated: the person's struct in ``annorect``.
        frame: file name of the frame.
        place: index of the person in the frame, from 0.
        split: the person's split.

    Raises:
        InputError: a coordinate is not a number; a joint has no valid id, or occurs twice.
    """
    points = np.full((len(mpii_people.NAMES), 2), np.nan)
    visible = np.zeros(len(mpii_people.NAMES), bool)
    for number, joint in points_by_id(annotated).items():
        points[number] = joint.number("x") - 1, joint.number("y") - 1
        visible[number] = joint.number_if_any("is_visible") != 0
    attributes = {}
    if annotated.has("objpos"):
        center = annotated.only_struct("objpos")
        attributes |= {f"center_{axis}": center.number(axis) - 1 for axis in "xy"}
    if (scale := annotated.number_if_any("scale")) is not None:
        attributes["scale"] = scale
    edges = [annotated.number_if_any(edge) for edge in ("x1", "y1", "x2", "y2")]
    known = [edge - 1 for edge in edges if edge is not None]
    head = coords.Box(*known) if len(known) == len(edges) else None
    return Person(
        frame=frame,
        place=place,
        split=split,
        points=points,
        visible=visible,
        head_box=head,
        head_size=float(head_sizes(np.array([head]))[0]) if head else None,
        attributes=attributes,
    )
