"""The page "Differs from the papers", collected from the docstrings of the package."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from docs._ext import api_pages, sources
from docs._ext.docstring_markup import with_code_blocks

_PHRASE = re.compile(r"Differs from the papers?\b|[Tt]he papers? leaves? open\b")
# What begins another statement in the same paragraph.
_END = re.compile(r"\bSources?: |Differs from the paper|The paper leaves open")

LONG = "Long, Zhang and Darrell 2014, *Do Convnets Learn Correspondence?*"
RAZAVIAN = "Sharif Razavian et al. 2014, *Persistent Evidence of Local Image Properties in Generic ConvNets*"
TOMPSON = "Tompson et al. 2015, *Efficient Object Localization Using Convolutional Networks*"
OTHERS = "Methods that the three papers build on"

PAPER_OF_ROOM = {
    "descriptors": LONG,
    "flow": LONG,
    "keypoints": LONG,
    "matching": LONG,
    "metrics": LONG,
    "patches": LONG,
    "tasks": LONG,
    "linear": RAZAVIAN,
    "probes": RAZAVIAN,
    "pose": TOMPSON,
}
"""The paper that a room implements; a docstring that names one of the papers belongs to that paper."""

_AUTHORS = {"Long": LONG, "Razavian": RAZAVIAN, "Tompson": TOMPSON, "Felzenszwalb": OTHERS}


class Difference(NamedTuple):
    """What a docstring states about a deviation or an open choice."""

    module: str
    name: str
    """The dotted path inside the module; empty for the module's own docstring."""
    paper: str
    text: str


def differences() -> tuple[Difference, ...]:
    """Return all statements of the package's docstrings, in order of their modules.

    Raises:
        KeyError: a room without a paper in `PAPER_OF_ROOM` has a statement that names no paper.
    """
    return tuple(
        Difference(module, name, _paper(module, docstring), text)
        for module, tree in sources.modules()
        for name, docstring in sources.docstrings(tree)
        for text in statements(docstring)
    )


def statements(docstring: str) -> Iterator[str]:
    """Yield each statement of a docstring, with the list that follows it if it ends with a colon."""
    paragraphs = docstring.split("\n\n")
    for paragraph, following in pairwise([*paragraphs, ""]):
        text = " ".join(paragraph.split())
        starts = [match.start() for match in _PHRASE.finditer(text)]
        ends = [match.start() for match in _END.finditer(text)]
        for start in starts:
            end = min((each for each in ends if each > start), default=len(text))
            statement = text[start:end].strip()
            # In parentheses, the closing one belongs to the text around it.
            statement = statement.removesuffix(")") if text[:start].endswith("(") else statement
            yield f"{statement}\n\n{following}" if statement.endswith(":") else statement


def page() -> str:
    """Return the page as reStructuredText, grouped by paper and room."""
    title = "Differs from the papers"
    parts = [
        f"{title}\n{'=' * len(title)}",
        "Where the code deviates from the papers, and what it chooses where they leave something "
        "open. The statements are collected from the docstrings when these pages are built.",
    ]
    found = differences()
    for paper in dict.fromkeys(_AUTHORS.values()):
        of_paper = [each for each in found if each.paper == paper]
        if of_paper:
            parts.append(f"{paper}\n{'-' * len(paper)}")
        for room in dict.fromkeys(_room(each.module) for each in of_paper):
            parts.append(f"{room}\n{'^' * len(room)}")
            for each in of_paper:
                if _room(each.module) == room:
                    parts += [f"*In* {_link(each)}", with_blocks(each.text)]
    return "\n\n".join(parts) + "\n"


def with_blocks(text: str) -> str:
    """Return a statement as reStructuredText."""
    return "\n".join(with_code_blocks(text.splitlines()))


def _link(difference: Difference) -> str:
    name = f"{difference.module}.{difference.name}".rstrip(".")
    rooms = {room.name: room for room in sources.rooms()}
    if difference.name:
        return f":py:obj:`{name}`"
    if difference.module in rooms:
        return f":doc:`{name} <api/{name}>`"
    documented = any(each.source == difference.module for room in rooms.values() for each in room.definitions)
    return f":ref:`{name} <{api_pages.label(name)}>`" if documented else f"``{name}``"


def _room(module: str) -> str:
    return module.split(".")[1]


def _paper(module: str, docstring: str) -> str:
    named = [(docstring.find(author), paper) for author, paper in _AUTHORS.items() if author in docstring]
    return min(named)[1] if named else PAPER_OF_ROOM[_room(module)]
