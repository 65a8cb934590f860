"""PASCAL VOC 2011 keypoints: objects of 20 classes, annotated at Berkeley with 6 to 23 keypoints each.

The folder holds the content of two archives: ``VOCdevkit/VOC2011`` (or 2012, which has the same images and
lists) and ``annotations/<class>/<image>_<n>.xml`` of ``voc2011_keypoints_Feb2012.tgz``, one object in each
file: image, class, ``visible_bounds`` and, by name, the keypoints that can be annotated; the others are
omitted. ``visible="0"`` marks a keypoint that is hidden, but has a position.

- For 19 classes n, also in the file as ``voc_id``, is the number of the object in VOC's own annotation, from 1.
  The files of people have no such number, and n is another count: the overlap of boxes matches them to VOC's
  people. The record's box is that of the matched object, whose flags (difficult, truncated, occluded) are the
  record's attributes; without a match it is ``visible_bounds``.
- Boxes and keypoints are in VOC's frame, whose first pixel is 1. Width and height of ``visible_bounds`` are
  last minus first pixel.
- The split is VOC's own (``ImageSets/Main``), as in Long, Zhang and Darrell, and not one of those that later
  papers on matching defined.
- The release calls itself a beta: its authors did not revise people in images of 2010 and 2011.
- The metric's length is the longer side of the box, in pixels.

"Left" is the object's own. Source: Bourdev, Maji, Brox, Malik, "Detecting People Using Mutually
Consistent Poselet Activations", ECCV 2010; Long, Zhang, Darrell, "Do Convnets Learn Correspondence?",
NIPS 2014.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from convcorr_jax import coords
from convcorr_jax.datasets.formats import voc, xml
from convcorr_jax.datasets.official.voc_keypoint_names import LEFT_RIGHT_PAIRS, NAMES
from convcorr_jax.datasets.records import Absent, Record
from convcorr_jax.errors import InputError
from convcorr_jax.io import image_size

# Boxes with at least this intersection over union are taken to be of the same object.
_MIN_OVERLAP = 0.5


class Keypoint(NamedTuple):
    """An annotated keypoint."""

    name: str
    """The name in `NAMES`."""
    x: float
    """Position in pixels of the image, 0-based."""
    y: float
    """Position in pixels of the image, 0-based."""
    visible: bool
    """Whether the keypoint is visible; a hidden one has a position, too."""


class Annotation(NamedTuple):
    """The content of a file of the release."""

    image: str
    """The name of the image, without suffix."""
    category: str
    """The object's class."""
    voc_id: int | None
    """The number of the object in VOC's annotation, from 1; None for people."""
    bounds: coords.Box | None
    """``visible_bounds`` in pixels of the image, 0-based; None if the file has none."""
    keypoints: tuple[Keypoint, ...]
    """The keypoints, in the order of the file."""


def read(source: Path) -> Iterator[Record | Absent]:
    """Yield the objects of all classes, in VOC's order of classes and the order of images in each.

    Raises:
        InputError: the content of one of the two archives is missing, or a file in it is damaged.
    """
    release = voc.find_release(source, (2011, 2012))
    folder = source / "annotations"
    paths = [path for name in voc.CLASSES for path in sorted((folder / name).glob("[!.]*.xml"))]
    if not paths:
        raise InputError(f"{folder} holds no <class>/<image>_<n>.xml of the Berkeley keypoints")
    splits = voc.read_splits(release / "ImageSets" / "Main")
    return (_record(release, splits, path) for path in paths)


def read_annotation(path: Path) -> Annotation:
    """Read a file of the release; coordinates of the result are 0-based.

    Raises:
        InputError: the file is missing, not well-formed XML, or lacks the image, the class, or the name or
            position of a keypoint.
    """
    root = xml.read(path, root="annotation")
    listed = root.child("keypoints")
    return Annotation(
        image=root.text("image"),
        category=root.text("category"),
        voc_id=None if root.child("voc_id") is None else int(root.number("voc_id")),
        bounds=_bounds(root.child("visible_bounds")),
        keypoints=() if listed is None else tuple(map(_keypoint, listed.children("keypoint"))),
    )


def _bounds(node: xml.Node | None) -> coords.Box | None:
    sides = ("xmin", "ymin", "width", "height")
    if node is None or any(node.element.get(side) is None for side in sides):
        return None
    xmin, ymin, width, height = (node.numeric_attribute(side) for side in sides)
    if width < 0 or height < 0:
        return None
    return voc.box(xmin, ymin, xmin + width, ymin + height)


def _keypoint(node: xml.Node) -> Keypoint:
    return Keypoint(
        node.attribute("name"),
        node.numeric_attribute("x") - 1,
        node.numeric_attribute("y") - 1,
        node.numeric_attribute("visible") != 0,
    )


def _record(release: Path, splits: Mapping[str, str], path: Path) -> Record | Absent:
    category = path.parent.name
    source_id = f"{category}/{path.stem}"
    annotation = read_annotation(path)
    name = path.stem.rpartition("_")[0]
    if (annotation.image, annotation.category) != (name, category):
        return Absent(source_id, f"it is of a {annotation.category} in {annotation.image}")
    if name not in splits:
        return Absent(source_id, f"{name} is in neither list of VOC's ImageSets/Main")
    image = release / "JPEGImages" / f"{name}.jpg"
    if not image.is_file():
        return Absent(source_id, f"JPEGImages/{image.name} is missing")
    voc_annotation = release / "Annotations" / f"{name}.xml"
    official = voc.read_annotation(voc_annotation) if voc_annotation.is_file() else None
    matched = None if official is None else _matched(annotation, official.objects)
    box = annotation.bounds if matched is None else matched.box
    if box is None:
        return Absent(source_id, "it has no bounds and is no object of VOC's annotation")
    try:
        size = image_size(image)
        if official is not None and official.size != size:
            return Absent(source_id, f"{image.name} is not of the size in VOC's annotation")
        points, visible = _by_name(annotation)
        return Record(
            image=image,
            size=size,
            category=category,
            source_id=source_id,
            split=splits[name],
            names=NAMES[category],
            points=points,
            visible=visible,
            left_right_pairs=LEFT_RIGHT_PAIRS[category],
            box=box,
            normalizer_px=box.longer_side,
            attributes={} if matched is None else matched.flags,
        )
    except InputError as error:
        return Absent(source_id, str(error))


def _by_name(
    annotation: Annotation,
) -> tuple[Float[np.ndarray, "n 2"], Bool[np.ndarray, " n"]]:
    """Return the positions of all keypoints of the class, and which of them are visible."""
    names = NAMES[annotation.category]
    points, visible = np.full((len(names), 2), np.nan), np.zeros(len(names), bool)
    if not annotation.keypoints:
        raise InputError("it has no keypoint")
    for keypoint in annotation.keypoints:
        if keypoint.name not in names:
            raise InputError(f"{keypoint.name!r} is no keypoint of a {annotation.category}")
        index = names.index(keypoint.name)
        if not np.isnan(points[index, 0]):
            raise InputError(f"it has {keypoint.name} twice")
        points[index], visible[index] = (keypoint.x, keypoint.y), keypoint.visible
    return points, visible


def _matched(annotation: Annotation, objects: Sequence[voc.Object]) -> voc.Object | None:
    """Return VOC's object that the keypoints belong to, by number or else by box; None if there is none."""
    if annotation.voc_id is not None and 1 <= annotation.voc_id <= len(objects):
        numbered = objects[annotation.voc_id - 1]
        if numbered.category == annotation.category:
            return numbered
    bounds = annotation.bounds
    candidates = [entry for entry in objects if entry.category == annotation.category]
    if bounds is None or not candidates:
        return None
    nearest = max(candidates, key=lambda candidate: _overlap(candidate.box, bounds))
    return nearest if _overlap(nearest.box, bounds) >= _MIN_OVERLAP else None


def _overlap(first: coords.Box, second: coords.Box) -> float:
    """Return the intersection over union of two boxes."""
    shared = coords.Box(*np.maximum(first[:2], second[:2]), *np.minimum(first[2:], second[2:]))
    if shared.width <= 0 or shared.height <= 0:
        return 0.0
    area = shared.width * shared.height
    return area / (first.width * first.height + second.width * second.height - area)
