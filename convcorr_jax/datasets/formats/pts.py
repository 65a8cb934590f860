"""Points in a ``.pts`` file, the format of 300-W and its like: one point a line, between braces.

::

    version: 1
    n_points:  68
    {
    446.000 91.000
    449.459 119.344
    ...
    }

The first pixel is (1, 1) in the files, as in MATLAB; what is read is 0-based. Lines that open with
``#`` or ``//`` are comments. A point given as ``nan nan`` is absent.

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
    """The points (x, y) of a file that holds ``count`` of them, 0-based, both NaN where one is absent.

    Raises:
        InputError: the file is missing, cut short or laid out in another way, says or holds another
            number of points, or a line in it is not two numbers.
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
            f"{path} says {layout[1]} points and holds {len(rows)}; {count} are expected"
        )
    if any(len(row) != 2 for row in rows):
        raise InputError(f"{path}: two numbers a line are expected between the braces")
    points = text.numbers([word for row in rows for word in row], where=str(path)).reshape(-1, 2)
    absent = np.isnan(points)
    if (absent[:, 0] != absent[:, 1]).any():
        raise InputError(f"{path}: a point has one coordinate")
    return points - 1
