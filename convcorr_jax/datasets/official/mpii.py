"""MPII Human Pose: some 25,000 video frames with over 40,000 people, 16 joints each.

The release is ``mpii_human_pose_v1_u12_1.mat`` (the struct ``RELEASE``) and the folder ``images``. Without that
file, the flat forms from which pose networks are trained are read: HDF5 (`read_h5`), or else JSON
(`read_json`).

- "Left" is the person's own. A joint that is not annotated is absent; the others may be marked as hidden. The
  two joints of the head, which were derived from its box, have no mark and count as visible.
- The test set has neither joints nor head boxes. Its people have a rough centre and a scale, as attributes:
  ``center_x``, ``center_y``, and ``scale``, the person's height in units of 200 pixels.
- Coordinates are 1-based in all files: among the joints of 19,919 training people 22 coordinates are 1 and none
  is 0, and MPII's authors confirmed it to HRNet's (microsoft/human-pose-estimation.pytorch, issue 110).
- ``separated`` is 1 for people who stand apart from others: the official single-person setting.
- The metric's length is `metrics.pckh.head_sizes` of the head's box. People have no box.
- The official splits are train and test. The usual validation set is that of Tompson et al., 2958 people of the
  training set: if their ``detections.mat`` is in the folder, these people are of the split "valid".

A record's id is ``<frame>#<index of the person in the frame, from 0>``. A frame without people is `Absent`, and
so is a person whose annotation is damaged.

Source: Andriluka, Pishchulin, Gehler, Schiele, "2D Human Pose Estimation: New Benchmark and State of the Art
Analysis", CVPR 2014; Tompson, Goroshin, Jain, LeCun, Bregler, "Efficient Object Localization Using
Convolutional Networks", CVPR 2015.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from jaxtyping import Bool, Float

from convcorr_jax import coords
from convcorr_jax.datasets import loading
from convcorr_jax.datasets.formats import hdf5, mat
from convcorr_jax.datasets.formats.text import points_by_id
from convcorr_jax.datasets.records import Absent, Record
from convcorr_jax.errors import InputError
from convcorr_jax.io import check_file, image_size, json_array, json_file
from convcorr_jax.metrics import head_sizes

# In the order of their ids.
NAMES = (
    *("r_ankle", "r_knee", "r_hip", "l_hip", "l_knee", "l_ankle"),
    *("pelvis", "thorax", "upper_neck", "head_top"),
    *("r_wrist", "r_elbow", "r_shoulder", "l_shoulder", "l_elbow", "l_wrist"),
)

LEFT_RIGHT_PAIRS = ((5, 0), (4, 1), (3, 2), (15, 10), (14, 11), (13, 12))


class Person(NamedTuple):
    """An annotated person; coordinates are in pixels of the frame, 0-based."""

    frame: str
    place: int
    split: str
    """One of "train", "valid" and "test"."""
    points: Float[np.ndarray, "16 2"]
    """Joints (x, y); NaN where a joint is absent."""
    visible: Bool[np.ndarray, "16"]
    head_box: coords.Box | None
    head_size: float | None
    """The length of PCKh in pixels, `metrics.pckh.head_sizes` of the head's box, if it is known."""
    attributes: dict[str, float]
    """Those of "center_x", "center_y", "scale" and "separated" that are known."""


def to_record(images: Path, person: Person) -> Record | Absent:
    """Return the record of a person; `Absent` if the frame is missing or the annotation fits no record."""
    source_id = f"{person.frame}#{person.place}"
    try:
        path = loading.member_file(images, person.frame)
        return Record(
            image=path,
            size=image_size(path),
            category="person",
            source_id=source_id,
            split=person.split,
            names=NAMES,
            points=person.points,
            visible=person.visible,
            left_right_pairs=LEFT_RIGHT_PAIRS,
            other_boxes={} if person.head_box is None else {"head": person.head_box},
            normalizer_px=person.head_size,
            attributes=person.attributes,
        )
    except InputError as error:
        return Absent(source_id, str(error))


# How the hourglass's preparation enlarged the scale, and lowered the centre in pixels times the scale.
_ENLARGED = 1.25
_LOWERED = 15.0

# The arrays of an .h5, and the shape of their part for one person.
_SHAPES = {
    **{"imgname": (), "person": (), "part": (16, 2), "visible": (16,)},
    **{"center": (2,), "scale": (), "normalize": ()},
}
# No image has as many pixels a side.
_MAX_COORDINATE = 1e6


def read_h5(paths: Mapping[str, Path]) -> tuple[Person, ...]:
    """Read the people of the hourglass networks' ``train.h5``, ``valid.h5`` and ``test.h5``, by split.

    Their joints are rounded down to whole pixels, and (0, 0) where absent. They have the length of PCKh, but
    not the head's box. Their centres are 15 pixels (times the scale) lower and their scales 1.25 times larger
    than the release's, for cropping; both are reverted. The later ``annot.h5`` has another layout and is not
    read.

    Source: Newell, Yang, Deng, ECCV 2016.
    """
    return tuple(person for split, path in paths.items() for person in _h5_people(path, split))


def read_json(paths: Mapping[str, Path]) -> tuple[Person, ...]:
    """Read the people of HRNet's ``train.json``, ``valid.json`` and ``test.json``, by split.

    A file (``mpii_train.json`` and so on in mmpose) is a list of people with ``image``, ``center``, ``scale``
    and, except in the test set, ``joints`` and ``joints_vis``, which is 0 for absent joints and 1 for all
    others, hidden ones included. They lack the head's size and the numbers of people, who are numbered here in
    the order of the file.
    """
    places: Counter[str] = Counter()
    return tuple(person for split, path in paths.items() for person in _json_people(path, split, places))


FORMS = (
    ({split: f"{split}.h5" for split in ("train", "valid", "test")}, read_h5),
    ({split: f"{split}.json" for split in ("train", "valid", "test")}, read_json),
    ({"train": "mpii_train.json", "valid": "mpii_val.json", "test": "mpii_test.json"}, read_json),
)
"""File names by split and the function that reads them, in the order of preference."""


def _h5_people(path: Path, split: str) -> list[Person]:
    check_file(path, "HDF5")
    try:
        with h5py.File(path, "r") as stored:
            columns = {name: _column(hdf5.member(stored, name), name) for name in _SHAPES}
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, MemoryError) as error:
        raise InputError(f"{path} is damaged, or not laid out as MPII's .h5: {error}") from error
    if len({len(column) for column in columns.values()}) != 1:
        raise InputError(f"{path}: its arrays are of different lengths")
    joints = columns["part"].astype(np.float64)
    absent = (joints == 0).all(axis=-1)
    points = np.where(absent[..., None], np.nan, joints - 1)
    visible = (columns["visible"] > 0) & ~absent
    scale = columns["scale"] / _ENLARGED
    center_x, center_y = columns["center"].T - 1
    center_y = center_y - _LOWERED * scale
    return [
        Person(
            frame=columns["imgname"][index].decode("utf-8", "replace"),
            place=int(columns["person"][index]),
            split=split,
            points=points[index],
            visible=visible[index],
            head_box=None,
            head_size=float(columns["normalize"][index]),
            attributes={
                "center_x": float(center_x[index]),
                "center_y": float(center_y[index]),
                "scale": float(scale[index]),
            },
        )
        for index in range(len(points))
    ]


def _column(stored: Any, name: str) -> np.ndarray:
    kinds = "S" if name == "imgname" else "fiu"
    shape = _SHAPES[name]
    if (
        not isinstance(stored, h5py.Dataset)
        or stored.dtype.kind not in kinds
        or stored.ndim != 1 + len(shape)
        or stored.shape[1:] != shape
    ):
        raise ValueError(f"{name} must be an array of people times {shape}")
    column = hdf5.read(stored)
    if name != "imgname" and not (np.abs(column) < _MAX_COORDINATE).all():
        raise ValueError(f"{name} must be finite, and within {_MAX_COORDINATE:.0f} pixels")
    return column


def _json_people(path: Path, split: str, places: Counter[str]) -> list[Person]:
    people = []
    with json_file(path, "MPII annotation") as entries:
        for entry in entries:
            # JSON can encode half a surrogate pair, which neither file names nor reports can contain.
            frame = str(entry["image"]).encode(errors="replace").decode()
            people.append(_json_person(entry, frame, places[frame], split))
            places[frame] += 1
    return people


def _json_person(entry: dict[str, Any], frame: str, place: int, split: str) -> Person:
    count = len(NAMES)
    joints = json_array(entry.get("joints", [[0, 0]] * count), dtype=np.float64)
    known = json_array(entry.get("joints_vis", [0] * count), dtype=np.float64) > 0
    center_x, center_y = (float(value) for value in entry["center"])
    attributes = {"scale": float(entry["scale"])}
    # The code of the networks marks a person without centre by -1.
    if center_x != -1:
        attributes |= {"center_x": center_x - 1, "center_y": center_y - 1}
    if joints.shape != (count, 2) or known.shape != (count,):
        raise ValueError(f"a person has joints {joints.shape} and joints_vis {known.shape}")
    known &= np.isfinite(joints).all(axis=1)
    return Person(
        frame=frame,
        place=place,
        split=split,
        points=np.where(known[:, None], joints - 1, np.nan),
        visible=known,
        head_box=None,
        head_size=None,
        attributes=attributes,
    )


RELEASE_FILE = "mpii_human_pose_v1_u12_1.mat"
VALIDATION_FILE = "detections.mat"

# How deep in the tree files may be.
_FOLDERS = ("", "*/", "*/*/")


class PersonIndex(NamedTuple):
    """The indices, from 0, of a frame of the release in ``annolist`` and of a person in the frame."""

    frame: int
    person: int


def read(source: Path) -> Iterator[Record | Absent]:
    """Yield the people of the release, or of the flat files, in their order."""
    images = _find(source, "images")
    if images is None:
        raise InputError(f"{source} has no folder 'images' of MPII's frames")
    return _records(images, _people(source))


def _people(source: Path) -> Iterable[Person | Absent]:
    if (release := _find(source, RELEASE_FILE)) is not None:
        places = _find(source, VALIDATION_FILE)
        return read_release(release, validation=read_validation(places) if places else frozenset())
    for names, read_flat in FORMS:
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
        record = person if isinstance(person, Absent) else to_record(images, person)
        if record.source_id in seen:
            raise InputError(f"{images.parent}: the annotations have {record.source_id} twice")
        seen.add(record.source_id)
        yield record


def read_release(path: Path, *, validation: Set[PersonIndex] = frozenset()) -> Iterator[Person | Absent]:
    """Yield the people of ``RELEASE``; those of ``validation`` in the training set are of the split "valid"."""
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
            is_valid = PersonIndex(index, place) in validation
            split = ("valid" if is_valid else "train") if training[index] else "test"
            try:
                person = read_person(annotated, frame=name, place=place, split=split)
            except InputError as error:
                yield Absent(f"{name}#{place}", str(error))
            else:
                yield person._replace(attributes={**person.attributes, "separated": float(place in alone)})


def read_validation(path: Path) -> frozenset[PersonIndex]:
    """Return the places of the validation people of Tompson et al., from their ``detections.mat``."""
    variables = mat.read(path)
    columns = (variables.array("RELEASE_img_index"), variables.array("RELEASE_person_index"))
    if columns[0].size != columns[1].size:
        raise InputError(f"{path}: RELEASE_img_index and RELEASE_person_index differ in length")
    pairs = zip(*(column.ravel().tolist() for column in columns), strict=True)
    return frozenset(PersonIndex(frame - 1, person - 1) for frame, person in pairs)


def read_person(annotated: mat.Group, *, frame: str, place: int, split: str) -> Person:
    """Return the person of a struct in ``annorect``, the one at ``place`` in the frame, from 0."""
    points = np.full((len(NAMES), 2), np.nan)
    visible = np.zeros(len(NAMES), bool)
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
