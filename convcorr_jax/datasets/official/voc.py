"""PASCAL VOC: the objects of VOC 2011 with Berkeley's keypoints, and the segmentation of VOC 2012.

`read_keypoints` reads objects of 20 classes, annotated at Berkeley with 6 to 23 keypoints each. The folder
holds the content of two archives: ``VOCdevkit/VOC2011`` (or 2012, which has the same images and lists) and
``annotations/<class>/<image>_<n>.xml`` of ``voc2011_keypoints_Feb2012.tgz``, one object in each file: image,
class, ``visible_bounds`` and, by name, the keypoints that can be annotated; the others are omitted.
``visible="0"`` marks a keypoint that is hidden, but has a position.

- For 19 classes n, also in the file as ``voc_id``, is the number of the object in VOC's own annotation, from 1.
  The files of people have no such number, and n is another count: the overlap of boxes matches them to VOC's
  people. The record's box is that of the matched object, whose flags (difficult, truncated, occluded) are the
  record's attributes; without a match it is ``visible_bounds``.
- Boxes and keypoints are in VOC's frame, whose first pixel is 1. Width and height of ``visible_bounds`` are
  last minus first pixel.
- The split is VOC's own (``ImageSets/Main``), as in Long, Zhang and Darrell, and not one of those that later
  papers on matching defined.
- The release calls itself a beta: its authors did not revise people in images of 2010 and 2011.
- The metric's length is the longer side of the box, in pixels. "Left" is the object's own.
- The 244 names are those in the annotations, in alphabetical order, as papers on the set number them.

Source: Bourdev, Maji, Brox, Malik, "Detecting People Using Mutually Consistent Poselet Activations", ECCV 2010;
Long, Zhang, Darrell, "Do Convnets Learn Correspondence?", NIPS 2014. The names are from `data/pascal_voc.py` of
https://github.com/Thinklab-SJTU/PCA-GM; the pairs agree with those of
https://github.com/ethanhe42/reconstructing-pascal-voc (Vicente, Carreira, Agapito, Batista, "Reconstructing
PASCAL VOC", CVPR 2014).

`read_segmentation` reads images whose pixels are labelled with the 20 classes. The folder holds the content of
the archive ``VOCtrainval_11-May-2012.tar``, ``VOCdevkit/VOC2012``: ``ImageSets/Segmentation/{train,val}.txt``
list images of ``JPEGImages``. Their palette images in ``SegmentationClass`` hold 0 for background, k for the
k-th class, and 255 for the borders of objects and for pixels that are too difficult to label, which no score
counts. Officially there are 1464 images for training and 1449 for validation; the labels of the test images are
not public.

A record is a whole image, which may show several classes: its category is "scene", and it has neither box nor
keypoints.

Source: Everingham, Eslami, Van Gool, Williams, Winn, Zisserman, "The PASCAL Visual Object Classes Challenge: A
Retrospective", IJCV 2015.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from convcorr_jax import coords
from convcorr_jax.datasets.formats import xml
from convcorr_jax.datasets.records import Absent, Record
from convcorr_jax.errors import InputError
from convcorr_jax.io import image_size

_FOUR_LEGS = (
    "L_B_Elbow L_B_Paw L_EarBase L_Eye L_F_Elbow L_F_Paw Nose R_B_Elbow R_B_Paw R_EarBase R_Eye R_F_Elbow "
    "R_F_Paw TailBase Throat Withers"
).split()
_NAMES = {
    "aeroplane": (
        "Bot_Rudder Bot_Rudder_Front L_Stabilizer L_WingTip Left_Engine_Back Left_Engine_Front Left_Wing_Base "
        "NoseTip Nose_Bottom Nose_Top R_Stabilizer R_WingTip Right_Engine_Back Right_Engine_Front "
        "Right_Wing_Base Top_Rudder"
    ).split(),
    "bicycle": (
        "B_WheelCenter B_WheelEnd B_WheelIntersection CranksetCenter F_WheelCenter F_WheelEnd "
        "F_WheelIntersection HandleCenter L_HandleTip R_HandleTip SeatBase"
    ).split(),
    "bird": (
        "Beak_Base Beak_Tip Left_Eye Left_Wing_Base Left_Wing_Tip Leg_Center Lower_Neck_Base Right_Eye "
        "Right_Wing_Base Right_Wing_Tip Tail_Tip Upper_Neck_Base"
    ).split(),
    "boat": (
        "Hull_Back_Bot Hull_Back_Top Hull_Front_Bot Hull_Front_Top Hull_Mid_Left_Bot Hull_Mid_Left_Top "
        "Hull_Mid_Right_Bot Hull_Mid_Right_Top Mast_Top Sail_Left Sail_Right"
    ).split(),
    "bottle": "L_Base L_Neck L_Shoulder L_Top R_Base R_Neck R_Shoulder R_Top".split(),
    "bus": "L_B_Base L_B_RoofTop L_F_Base L_F_RoofTop R_B_Base R_B_RoofTop R_F_Base R_F_RoofTop".split(),
    "car": (
        "L_B_RoofTop L_B_WheelCenter L_F_RoofTop L_F_WheelCenter L_HeadLight L_SideviewMirror L_TailLight "
        "R_B_RoofTop R_B_WheelCenter R_F_RoofTop R_F_WheelCenter R_HeadLight R_SideviewMirror R_TailLight"
    ).split(),
    "cat": _FOUR_LEGS,
    "chair": (
        "BackRest_Top_Left BackRest_Top_Right Leg_Left_Back Leg_Left_Front Leg_Right_Back Leg_Right_Front "
        "Seat_Left_Back Seat_Left_Front Seat_Right_Back Seat_Right_Front"
    ).split(),
    "cow": _FOUR_LEGS,
    "diningtable": (
        "Bot_Left_Back Bot_Left_Front Bot_Right_Back Bot_Right_Front Top_Left_Back Top_Left_Front "
        "Top_Right_Back Top_Right_Front"
    ).split(),
    "dog": _FOUR_LEGS,
    "horse": _FOUR_LEGS,
    "motorbike": (
        "B_WheelCenter B_WheelEnd ExhaustPipeEnd F_WheelCenter F_WheelEnd HandleCenter L_HandleTip R_HandleTip "
        "SeatBase TailLight"
    ).split(),
    "person": (
        "B_Head HeadBack L_Ankle L_Ear L_Elbow L_Eye L_Foot L_Hip L_Knee L_Shoulder L_Toes L_Wrist Nose "
        "R_Ankle R_Ear R_Elbow R_Eye R_Foot R_Hip R_Knee R_Shoulder R_Toes R_Wrist"
    ).split(),
    "pottedplant": "Bottom_Left Bottom_Right Top_Back_Middle Top_Front_Middle Top_Left Top_Right".split(),
    "sheep": _FOUR_LEGS,
    "sofa": (
        "Back_Base_Left Back_Base_Right Back_Top_Left Back_Top_Right Front_Base_Left Front_Base_Right "
        "Handle_Front_Left Handle_Front_Right Handle_Left_Junction Handle_Right_Junction Left_Junction "
        "Right_Junction"
    ).split(),
    "train": (
        "Base_Back_Left Base_Back_Right Base_Front_Left Base_Front_Right Roof_Back_Left Roof_Back_Right "
        "Roof_Front_Middle"
    ).split(),
    "tvmonitor": (
        "B_Bottom_Left B_Bottom_Right B_Top_Left B_Top_Right F_Bottom_Left F_Bottom_Right F_Top_Left "
        "F_Top_Right"
    ).split(),
}
NAMES: dict[str, tuple[str, ...]] = {category: tuple(names) for category, names in _NAMES.items()}
_OPPOSITE = {"L": "R", "Left": "Right"}


def _pairs(names: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Return the indices of names that differ in a word for left or right only, left first."""
    mirrored = ("_".join(_OPPOSITE.get(word, word) for word in name.split("_")) for name in names)
    return tuple(
        (left, names.index(right))
        for left, right in enumerate(mirrored)
        if right != names[left] and right in names
    )


LEFT_RIGHT_PAIRS = {category: _pairs(names) for category, names in NAMES.items()}

# Boxes with at least this intersection over union are taken to be of the same object.
_MIN_OVERLAP = 0.5


class Keypoint(NamedTuple):
    """An annotated keypoint, in pixels of the image, 0-based; a hidden one has a position, too."""

    name: str
    x: float
    y: float
    visible: bool


class Annotation(NamedTuple):
    """The content of a file of the release, in pixels of the image, 0-based."""

    image: str
    category: str
    voc_id: int | None
    """The number of the object in VOC's annotation, from 1; None for people."""
    bounds: coords.Box | None
    keypoints: tuple[Keypoint, ...]


def read_keypoints(source: Path) -> Iterator[Record | Absent]:
    """Yield the objects of all classes, in VOC's order of classes and the order of images in each."""
    release = xml.find_release(source, (2011, 2012))
    folder = source / "annotations"
    paths = [path for name in xml.CLASSES for path in sorted((folder / name).glob("[!.]*.xml"))]
    if not paths:
        raise InputError(f"{folder} holds no <class>/<image>_<n>.xml of the Berkeley keypoints")
    splits = xml.read_splits(release / "ImageSets" / "Main")
    return (_object(release, splits, path) for path in paths)


def read_annotation(path: Path) -> Annotation:
    """Read a file of the release; coordinates of the result are 0-based."""
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
    return xml.box(xmin, ymin, xmin + width, ymin + height)


def _keypoint(node: xml.Node) -> Keypoint:
    return Keypoint(
        node.attribute("name"),
        node.numeric_attribute("x") - 1,
        node.numeric_attribute("y") - 1,
        node.numeric_attribute("visible") != 0,
    )


def _object(release: Path, splits: Mapping[str, str], path: Path) -> Record | Absent:
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
    official = xml.read_annotation(voc_annotation) if voc_annotation.is_file() else None
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


def _by_name(annotation: Annotation) -> tuple[Float[np.ndarray, "n 2"], Bool[np.ndarray, " n"]]:
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


def _matched(annotation: Annotation, objects: Sequence[xml.Object]) -> xml.Object | None:
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


def read_segmentation(source: Path) -> Iterator[Record | Absent]:
    """Yield the images of both splits, training first, in the order of their lists."""
    release = xml.find_release(source, (2012,))
    splits = xml.read_splits(release / "ImageSets" / "Segmentation")
    return (_scene(release, name, split) for name, split in splits.items())


def _scene(release: Path, name: str, split: str) -> Record | Absent:
    image = release / "JPEGImages" / f"{name}.jpg"
    label_map = release / "SegmentationClass" / f"{name}.png"
    for path in (image, label_map):
        if not path.is_file():
            return Absent(name, f"{path.parent.name}/{path.name} is missing")
    try:
        size = image_size(image)
        if image_size(label_map) != size:
            return Absent(name, f"{label_map.name} has another size than its image")
        return Record(
            image=image,
            size=size,
            category="scene",
            source_id=name,
            split=split,
            label_map=label_map,
            label_names=xml.CLASSES,
        )
    except InputError as error:
        return Absent(name, str(error))
