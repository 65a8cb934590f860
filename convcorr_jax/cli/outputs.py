"""The files that a command writes: checked before any work is done, and written all or none."""

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convcorr_jax.cli.results import Result
from convcorr_jax.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from convcorr_jax.shapes import Image

FIGURE_ENDINGS = (".png", ".jpg", ".jpeg", ".pdf")
"""The endings of the formats that both Pillow and matplotlib write."""


def check_outputs(
    figure: Path, others: Iterable[Path | None], *, read: Iterable[Path | None]
) -> None:
    """Refuse a figure of an unknown format, and outputs by the rules of `convcorr_jax.io.check_outputs`.

    Args:
        figure: the path of the figure, the option ``--out``.
        others: the paths of files written beside it; None for one that is not written.
        read: the paths of files that the command reads; None for one that it does not read.

    Raises:
        InputError: the figure's ending is unknown, a path is wrong, or a file would be overwritten that is
            read or written, too.
        WriteError: the disk is full or failed.
    """
    from convcorr_jax import io

    if figure.suffix.lower() not in FIGURE_ENDINGS:
        raise InputError(f"--out {figure} must end in one of {', '.join(FIGURE_ENDINGS)}")
    io.check_outputs((figure, *others), read=read)


def write_points_and_figure(
    out: Path,
    figure: "Image",
    names: Sequence[str],
    points: "np.ndarray",
    *,
    what: str,
    confidence: "np.ndarray | None" = None,
) -> Result:
    """Write a figure and a table of its points beside it.

    Args:
        out: the path of the figure; that of the table has the ending .csv.
        figure: the figure, 8-bit RGB.
        names: the names of the points.
        points: the points (x, y), in pixels of the photograph, ``[n, 2]``.
        what: what the points are, such as "joints", for the printed sentence.
        confidence: the confidence of every point, ``[n]``; by default the table has none.

    Returns:
        The number of points and the paths of the files; as values, the points as well.

    Raises:
        WriteError: a file cannot be written.
    """
    from convcorr_jax.io import write_image, write_points, written_whole

    table = out.with_suffix(".csv")
    with contextlib.ExitStack() as stack:
        temporary_figure = stack.enter_context(written_whole(out))
        temporary_table = stack.enter_context(written_whole(table))
        write_image(temporary_figure, figure)
        write_points(temporary_table, names, points, confidence=confidence)
    values = {
        "figure": out,
        "table": table,
        "points": point_values(names, points, confidence=confidence),
    }
    return Result([f"{len(names)} {what}.", str(out), str(table)], values)


def point_values(
    names: Sequence[str], points: "np.ndarray", *, confidence: "np.ndarray | None" = None
) -> list[dict[str, Any]]:
    """Return points as the JSON object lists them, under the names of the table's header.

    Args:
        names: the names of the points.
        points: the points (x, y), in pixels, ``[n, 2]``.
        confidence: the confidence of every point, ``[n]``; by default none is listed.
    """
    values = [
        {"name": name, "x": x, "y": y} for name, (x, y) in zip(names, points.tolist(), strict=True)
    ]
    if confidence is not None:
        for value, of_point in zip(values, confidence.tolist(), strict=True):
            value["confidence"] = of_point
    return values
