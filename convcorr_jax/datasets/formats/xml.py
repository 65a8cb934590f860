"""Reading XML annotations from untrusted files.

Annotations need no document type. A file that declares one is refused before it is parsed further, which
excludes entities that expand without limit and references to other files.
"""

import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple

import defusedxml.ElementTree
from defusedxml.common import DefusedXmlException

from convcorr_jax.errors import InputError
from convcorr_jax.io import check_file

# The largest annotation of an image takes some kilobytes.
MAX_BYTES = 16 * 2**20
"""The limit of the size of an XML file."""


class Node(NamedTuple):
    """An element of an XML file."""

    path: Path
    """The file, which all messages name."""
    element: ElementTree.Element
    """The element."""

    def children(self, tag: str) -> tuple["Node", ...]:
        """Return the direct children of this name, in their order."""
        return tuple(Node(self.path, element) for element in self.element.findall(tag))

    def child(self, tag: str) -> "Node | None":
        """Return the direct child of this name; None if there is none.

        Raises:
            InputError: there are several.
        """
        nodes = self.children(tag)
        if len(nodes) > 1:
            raise InputError(f"{self.path}: <{self.element.tag}> has {len(nodes)} <{tag}>, not one")
        return nodes[0] if nodes else None

    def part(self, tag: str) -> "Node":
        """Return the only direct child of this name.

        Raises:
            InputError: there is none, or several.
        """
        node = self.child(tag)
        if node is None:
            raise InputError(f"{self.path}: <{self.element.tag}> has no <{tag}>")
        return node

    def text(self, tag: str) -> str:
        """Return the text of the child of this name, without surrounding space.

        Raises:
            InputError: there is no such child or several, or it is empty.
        """
        text = (self.part(tag).element.text or "").strip()
        if not text:
            raise InputError(f"{self.path}: <{tag}> of <{self.element.tag}> is empty")
        return text

    def number(self, tag: str) -> float:
        """Return the finite number in the child of this name.

        Raises:
            InputError: there is no such child or several, or it is not a finite number.
        """
        return self._finite(self.text(tag), f"<{tag}>")

    def attribute(self, name: str) -> str:
        """Return the text of an attribute.

        Raises:
            InputError: the element has no such attribute.
        """
        text = self.element.get(name)
        if text is None:
            raise InputError(f"{self.path}: a <{self.element.tag}> has no attribute {name!r}")
        return text

    def numeric_attribute(self, name: str) -> float:
        """Return the finite number in an attribute.

        Raises:
            InputError: the element has no such attribute, or it is not a finite number.
        """
        return self._finite(self.attribute(name), f"attribute {name!r}")

    def _finite(self, text: str, what: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise InputError(
                f"{self.path}: {what} of a <{self.element.tag}> is {text!r}; a number is expected"
            )
        return value


def read(path: Path, *, root: str) -> Node:
    """Read the root element of an XML file.

    Args:
        path: the file.
        root: the expected name of the root element.

    Raises:
        InputError: the file is missing, empty, over 16 MB, not well-formed, or of another encoding than it
            states; it declares a document type or entities; its root has another name.
    """
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
