"""The rules of the house that ruff does not know, as functions of a source file that yield its violations."""

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
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
    *("estimators", "labels", "annotation"),
}
DRAWS_ITSELF = {"matching": "report"}
"""A room whose results have a figure, and the room that draws it, which is imported when it is asked for."""

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
    "matching": {*_FEATURES, "flow", "retrieval", "report"},
    "datasets": {*_FILES, "metrics", "runtime"},
    "synthetic": _SOURCES,
    "doctor": _SOURCES,
    "keypoints": _ALGORITHMS,
    "patches": _ALGORITHMS,
    "probes": _ALGORITHMS,
    "pose": _ALGORITHMS,
    "estimators": {*_FEATURES, "linear"},
    "labels": {*_FILES, "datasets"},
    "annotation": {*_ALGORITHMS, "labels", "matching", "pose", "runtime"},
    "runtime": {*_FRAMES, "io"},
    "report": {*_SOURCES, "labels", "metrics", "doctor", "matching"},
    "tasks": _EVERYTHING - {"tasks"},
    "cli": _EVERYTHING,
    "train": _EVERYTHING,
    # The benchmark runs the tests' reference implementations as peers; the page shows what commands draw.
    "eval": {*_EVERYTHING, "cli", "tests"},
    "__init__": {"matching"},
    "__main__": {"cli", "runtime"},
}
"""What each room may import besides itself. ``train`` and ``eval`` are rooms; neither imports the other."""

OPENS_FILES = {
    *("io", "datasets", "labels", "runtime", "report", "cli", "tasks", "train", "eval"),
    # These take paths, too: the photographs of a data set or of a folder do not fit into memory.
    *("estimators", "annotation"),
}
"""The rooms that may open files. `convcorr_jax.backbone.weights` may as well; the rest of its room may not."""

_FILE_METHODS = {
    *("open", "read_text", "write_text", "read_bytes", "write_bytes", "unlink", "mkdir", "touch"),
    *("memmap", "open_memmap", "fromfile", "tofile", "save", "savez", "savez_compressed", "loadtxt"),
}
_FILE_CALLS = {"open", "input"}
_FILE_FUNCTIONS = {
    *("np.load", "numpy.load", "json.load", "json.dump", "h5py.File", "zipfile.ZipFile"),
    *("os.replace", "os.rename", "os.remove", "sys.stdout.write", "sys.stderr.write"),
}
PURE_IN_IO = {"Expected", "Fitted", "Savable", "check_fields", "with_ending"}
"""What the io room exports that opens no file."""

BANNED_NAMES = {"given", "heard", "lanes", "made", "prices", "said", "told"}
"""Names that mislead: arguments and results are no speech, costs no prices, and lanes are the hardware's."""
BANNED_PHRASES = ("in as far as", "as said", "is told", "are told", "told by")
"""Phrases that mislead in docstrings, comments and messages: programs take, return and store."""

BUDGETS = {
    "annotation": (12, 3117),
    "backbone": (25, 4026),
    "cli": (12, 2525),
    "datasets": (44, 7104),
    "descriptors": (5, 824),
    "doctor": (6, 1012),
    "estimators": (4, 494),
    "eval": (62, 5685),
    "flow": (10, 1772),
    "io": (8, 1470),
    "keypoints": (7, 1390),
    "labels": (6, 900),
    "linear": (20, 3575),
    "matching": (4, 636),
    "metrics": (11, 1996),
    "patches": (4, 410),
    "pose": (14, 2793),
    "probes": (9, 1670),
    "report": (13, 2946),
    "runtime": (12, 2062),
    "synthetic": (13, 1981),
    "tasks": (51, 10045),
    "tests": (284, 38785),
    "top level": (8, 1135),
    "train": (4, 260),
}
"""The most files and lines of each room, of ``eval``, ``train`` and ``tests``.

A commit that changes a number says why; what a new capability makes needless usually pays for it.
"""

LONGEST_FUNCTION = 60
"""Lines of a function, its docstring not counted."""
LONGEST_SCRIPT = 150
"""Lines of a script of ``train`` or ``eval``, its docstring and options counted."""

ROOT = Path(__file__).parents[2]
Violations = Iterator[tuple[int, str]]
"""The line of each violation, and what it is."""


class Source(NamedTuple):
    """A parsed Python file."""

    path: str
    """Relative to the repository, with forward slashes."""
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The room that the file belongs to."""
        parts = Path(self.path).with_suffix("").parts
        return parts[1] if parts[0] == PACKAGE else parts[0]


def sources(root: Path = ROOT) -> Iterator[Source]:
    """Yield every Python file of the package, the scripts and the tests."""
    for top in (PACKAGE, "train", "eval", "tests"):
        for path in sorted((root / top).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            yield Source(path.relative_to(root).as_posix(), text, ast.parse(text))


def violations(rule: str, source: Source) -> list[str]:
    """Return one line a violation of a rule; tests have the rule about their imports alone."""
    if (rule == "test imports") != (source.room == "tests"):
        return []
    return [f"{source.path}:{line} {what}" for line, what in RULES[rule](source)]


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the full name of everything that a file imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            yield from ((node.lineno, module + alias.name) for alias in node.names)


def _imported_rooms(source: Source) -> Violations:
    """Find imports of a room by a room that may not import it."""
    for line, name in _imports(source.tree):
        top, _, rest = name.partition(".")
        room = rest.partition(".")[0] or "__init__" if top == PACKAGE else top
        known = top in (PACKAGE, "train", "eval", "tests")
        if known and room not in {source.room, *ALLOWED_IMPORTS.get(source.room, ())}:
            yield line, f"imports {room}"


def _opened_files(source: Source) -> Violations:
    """Find calls that open files, in rooms whose functions take and return arrays."""
    if source.room in OPENS_FILES or source.path.startswith(f"{PACKAGE}/backbone/weights/"):
        return
    from_io = {
        alias.asname or alias.name
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE}.io")
        for alias in node.names
    }
    functions = (_FILE_CALLS | from_io) - PURE_IN_IO | _FILE_FUNCTIONS
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in functions or (isinstance(node.func, ast.Attribute) and node.func.attr in _FILE_METHODS):
                yield node.lineno, f"calls {name}"


def _signatures(source: Source) -> Violations:
    """Find public functions with positional options, or a PRNG key that is not first."""
    for function in _public_functions(source.tree):
        arguments = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
        options = arguments[len(arguments) - len(function.args.defaults) :]
        if options and (source.room, function.name, options) not in _PROTOCOLS:
            yield function.lineno, f"{function.name} takes {', '.join(options)} by position"
        if "key" in [name for name in arguments if name not in ("self", "cls")][1:]:
            yield function.lineno, f"{function.name} does not take its PRNG key first"


# scikit-learn's pipelines pass targets by position to every estimator, and none to those that need none.
_PROTOCOLS = [("estimators", "fit", ["y"])]


def _public_functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """Yield functions and methods of public classes whose names do not begin with an underscore."""
    for node in tree.body:
        is_class = isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        for member in node.body if is_class else [node]:
            if isinstance(member, ast.FunctionDef) and not member.name.startswith("_"):
                yield member


def _words(source: Source) -> Violations:
    """Find banned words in names that a file binds, and banned phrases anywhere."""
    for node in ast.walk(source.tree):
        is_bound = not isinstance(node, ast.Name) or isinstance(node.ctx, ast.Store)
        kinds = ast.FunctionDef | ast.ClassDef | ast.arg | ast.Name
        name = next((getattr(node, field) for field in ("name", "arg", "id") if hasattr(node, field)), "")
        if isinstance(node, kinds) and is_bound and name.strip("_") in BANNED_NAMES:
            yield node.lineno, f"names something {name!r}"
    phrases = re.compile(rf"\b({'|'.join(map(re.escape, BANNED_PHRASES))})\b", re.IGNORECASE)
    for number, line in enumerate(source.text.splitlines(), start=1):
        if match := phrases.search(line):
            yield number, f"says {match.group()!r}"


def _lengths(source: Source) -> Violations:
    """Find functions and scripts that are too long to be read in one go."""
    lines = source.text.count("\n")
    if re.fullmatch(r"(train|eval)/\w+\.py", source.path) and lines > LONGEST_SCRIPT:
        yield 1, f"has {lines} lines"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef):
            counted = _lines(node) - (_lines(node.body[0]) if ast.get_docstring(node) else 0)
            if counted > LONGEST_FUNCTION:
                yield node.lineno, f"{node.name} has {counted} lines"


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _test_imports(source: Source) -> Violations:
    """Find test modules that import another test module, or a helper by another name than ``tests...``."""
    helpers = {path.stem for path in (ROOT / "tests").iterdir()} - {"train", "eval", *sys.stdlib_module_names}
    for line, name in _imports(source.tree):
        top, *inner = name.split(".")
        if top == "tests" and any(part.startswith("test_") for part in inner):
            yield line, "imports a test module"
        elif top in helpers:
            yield line, f"imports {name} without 'tests.'"


RULES = {
    "imports": _imported_rooms,
    "files": _opened_files,
    "signatures": _signatures,
    "words": _words,
    "lengths": _lengths,
    "test imports": _test_imports,
}


def sizes(found: Iterable[Source]) -> dict[str, tuple[int, int]]:
    """Count the files and the lines of each room."""
    counts: dict[str, tuple[int, int]] = {}
    for source in found:
        room = "top level" if source.path.count("/") == 1 and source.path.startswith(PACKAGE) else source.room
        files, lines = counts.get(room, (0, 0))
        counts[room] = files + 1, lines + source.text.count("\n")
    return counts


def over_budget(found: Mapping[str, tuple[int, int]]) -> list[str]:
    """Find rooms that have more files or lines than their budget, or none."""
    return [
        f"{room} has {files} files and {lines} lines; its budget is {BUDGETS.get(room, (0, 0))}"
        for room, (files, lines) in found.items()
        if files > BUDGETS.get(room, (0, 0))[0] or lines > BUDGETS.get(room, (0, 0))[1]
    ]


def readme_violations(text: str) -> list[str]:
    """Find imports in a README from anything but rooms."""
    modules = re.findall(rf"^from ({PACKAGE}[\w.]*) import", text, flags=re.MULTILINE)
    return [f"imports from {module}" for module in modules if module.count(".") > 1]


if __name__ == "__main__":
    for room, (files, lines) in sorted(sizes(sources()).items()):
        most_files, most_lines = BUDGETS.get(room, (0, 0))
        sys.stdout.write(f"{room:12} {files:4} of {most_files:4} files {lines:6} of {most_lines:6} lines\n")
