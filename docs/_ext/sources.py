"""What the documentation reads from the package's source files: rooms, public names, docstrings, comments."""

import ast
import functools
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

PACKAGE = "convcorr_jax"
ROOT = Path(__file__).parents[2]
# These rooms are used from the shell, and their pages are made from their help.
WITHOUT_PAGE = {PACKAGE, f"{PACKAGE}.cli", f"{PACKAGE}.__main__"}


class Definition(NamedTuple):
    """A public name."""

    name: str
    kind: str
    """One of "function", "class", "data" and "module"."""
    source: str
    """The module that defines it."""
    value: str
    """The source text of a constant's value; empty for others."""
    text: str
    """The docstring, or the comment above a constant."""


class Room(NamedTuple):
    """A module whose public names users import."""

    name: str
    docstring: str
    definitions: tuple[Definition, ...]


def file_of(module: str) -> Path | None:
    """Return the source file of a module of the package, or None if there is no such module."""
    path = ROOT.joinpath(*module.split("."))
    for candidate in (path / "__init__.py", path.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Yield the name and the syntax tree of every module of the package, in order of their names."""
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        yield name, ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def rooms() -> tuple[Room, ...]:
    """Return the modules that get a page: rooms, and packages inside them that list public names."""
    found = []
    for name, tree in modules():
        is_package = (ROOT.joinpath(*name.split(".")) / "__init__.py").is_file()
        if name in WITHOUT_PAGE or not (is_package or name.count(".") == 1):
            continue
        definitions = tuple(_exported(tree)) if is_package else defined_in(name)
        if definitions:
            found.append(Room(name, ast.get_docstring(tree) or "", definitions))
    return tuple(found)


@functools.cache
def defined_in(module: str) -> tuple[Definition, ...]:
    """Return the public functions, classes and constants that a module defines."""
    path = file_of(module)
    if path is None:
        raise ValueError(f"there is no module {module}")
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    found: list[Definition] = []
    body = ast.parse(text).body
    for statement, following in pairwise([*body, None]):
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            kind = "class" if isinstance(statement, ast.ClassDef) else "function"
            names, value, doc = [statement.name], "", ast.get_docstring(statement) or ""
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
            targets = target.elts if isinstance(target, ast.Tuple) else [target]
            kind, names = "data", [each.id for each in targets if isinstance(each, ast.Name)]
            # Of several names, the source states one value for all.
            value = ast.unparse(statement.value) if statement.value and len(names) == 1 else ""
            doc = _string(following) or _comment_above(lines, statement.lineno)
        else:
            continue
        for name in names:
            if not name.startswith("_"):
                found.append(Definition(name, kind, module, value, doc))
    return tuple(found)


def _exported(tree: ast.Module) -> Iterator[Definition]:
    """Yield what an ``__init__`` re-exports by ``from module import name as name``."""
    for statement in ast.walk(tree):
        if not isinstance(statement, ast.ImportFrom) or not statement.module:
            continue
        names = [alias.name for alias in statement.names if alias.asname == alias.name]
        known = {each.name: each for each in defined_in(statement.module)} if names else {}
        for name in names:
            inner = f"{statement.module}.{name}"
            if name in known:
                yield known[name]
            elif file_of(inner):
                yield Definition(name, "module", inner, "", "")
            else:
                # Re-exported once more by the other module.
                path = file_of(statement.module)
                again = ast.parse(path.read_text(encoding="utf-8")) if path else ast.Module([], [])
                yield from (each for each in _exported(again) if each.name == name)


def docstrings(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the dotted path inside the module and the text of every docstring, fields' included."""
    yield "", ast.get_docstring(tree) or ""
    yield from _docstrings_within(tree, "")


def _docstrings_within(node: ast.AST, path: str) -> Iterator[tuple[str, str]]:
    body = getattr(node, "body", [])
    for statement, following in pairwise([*body, None]):
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            inner = f"{path}.{statement.name}".lstrip(".")
            yield inner, ast.get_docstring(statement) or ""
            yield from _docstrings_within(statement, inner)
        elif isinstance(statement, ast.AnnAssign | ast.Assign) and _string(following):
            target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
            yield f"{path}.{ast.unparse(target)}".lstrip("."), _string(following)


def _string(statement: ast.stmt | None) -> str:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        value = statement.value.value
        return value if isinstance(value, str) else ""
    return ""


def _comment_above(lines: list[str], line: int) -> str:
    comments = []
    while line >= 2 and lines[line - 2].startswith("# "):
        line -= 1
        comments.insert(0, lines[line - 1][2:])
    return "\n".join(comments)
