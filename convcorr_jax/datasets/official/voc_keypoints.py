"""PASCAL VOC 2011 keypoints: objects of 20 classes, annotated at Berkeley with 6 to 23 keypoints each.

Two archives lie in one folder: ``VOCdevkit/VOC2011`` (or 2012, which holds the same pictures and lists)
and ``annotations/<class>/<picture>_<n>.xml`` of ``voc2011_keypoints_Feb2012.tgz``, one object a file:
picture, class, ``visible_bounds`` and the keypoints that can be annotated, each by name; the others are
left out. ``visible="0"`` is a keypoint that is hidden, yet has a position.

- For 19 classes n, also in the file as ``voc_id``, is the object's place in VOC's own annotation, from 1.
  The files of people have no such number, and n is another count: they are matched to VOC's people by
  the overlap of boxes. The record's box is that of the matched object, which also says whether it is
  difficult, truncated or occluded; without a match it is ``visible_bounds``.
- Boxes and keypoints are in VOC's frame, whose first pixel is 1. Width and height of
  ``visible_bounds`` lead from first to last pixel.
- The split is VOC's own (``ImageSets/Main``), as Long, Zhang and Darrell take it, and not one of those
  that later papers on matching made for themselves.
- The release calls itself a beta: its authors did not go over people in pictures of 2010 and 2011.
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

# Both boxes were drawn around the same object when they share more than they do not.
_LEAST_OVERLAP = 0.5


class Keypoint(NamedTuple):
    """An annotated keypoint, 0-based."""

    name: str
    x: float
    y: float
    visible: bool


class Annotation(NamedTuple):
    """A file of the release."""

    image: str
    category: str
    voc_id: int | None
    """The object's place in VOC's annotation, from 1; people have none."""
    bounds: coords.Box | None
    keypoints: tuple[Keypoint, ...]


def read(source: Path) -> Iterator[Record | Absent]:
    """The objects of all classes in VOC's order of classes, each in the order of pictures.

    Raises:
        InputError: one of the two trees is not there, or a file in it is damaged; the sentence says
            what is expected where.
    """
    release = voc.find_release(source, (2011, 2012))
    folder = source / "annotations"
    paths = [path for name in voc.CLASSES for path in sorted((folder / name).glob("[!.]*.xml"))]
    if not paths:
        raise InputError(f"{folder} holds no <class>/<picture>_<n>.xml of the Berkeley keypoints")
    splits = voc.read_splits(release / "ImageSets" / "Main")
    return (_record(release, splits, path) for path in paths)


def read_annotation(path: Path) -> Annotation:
    """A file of the release, its coordinates made 0-based.

    Raises:
        InputError: it is missing, no well-formed XML, or lacks a picture, a class, or the name or
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
    picture = path.stem.rpartition("_")[0]
    if (annotation.image, annotation.category) != (picture, category):
        return Absent(source_id, f"it is of a {annotation.category} in {annotation.image}")
    if picture not in splits:
        return Absent(source_id, f"{picture} is in neither list of VOC's ImageSets/Main")
    image = release / "JPEGImages" / f"{picture}.jpg"
    if not image.is_file():
        return Absent(source_id, f"JPEGImages/{image.name} is not there")
    described = release / "Annotations" / f"{picture}.xml"
    official = voc.read_annotation(described) if described.is_file() else None
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
            split=splits[picture],
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
    """Positions of all keypoints of the class, and which of them can be seen."""
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
    """VOC's object that the keypoints belong to: by its number, else by its box."""
    if annotation.voc_id is not None and 1 <= annotation.voc_id <= len(objects):
        numbered = objects[annotation.voc_id - 1]
        if numbered.category == annotation.category:
            return numbered
    bounds = annotation.bounds
    same = [thing for thing in objects if thing.category == annotation.category]
    if bounds is None or not same:
        return None
    nearest = max(same, key=lambda thing: _overlap(thing.box, bounds))
    return nearest if _overlap(nearest.box, bounds) >= _LEAST_OVERLAP else None


def _overlap(first: coords.Box, second: coords.Box) -> float:
    """Intersection over union."""
    shared = coords.Box(*np.maximum(first[:2], second[:2]), *np.minimum(first[2:], second[2:]))
    if shared.width <= 0 or shared.height <= 0:
        return 0.0
    area = shared.width * shared.height
    return area / (first.width * first.height + second.width * second.height - area)
