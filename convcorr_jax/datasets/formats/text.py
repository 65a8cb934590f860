"""Points, names and tables in text files.

A ``.pts`` file has the format of 300-W: the lines "version: 1" and "n_points: 68", and between lines with
braces one point in each line, such as "446.000 91.000". The first pixel is (1, 1) in the files, as in MATLAB;
`read_pts` returns 0-based points. Lines that begin with ``#`` or ``//`` are comments. A point ``nan nan`` is
absent.

Source: the "facial point annotations" of i-bug, Imperial College London, whose page states the base.
"""

import csv
import math
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax.datasets.formats import mat
from convcorr_jax.errors import InputError
from convcorr_jax.io import check_file

# The largest text file, LFW's attributes, takes a third of it.
MAX_BYTES = 64 * 2**20
"""The limit of the size of a text file."""

# Larger than any coordinate, score or label, and small enough to be squared.
_MAX_NUMBER = 1e9


def lines(path: Path, *, kind: str) -> list[str]:
    """Read the lines of a UTF-8 file of at most 64 MB, without surrounding space or byte order mark."""
    check_file(path, kind)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path} is over {MAX_BYTES // 2**20} MB; no {kind} is that large")
        content = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no UTF-8 text; a {kind} file is expected") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    return [line.strip() for line in content.splitlines()]


def numbers(fields: Sequence[str], *, where: str) -> Float[np.ndarray, " n"]:
    """Convert fields to numbers of at most 1e9, of which some may be NaN; messages begin with ``where``."""
    try:
        values = np.array([float(field) for field in fields], np.float64)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error
    if (np.abs(values) > _MAX_NUMBER).any():
        raise InputError(f"{where}: {np.nanmax(np.abs(values)):g} is too large a number")
    return values


# A file name without folder: letters, digits and the characters that official releases use in file names.
_PLAIN = re.compile(r"\w[\w.() -]*")
# File systems allow 255 bytes, of which a suffix and a temporary prefix take some.
_MAX_BYTES = 200

# In the order of preference: if a release has both, the JPEG was made from the PNG.
_ENDINGS = (".png", ".jpg", ".jpeg", ".PNG", ".JPG", ".JPEG")


def check_name(name: str, *, named_in: Path) -> str:
    """Return a name that an annotation states if it is the name of a file, and not a path.

    Raises:
        InputError: the name is empty, has over 200 bytes, or contains a slash or another character that does
            not occur in official file names.
    """
    if not _PLAIN.fullmatch(name) or len(name.encode(errors="replace")) > _MAX_BYTES:
        raise InputError(f"{named_in}: {name[:_MAX_BYTES]!r} is no plain name of an image")
    return name


def find_image(folder: Path, stem: str) -> Path | None:
    """Return the PNG or JPEG file with this name, without suffix, in a folder; None if there is none."""
    candidates = (folder / f"{stem}{ending}" for ending in _ENDINGS)
    return next((path for path in candidates if path.is_file()), None)


class Line(NamedTuple):
    """A line of a table, by its file and its number from 1."""

    path: Path
    number: int
    fields: list[str]

    def numbers(self, texts: Collection[str]) -> list[float]:
        """Convert fields to finite numbers."""
        try:
            values = [float(text) for text in texts]
        except ValueError as error:
            raise self.refusal(str(error)) from error
        if not all(map(math.isfinite, values)):
            raise self.refusal("a number is not finite")
        return values

    def refusal(self, why: str) -> InputError:
        """Return the error to raise if the line cannot be read; it names file and line."""
        return InputError(f"{self.path}, line {self.number}: {why}")


def read_table(path: Path, *, widths: Collection[int]) -> Iterator[Line]:
    """Yield the lines below the header, each with one of some numbers of fields."""
    check_file(path, "comma-separated")
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.reader(stream)
        try:
            next(rows, None)
            for fields in filter(None, rows):
                line = Line(path, rows.line_num, fields)
                if len(fields) not in widths:
                    expected = " or ".join(map(str, widths))
                    raise line.refusal(f"{len(fields)} fields, where {expected} are expected")
                yield line
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is no UTF-8 text: {error}") from error
        except csv.Error as error:
            raise InputError(f"{path} is no comma-separated text: {error}") from error


_LAYOUT = re.compile(r"\s*version:\s*[\d.]+\s+n_points:\s*(\d{1,6})\s*\{([^{}]*)\}", re.ASCII | re.IGNORECASE)


def read_pts(path: Path, *, count: int) -> Float[np.ndarray, "count 2"]:
    """Read ``count`` points (x, y) of a file, in pixels, 0-based, both NaN where a point is absent."""
    content = [line for line in lines(path, kind="points (.pts)") if not line.startswith(("#", "//"))]
    layout = _LAYOUT.match("\n".join(content))
    if layout is None:
        raise InputError(
            f"{path} is cut short or no .pts file; 'version:', 'n_points:' and points in braces are expected"
        )
    rows = [line.split() for line in layout[2].split("\n") if line]
    if int(layout[1]) != count or len(rows) != count:
        raise InputError(f"{path} states {layout[1]} points and holds {len(rows)}; {count} are expected")
    if any(len(row) != 2 for row in rows):
        raise InputError(f"{path}: two numbers a line are expected between the braces")
    points = numbers([word for row in rows for word in row], where=str(path)).reshape(-1, 2)
    absent = np.isnan(points)
    if (absent[:, 0] != absent[:, 1]).any():
        raise InputError(f"{path}: a point has one coordinate")
    return points - 1


JOINTS = 16
"""The number of MPII's joints, whose ids count from 0."""


def points_by_id(person: mat.Group) -> dict[int, mat.Group]:
    """Return the points of an ``annorect`` by their ids; joints that are not annotated have none."""
    points: dict[int, mat.Group] = {}
    for joints in person.structs("annopoints") if person.has("annopoints") else ():
        for joint in joints.structs("point"):
            number = joint.number("id")
            if number not in range(JOINTS) or int(number) in points:
                raise InputError(f"{joint.where} has the id {number}; 0 to {JOINTS - 1} once each are expected")
            points[int(number)] = joint
    return points
