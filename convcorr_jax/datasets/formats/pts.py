"""Points in a ``.pts`` file, the format of 300-W: one point in each line, between braces.

::

    version: 1
    n_points:  68
    {
    446.000 91.000
    449.459 119.344
    ...
    }

The first pixel is (1, 1) in the files, as in MATLAB; `read` returns 0-based points. Lines that begin with ``#``
or ``//`` are comments. A point ``nan nan`` is absent.

Source: the "facial point annotations" of i-bug, Imperial College London, whose page states the base.
"""

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float

from convcorr_jax.datasets.formats import text
from convcorr_jax.errors import InputError

_LAYOUT = re.compile(
    r"\s*version:\s*[\d.]+\s+n_points:\s*(\d{1,6})\s*\{([^{}]*)\}", re.ASCII | re.IGNORECASE
)


def read(path: Path, *, count: int) -> Float[np.ndarray, "count 2"]:
    """Read the points of a file, as (x, y) in pixels, 0-based, both NaN where a point is absent.

    Args:
        path: the file.
        count: the number of points that the file must have.

    Raises:
        InputError: the file is missing, cut short or of another layout; it states or holds another number of
            points; a line is not two numbers.
    """
    content = [
        line for line in text.lines(path, kind="points (.pts)") if not line.startswith(("#", "//"))
    ]
    layout = _LAYOUT.match("\n".join(content))
    if layout is None:
        raise InputError(
            f"{path} is cut short or no .pts file; 'version:', 'n_points:' and points in braces "
            "are expected"
        )
    rows = [line.split() for line in layout[2].split("\n") if line]
    if int(layout[1]) != count or len(rows) != count:
        raise InputError(
            f"{path} states {layout[1]} points and holds {len(rows)}; {count} are expected"
        )
    if any(len(row) != 2 for row in rows):
        raise InputError(f"{path}: two numbers a line are expected between the braces")
    points = text.numbers([word for row in rows for word in row], where=str(path)).reshape(-1, 2)
    absent = np.isnan(points)
    if (absent[:, 0] != absent[:, 1]).any():
        raise InputError(f"{path}: a point has one coordinate")
    return points - 1
