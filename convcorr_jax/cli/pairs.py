"""The pairs of photographs that one command line names: two files, a folder, or a table."""

import glob
import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from convcorr_jax.cli.arguments import read_photograph
from convcorr_jax.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from convcorr_jax import coords
    from convcorr_jax.io import NamedPoints
    from convcorr_jax.shapes import Image

PHOTOGRAPH_ENDINGS = (
    *(".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif"),
)
"""The endings of the files that are taken from a folder, in lower or upper case."""

_COLUMNS = ("a", "b", "box_a", "box_b", "points", "mask")


class Pair(NamedTuple):
    """Two photographs to align, as files, with the boxes of their objects, and points and a mask of a."""

    a: Path
    b: Path
    box_a: "coords.Box | None" = None
    box_b: "coords.Box | None" = None
    points: Path | None = None
    mask: Path | None = None

    @property
    def name(self) -> str:
        """The names of both photographs, without endings."""
        return f"{self.a.stem}-{self.b.stem}"


class Files(NamedTuple):
    """The paths of the files that are written for a pair; None for one that is not."""

    figure: Path
    arrays: Path
    table: Path | None
    mask: Path | None
    flow: Path | None = None

    @classmethod
    def beside(cls, figure: Path, pair: Pair) -> "Files":
        """Name the other files of a pair after its figure."""
        table = None if pair.points is None else figure.with_suffix(".csv")
        mask = None if pair.mask is None else figure.with_name(f"{figure.stem}-mask.png")
        return cls(figure, figure.with_suffix(".npz"), table, mask)


class Inputs(NamedTuple):
    """The content of a pair's files: 8-bit RGB, and points in pixels of a and its mask if the pair has them."""

    a: "Image"
    b: "Image"
    points: "NamedPoints | None"
    mask: "np.ndarray | None"


def read_inputs(pair: Pair) -> Inputs:
    """Read a pair's files, without importing JAX; refuse points outside a, and a mask of another size."""
    from convcorr_jax import coords
    from convcorr_jax.io import read_labels, read_points

    a = read_photograph(pair.a, box=pair.box_a)
    b = read_photograph(pair.b, box=pair.box_b)
    mask = None if pair.mask is None else read_labels(pair.mask)
    height, width = a.shape[:2]
    if mask is not None and mask.shape != (height, width):
        raise InputError(
            f"{pair.mask} has {mask.shape[1]} x {mask.shape[0]} pixels, and {pair.a} {width} x {height}; a "
            "mask of its size is expected"
        )
    if pair.points is None:
        return Inputs(a, b, None, mask)
    named = read_points(pair.points)
    inside = coords.inside(named.points, coords.whole_image((height, width)))
    for name, (x, y), is_inside in zip(named.names, named.points, inside, strict=True):
        if not is_inside:
            raise InputError(
                f"point {name} of {pair.points}, ({x:g}, {y:g}), is outside {pair.a} "
                f"of {width} x {height} pixels"
            )
    return Inputs(a, b, named, mask)


def expand(words: Iterable[Path]) -> list[Path]:
    """Return the photographs that files, folders and patterns name, each of them once."""
    found: dict[Path, None] = {}
    for word in words:
        paths = [word]
        if word.is_dir():
            paths = list_photographs(word)
        elif glob.has_magic(str(word)) and not word.exists():
            matches = map(Path, glob.glob(str(word), recursive=True))
            paths = sorted(one for one in matches if one.suffix.lower() in PHOTOGRAPH_ENDINGS and one.is_file())
            if not paths:
                raise InputError(f"no photograph matches {word}")
        found |= dict.fromkeys(paths)
    return list(found)


def list_photographs(folder: Path) -> list[Path]:
    """Return the photographs of a folder, but for hidden ones, by name; refuse a folder without."""
    try:
        found = sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower() in PHOTOGRAPH_ENDINGS and not path.name.startswith(".") and path.is_file()
        )
    except OSError as error:
        raise InputError(f"{folder} may not be read: {error.strerror}") from error
    if not found:
        raise InputError(
            f"{folder} has no photograph; files that end in {', '.join(PHOTOGRAPH_ENDINGS)} are expected"
        )
    return found


def consecutive_pairs(folder: Path) -> list[Pair]:
    """Return the pairs of each photograph of a folder and the next one by name; refuse fewer than two."""
    found = list_photographs(folder)
    if len(found) == 1:
        raise InputError(f"{folder} has one photograph, {found[0].name}; at least two are expected")
    return [Pair(a, b) for a, b in itertools.pairwise(found)]


def one_to_all(a: Path, folder: Path) -> list[Pair]:
    """Return the pairs of a photograph and each other one of a folder; refuse a folder without."""
    others = [path for path in list_photographs(folder) if path.resolve() != a.resolve()]
    if not others:
        raise InputError(f"{folder} has no photograph but {a.name}; another one is expected")
    return [Pair(a, b) for b in others]


def read_pairs(path: Path) -> list[Pair]:
    """Read a table of pairs: a CSV file with the columns a, b and, if wanted, box_a, box_b, points and mask.

    A box is four numbers with spaces, ``x0 y0 x1 y1``. Paths are relative to the folder of the table. An empty
    entry is absent. All else, such as an unknown or repeated column or a short row, is an `InputError`.
    """
    from convcorr_jax.io import read_rows

    rows = read_rows(path, "pairs")
    header = [column.strip() for column in rows[0]]
    if not {"a", "b"} <= set(header) <= set(_COLUMNS) or len(set(header)) < len(header):
        raise InputError(
            f"{path} has the header {','.join(header)!r}; 'a,b' is expected, and {', '.join(_COLUMNS[2:])} "
            "may follow"
        )
    if len(rows) == 1:
        raise InputError(f"{path} has a header and no pairs")
    pairs = []
    for number, row in enumerate(rows[1:], 1):
        where = f"row {number} of {path}"
        if len(row) != len(header):
            raise InputError(f"{where} has {len(row)} entries; {len(header)} are expected")
        entries = dict(zip(header, map(str.strip, row), strict=True))
        pairs.append(_pair(entries, path.parent, where))
    return pairs


def figure_names(stems: Iterable[str]) -> list[str]:
    """Return the name of each figure by that of its photograph or pair; repeated ones are numbered.

    >>> figure_names(["cat-tiger", "cat-tiger"])
    ['cat-tiger.png', 'cat-tiger-2.png']
    """
    names: dict[str, None] = {}
    for stem in stems:
        name, number = stem, 1
        while name in names:
            number += 1
            name = f"{stem}-{number}"
        names[name] = None
    return [f"{name}.png" for name in names]


def _pair(entries: Mapping[str, str], folder: Path, where: str) -> Pair:
    for column in ("a", "b"):
        if not entries[column]:
            raise InputError(f"{where} has no {column}; the path of a photograph is expected")
    points, mask = entries.get("points"), entries.get("mask")
    return Pair(
        folder / entries["a"],
        folder / entries["b"],
        _box(entries.get("box_a", ""), f"box_a in {where}"),
        _box(entries.get("box_b", ""), f"box_b in {where}"),
        folder / points if points else None,
        folder / mask if mask else None,
    )


def _box(text: str, where: str) -> "coords.Box | None":
    from convcorr_jax import coords

    if not text:
        return None
    try:
        edges = [float(number) for number in text.split()]
    except ValueError:
        edges = []
    if len(edges) != 4:
        raise InputError(f"{where} is {text!r}; four numbers x0 y0 x1 y1 are expected")
    return coords.Box(*edges)
