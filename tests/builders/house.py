"""The rules of the house as functions of a source tree: each returns one line a violation.

A tree is a folder with the folders ``convcorr_jax``, ``train``, ``eval`` and ``tests``, so that the rules can
be tried on a small tree with a planted violation, too.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGE = "convcorr_jax"

_VALUES = {"arrays", "errors", "shapes"}
_FRAMES = {*_VALUES, "coords"}
_IMAGES = {*_FRAMES, "images"}
_FILES = {*_IMAGES, "io"}
_FEATURES = {*_FILES, "backbone", "descriptors"}
_SOURCES = {*_FILES, "datasets"}
_ALGORITHMS = {*_FEATURES, "flow", "linear", "metrics", "retrieval"}
_EVERYTHING = {
    *(*_ALGORITHMS, "datasets", "synthetic", "doctor"),
    *("matching", "keypoints", "patches", "probes", "pose", "report", "runtime", "tasks"),
    "estimators",
}
ALLOWED_IMPORTS = {
    "errors": set(),
    "arrays": {"errors"},
    "shapes": set(),
    "coords": _VALUES,
    "images": _FRAMES,
    "io": _FRAMES,
    "metrics": _FRAMES,
    "linear": _VALUES,
    "retrieval": _VALUES,
    "flow": _FRAMES,
    "backbone": _FILES,
    "descriptors": {*_FILES, "backbone"},
    "matching": {*_FEATURES, "flow", "retrieval"},
    "datasets": {*_FILES, "metrics", "runtime"},
    "synthetic": _SOURCES,
    "doctor": _SOURCES,
    "keypoints": _ALGORITHMS,
    "patches": _ALGORITHMS,
    "probes": _ALGORITHMS,
    "pose": _ALGORITHMS,
    "estimators": {*_FEATURES, "linear"},
    "runtime": {*_FRAMES, "io"},
    "report": {*_SOURCES, "metrics", "doctor", "matching"},
    "tasks": _EVERYTHING - {"tasks"},
    "cli": _EVERYTHING,
    "train": _EVERYTHING,
    # The benchmark runs the tests' reference implementations as peers.
    "eval": {*_EVERYTHING, "tests"},
    "__init__": {"matching"},
    "__main__": {"cli", "runtime"},
}
"""What each room may import besides itself. ``train`` and ``eval`` are rooms; neither imports the other."""

OPENS_FILES = {
    *("io", "datasets", "runtime", "report", "cli", "tasks", "train", "eval"),
    # A transformer of images takes paths, too: the photographs of a data set do not fit into memory.
    "estimators",
}
"""The rooms that may open files. `convcorr_jax.backbone.weights` may as well; the rest of its room may not."""

_FILE_METHODS = {
    *("open", "read_text", "write_text", "read_bytes", "write_bytes", "unlink", "mkdir", "touch"),
    *("memmap", "open_memmap", "fromfile", "tofile", "save", "savez", "savez_compressed", "loadtxt"),
}
_FILE_CALLS = {"open", "print", "input"}
_FILE_FUNCTIONS = {
    *("np.load", "numpy.load", "json.load", "json.dump", "h5py.File", "zipfile.ZipFile"),
    *("os.replace", "os.rename", "os.remove", "sys.stdout.write", "sys.stderr.write"),
}
PURE_IN_IO = {"Expected", "Fitted", "Savable", "check_fields", "with_ending"}
"""What the io room exports that opens no file."""

BANNED_NAMES = {
    *("said", "heard", "told", "told_of", "nobody", "made", "given", "everywhere", "ahead", "look"),
    *("Told", "Evidence", "Sight", "descend", "inward", "outward", "prices", "bought", "wanted"),
    *("lanes", "caps", "breadths", "glimpses", "census", "theirs"),
}
"""Private words that identifiers had; each has a standard term (see CONTRIBUTING.md)."""
BANNED_PHRASES = (
    *("in as far as", "milliard", "as said", "likewise", "theirs", "is told", "are told", "told by"),
    *("nobody", "heard", "elsewhere said", "as was said", "for want of"),
)
"""Words and phrases that docstrings, comments and messages do without."""

BUDGETS = {
    "backbone": (13, 1980),
    "cli": (10, 1930),
    "datasets": (42, 6810),
    "descriptors": (5, 780),
    "doctor": (6, 960),
    "estimators": (4, 500),
    "eval": (57, 5190),
    "flow": (9, 1530),
    "io": (9, 1290),
    "keypoints": (7, 1420),
    "linear": (20, 3610),
    "metrics": (11, 2000),
    "patches": (4, 420),
    "pose": (14, 2720),
    "probes": (9, 1570),
    "report": (13, 2680),
    "runtime": (11, 1760),
    "synthetic": (13, 2000),
    "tasks": (51, 8990),
    "tests": (286, 37200),
    "top level": (9, 1330),
    "train": (4, 260),
}
"""The most files and lines of each room, of ``eval``, ``train`` and ``tests``.

A commit that changes a number says why; what a new capability makes needless usually pays for it.
"""

LONGEST_FUNCTION = 60
"""Lines of a function, its docstring not counted."""
LONGEST_SCRIPT = 150
"""Lines of a script of ``train`` or ``eval``, its docstring and options counted."""


class Source(NamedTuple):
    """A parsed Python file of a tree."""

    path: str
    """Relative to the tree, with forward slashes."""
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The room that the file belongs to."""
        parts = Path(self.path).with_suffix("").parts
        return parts[1] if parts[0] == PACKAGE else parts[0]


def sources(root: Path, *tops: str) -> Iterator[Source]:
    """Yield every Python file below some folders of a tree."""
    for top in tops:
        for path in sorted((root / top).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            yield Source(path.relative_to(root).as_posix(), text, ast.parse(text))


def import_violations(root: Path) -> list[str]:
    """Find imports of a room by a room that may not import it, and relative imports."""
    return [
        f"{source.path}:{line} imports {room}"
        for source in sources(root, PACKAGE, "train", "eval")
        for room, line in _imported_rooms(source.tree)
        if room != source.room and room not in ALLOWED_IMPORTS.get(source.room, set())
    ]


def _imported_rooms(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _room(alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield "a module relative to itself", node.lineno
            elif node.module == PACKAGE:
                for alias in node.names:
                    yield from _room(f"{PACKAGE}.{alias.name}", node.lineno)
            else:
                yield from _room(node.module or "", node.lineno)


def _room(module: str, line: int) -> Iterator[tuple[str, int]]:
    parts = module.split(".")
    if parts[0] in ("train", "eval", "tests"):
        yield parts[0], line
    elif parts[0] == PACKAGE:
        yield parts[1] if len(parts) > 1 else "__init__", line


def file_violations(root: Path) -> list[str]:
    """Find calls that open files or print, in rooms whose functions take and return arrays."""
    return [
        f"{source.path}:{line} calls {name}"
        for source in sources(root, PACKAGE)
        if source.room not in OPENS_FILES and not source.path.startswith(f"{PACKAGE}/backbone/weights/")
        for name, line in _file_calls(source.tree)
    ]


def _file_calls(tree: ast.AST) -> Iterator[tuple[str, int]]:
    from_io = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE}.io")
        for alias in node.names
        if alias.name not in PURE_IN_IO
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if isinstance(node.func, ast.Name) and node.func.id in _FILE_CALLS | from_io:
            yield name, node.lineno
        elif isinstance(node.func, ast.Attribute) and (
            node.func.attr in _FILE_METHODS or name in _FILE_FUNCTIONS
        ):
            yield name, node.lineno


def signature_violations(root: Path) -> list[str]:
    """Find public functions with positional options, a PRNG key that is not first, or no docstring."""
    found = []
    for source in sources(root, PACKAGE, "train", "eval"):
        if ast.get_docstring(source.tree) is None:
            found.append(f"{source.path} has no docstring")
        for function in _public_functions(source.tree):
            place = f"{source.path}:{function.lineno} {function.name}"
            arguments = function.args
            positional = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
            if ast.get_docstring(function) is None:
                found.append(f"{place} has no docstring")
            options = positional[len(positional) - len(arguments.defaults) :]
            if options and (source.room, function.name, options) not in _PROTOCOLS:
                found.append(f"{place} takes {', '.join(options)} by position")
            if "key" in [name for name in positional if name not in ("self", "cls")][1:]:
                found.append(f"{place} does not take its PRNG key first")
    return found


# scikit-learn's pipelines pass targets by position to every estimator, and none to those that need none.
_PROTOCOLS = [("estimators", "fit", ["y"])]


def _public_functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """Yield functions and methods of public classes whose names do not begin with an underscore."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            members = node.body
        else:
            members = [node]
        for member in members:
            if isinstance(member, ast.FunctionDef) and not member.name.startswith("_"):
                yield member


def word_violations(root: Path) -> list[str]:
    """Find banned names and phrases."""
    phrases = re.compile(rf"\b({'|'.join(map(re.escape, BANNED_PHRASES))})\b", re.IGNORECASE)
    found = []
    for source in sources(root, PACKAGE, "train", "eval"):
        for name, line in _identifiers(source.tree):
            if name.strip("_") in BANNED_NAMES:
                found.append(f"{source.path}:{line} names something {name!r}")
        for number, line in enumerate(source.text.splitlines(), start=1):
            if match := phrases.search(line):
                found.append(f"{source.path}:{number} says {match.group()!r}")
    return found


def _identifiers(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the names that a module binds: variables, arguments, functions, classes and fields."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno


def length_violations(root: Path) -> list[str]:
    """Find functions and scripts that are too long to be read in one go."""
    found = []
    for source in sources(root, PACKAGE, "train", "eval"):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.FunctionDef) and _length(node) > LONGEST_FUNCTION:
                found.append(f"{source.path}:{node.lineno} {node.name} has {_length(node)} lines")
        lines = source.text.count("\n")
        is_script = re.fullmatch(r"(train|eval)/\w+\.py", source.path) is not None
        if is_script and lines > LONGEST_SCRIPT:
            found.append(f"{source.path} has {lines} lines")
    return found


def _length(function: ast.FunctionDef) -> int:
    """Count the lines of a function without those of its docstring."""
    total = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return total
    docstring = function.body[0]
    return total - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


def test_import_violations(root: Path) -> list[str]:
    """Find test modules that import another test module, or a helper by another name than ``tests...``."""
    helpers = {path.stem for path in (root / "tests").rglob("*.py")} - {"conftest", "__init__"}
    tops = {path.name for path in (root / "tests").iterdir() if path.is_dir()}
    found = []
    for source in sources(root, "tests"):
        for node in ast.walk(source.tree):
            if not isinstance(node, ast.ImportFrom) or node.module is None:
                continue
            parts = node.module.split(".")
            modules = [*parts, *(alias.name for alias in node.names)]
            if parts[0] == "tests" and any(name.startswith("test_") for name in modules[1:]):
                found.append(f"{source.path}:{node.lineno} imports a test module")
            elif node.level or (parts[0] in helpers | tops and parts[0] not in _TOP_LEVEL):
                found.append(f"{source.path}:{node.lineno} imports {node.module} without 'tests.'")
    return found


_TOP_LEVEL = {PACKAGE, "train", "eval", "tests"}


def sizes(root: Path) -> dict[str, tuple[int, int]]:
    """Count the files and the lines of each room."""
    counts: dict[str, tuple[int, int]] = {}
    for source in sources(root, PACKAGE, "train", "eval", "tests"):
        room = "top level" if source.path.count("/") == 1 and source.path.startswith(PACKAGE) else source.room
        files, lines = counts.get(room, (0, 0))
        counts[room] = files + 1, lines + source.text.count("\n")
    return counts


def budget_violations(root: Path) -> list[str]:
    """Find rooms that have more files or lines than their budget, or none."""
    return [
        f"{room} has {files} files and {lines} lines; its budget is {BUDGETS.get(room, (0, 0))}"
        for room, (files, lines) in sizes(root).items()
        if files > BUDGETS.get(room, (0, 0))[0] or lines > BUDGETS.get(room, (0, 0))[1]
    ]


def readme_violations(text: str) -> list[str]:
    """Find imports in a README from anything but rooms."""
    modules = re.findall(rf"^from ({PACKAGE}[\w.]*) import", text, flags=re.MULTILINE)
    return [f"imports from {module}" for module in modules if module.count(".") > 1]


if __name__ == "__main__":
    for room, (files, lines) in sorted(sizes(Path(__file__).parents[2]).items()):
        most_files, most_lines = BUDGETS.get(room, (0, 0))
        sys.stdout.write(f"{room:12} {files:4} of {most_files:4} files {lines:6} of {most_lines:6} lines\n")
