"""What the releases of PASCAL VOC share: folders, lists of images, annotations of objects, 1-based boxes.

Source: Everingham, Eslami, Van Gool, Williams, Winn, Zisserman, "The PASCAL Visual Object Classes
Challenge: A Retrospective", IJCV 2015, and the documentation of the development kit.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from convcorr_jax import coords
from convcorr_jax.datasets.formats import names, text, xml
from convcorr_jax.datasets.formats.xml import Node
from convcorr_jax.errors import InputError

CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)
"""The 20 classes in their official order; label k of a label map is the k-th class, from 1."""

_FLAGS = ("difficult", "occluded", "truncated")


class Object(NamedTuple):
    """An annotated object of an image."""

    category: str
    """The object's class."""
    box: coords.Box
    """The object's box in pixels of the image, 0-based."""
    flags: dict[str, float]
    """0 or 1 for each of "difficult", "occluded" and "truncated" that the file has."""


class Annotation(NamedTuple):
    """The content of a file in the folder ``Annotations``."""

    size: coords.Size
    """Height and width of the image."""
    objects: tuple[Object, ...]
    """The objects, in the order of the file."""


def find_release(source: Path, years: Sequence[int]) -> Path:
    """Return the folder of a release, such as ``VOCdevkit/VOC2012``.

    Args:
        source: this folder, or a folder that holds it.
        years: the years of releases that will do, in the order of preference.

    Raises:
        InputError: the folder does not exist; the message says where it is expected.
    """
    releases = [f"VOC{year}" for year in years]
    if source.name in releases and (source / "JPEGImages").is_dir():
        return source
    # The archive of 2011 has one folder more than the others.
    kits = (source / "VOCdevkit", source / "TrainVal" / "VOCdevkit", source)
    for folder in (kit / release for release in releases for kit in kits):
        if (folder / "JPEGImages").is_dir():
            return folder
    expected = " or ".join(f"VOCdevkit/{release}/JPEGImages" for release in releases)
    raise InputError(f"{source} holds no PASCAL VOC release; {expected} is expected there")


def read_splits(folder: Path) -> dict[str, str]:
    """Return the split of every image that ``train.txt`` and ``val.txt`` of a folder list.

    Raises:
        InputError: a list is missing, empty or not text; an image is listed twice, or by a path.
    """
    splits: dict[str, str] = {}
    for split in ("train", "val"):
        path = folder / f"{split}.txt"
        listed = [line for line in text.lines(path, kind="image list") if line]
        for name in listed:
            if splits.setdefault(names.check_name(name, named_in=path), split) != split:
                raise InputError(f"{path}: {name} is in the list of another split, too")
        if len(set(listed)) != len(listed):
            raise InputError(f"{path} lists an image twice")
    return splits


def read_annotation(path: Path) -> Annotation:
    """Read the size and the objects of an image.

    Raises:
        InputError: the file is missing, not well-formed XML (see `xml.read`), or lacks a size, a name or a box.
    """
    root = xml.read(path, root="annotation")
    size = root.part("size")
    return Annotation(
        coords.Size(int(size.number("height")), int(size.number("width"))),
        tuple(_object(node) for node in root.children("object")),
    )


def box(xmin: float, ymin: float, xmax: float, ymax: float) -> coords.Box:
    """Return the edges of a box whose first and last pixels are known, counted from 1.

    Pixel 1 of VOC is pixel 0 here and begins at -0.5, so the edges are at ``xmin - 1.5`` and ``xmax - 0.5``;
    the width of a box is the number of its pixels.

    >>> box(1, 1, 500, 375) == coords.whole_image((375, 500))
    True

    Raises:
        InputError: the last pixel is before the first.
    """
    edges = coords.Box(xmin - 1.5, ymin - 1.5, xmax - 0.5, ymax - 0.5)
    coords.check_box(edges)
    return edges


def _object(node: Node) -> Object:
    bounds = node.part("bndbox")
    corners = [bounds.number(tag) for tag in ("xmin", "ymin", "xmax", "ymax")]
    try:
        edges = box(*corners)
    except InputError as error:
        raise InputError(f"{node.path}: {error}") from error
    flags = {flag: node.number(flag) for flag in _FLAGS if node.child(flag) is not None}
    return Object(node.text("name"), edges, flags)
