"""XML annotations from untrusted files, and what the releases of PASCAL VOC share.

Annotations need no document type. A file that declares one is refused before it is parsed further, which
excludes entities that expand without limit and references to other files.

Source: Everingham, Eslami, Van Gool, Williams, Winn, Zisserman, "The PASCAL Visual Object Classes Challenge: A
Retrospective", IJCV 2015, and the documentation of the development kit.
"""

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import defusedxml.ElementTree
from defusedxml.common import DefusedXmlException

from convcorr_jax import coords
from convcorr_jax.datasets.formats import text
from convcorr_jax.errors import InputError
from convcorr_jax.io import check_file

# The largest annotation of an image takes some kilobytes.
MAX_BYTES = 16 * 2**20
"""The limit of the size of an XML file."""


class Node(NamedTuple):
    """An element of an XML file, which all messages name."""

    path: Path
    element: ElementTree.Element

    def children(self, tag: str) -> tuple["Node", ...]:
        """Return the direct children of this name, in their order."""
        return tuple(Node(self.path, element) for element in self.element.findall(tag))

    def child(self, tag: str) -> "Node | None":
        """Return the direct child of this name; None if there is none. Several are refused."""
        nodes = self.children(tag)
        if len(nodes) > 1:
            raise InputError(f"{self.path}: <{self.element.tag}> has {len(nodes)} <{tag}>, not one")
        return nodes[0] if nodes else None

    def part(self, tag: str) -> "Node":
        """Return the only direct child of this name."""
        node = self.child(tag)
        if node is None:
            raise InputError(f"{self.path}: <{self.element.tag}> has no <{tag}>")
        return node

    def text(self, tag: str) -> str:
        """Return the text of the child of this name, without surrounding space."""
        text = (self.part(tag).element.text or "").strip()
        if not text:
            raise InputError(f"{self.path}: <{tag}> of <{self.element.tag}> is empty")
        return text

    def number(self, tag: str) -> float:
        """Return the finite number in the child of this name."""
        return self._finite(self.text(tag), f"<{tag}>")

    def attribute(self, name: str) -> str:
        """Return the text of an attribute."""
        text = self.element.get(name)
        if text is None:
            raise InputError(f"{self.path}: a <{self.element.tag}> has no attribute {name!r}")
        return text

    def numeric_attribute(self, name: str) -> float:
        """Return the finite number in an attribute."""
        return self._finite(self.attribute(name), f"attribute {name!r}")

    def _finite(self, text: str, what: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise InputError(f"{self.path}: {what} of a <{self.element.tag}> is {text!r}; a number is expected")
        return value


def read(path: Path, *, root: str) -> Node:
    """Read the root element, of the name ``root``, of a file of at most 16 MB without document type."""
    check_file(path, "annotation")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path} is over {MAX_BYTES // 2**20} MB; no annotation is that large")
        element = defusedxml.ElementTree.fromstring(path.read_bytes(), forbid_dtd=True)
    except DefusedXmlException as error:
        raise InputError(
            f"{path} declares a document type or entities, which no annotation needs; it is not read"
        ) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    # An unknown encoding is a LookupError, one that Expat cannot map a ValueError.
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is damaged, cut short or no XML: {error}") from error
    if element.tag != root:
        raise InputError(f"{path} is a <{element.tag}> file; <{root}> is expected")
    return Node(path, element)


CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)
"""The 20 classes in their official order; label k of a label map is the k-th class, from 1."""

_FLAGS = ("difficult", "occluded", "truncated")


class Object(NamedTuple):
    """An annotated object of an image; the box is in its pixels, 0-based."""

    category: str
    box: coords.Box
    flags: dict[str, float]
    """0 or 1 for each of "difficult", "occluded" and "truncated" that the file has."""


class Annotation(NamedTuple):
    """The size and the objects of an image, in the order of a file in the folder ``Annotations``."""

    size: coords.Size
    objects: tuple[Object, ...]


def find_release(source: Path, years: Sequence[int]) -> Path:
    """Return the folder of the first of some years' releases, such as ``VOCdevkit/VOC2012``."""
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
    """Return the split of every image that ``train.txt`` and ``val.txt`` of a folder list."""
    splits: dict[str, str] = {}
    for split in ("train", "val"):
        path = folder / f"{split}.txt"
        listed = [line for line in text.lines(path, kind="image list") if line]
        for name in listed:
            if splits.setdefault(text.check_name(name, named_in=path), split) != split:
                raise InputError(f"{path}: {name} is in the list of another split, too")
        if len(set(listed)) != len(listed):
            raise InputError(f"{path} lists an image twice")
    return splits


def read_annotation(path: Path) -> Annotation:
    """Read the size and the objects of an image."""
    root = read(path, root="annotation")
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
