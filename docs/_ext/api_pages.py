"""Pages of the API reference: one for each room, with every name that its ``__init__`` lists.

The pages are written before Sphinx reads its sources. Names are documented under their room, from which users
import them, and grouped by the module that defines them, whose docstring introduces the group.
"""

import ast
import re

from docs._ext import sources
from docs._ext.docstring_markup import with_code_blocks

# Longer values are read in the source.
LONGEST_VALUE = 90


def pages() -> dict[str, str]:
    """Return the text of every page by its file name."""
    rooms = sources.rooms()
    with_page = {room.name for room in rooms}
    toctree = "\n".join(f"   {room.name}" for room in rooms)
    listed = "\n".join(f"   * - :doc:`{room.name}`\n     - {_summary(room.docstring)}" for room in rooms)
    index = (
        f"API reference\n{'=' * 13}\n\n"
        "Import names from the module that heads a page: ``from convcorr_jax.flow import align``.\n\n"
        f".. list-table::\n   :widths: 25 75\n\n{listed}\n\n.. toctree::\n   :hidden:\n\n{toctree}\n"
    )
    return {"index.rst": index, **{f"{room.name}.rst": _page(room, with_page) for room in rooms}}


def _page(room: sources.Room, with_page: set[str]) -> str:
    parts = [
        _heading(room.name, "="),
        f".. py:module:: {room.name}",
        _converted(room.docstring),
        _table_of_names(room),
    ]
    listed = {(each.source, each.name) for each in room.definitions}
    by_source: dict[str, list[str]] = {}
    for each in room.definitions:
        group = by_source.setdefault(each.source, [])
        if each.kind != "module":
            group.append(_directive(room.name, each))
        elif each.source in with_page:
            group.append(f":doc:`{each.source}` has a page of its own.")
        else:
            inner = sources.defined_in(each.source)
            group += [_directive(each.source, one) for one in inner if (one.source, one.name) not in listed]
    for source, directives in by_source.items():
        parts += [] if source in with_page else _introduction(source)
        parts += directives
    return "\n\n".join(part for part in parts if part) + "\n"


def _table_of_names(room: sources.Room) -> str:
    rows = [
        f"   * - :py:obj:`{each.name} <{room.name}.{each.name}>`\n     - {_summary(each.text)}"
        for each in room.definitions
        if each.kind in {"function", "class"} and each.source != room.name
    ]
    return ".. list-table::\n   :widths: 30 70\n\n" + "\n".join(rows) if rows else ""


def _introduction(module: str) -> list[str]:
    path = sources.file_of(module)
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) if path else ""
    first, _, rest = (text or module).partition("\n\n")
    sentence = _summary(first)
    more = " ".join(first.split()).removeprefix(sentence).strip()
    return [
        # Not a py:module, because some modules have the name of the function that they define.
        f".. _{label(module)}:",
        _heading(sentence.removesuffix("."), "-"),
        f"*Module* ``{module}``",
        more,
        _converted(rest),
    ]


def _directive(room: str, definition: sources.Definition) -> str:
    name = f"{room}.{definition.name}"
    if definition.kind == "function":
        return f".. autofunction:: {name}"
    if definition.kind == "class":
        return f".. autoclass:: {name}\n   :members:"
    short = definition.value and len(definition.value) <= LONGEST_VALUE
    value = f"\n   :value: {definition.value}" if short else ""
    text = "\n".join(f"   {line}".rstrip() for line in _converted(definition.text).splitlines())
    return f".. py:data:: {name}{value}\n\n{text}"


def label(module: str) -> str:
    return f"module-{module}".lower()


def _converted(text: str) -> str:
    return "\n".join(with_code_blocks(text.splitlines()))


def _heading(text: str, mark: str) -> str:
    return f"{text}\n{mark * len(text)}"


def _summary(docstring: str) -> str:
    """Return the first sentence of a docstring in one line."""
    paragraph = " ".join(docstring.partition("\n\n")[0].split())
    return re.split(r"(?<=\.) (?=[A-Z])", paragraph)[0]
