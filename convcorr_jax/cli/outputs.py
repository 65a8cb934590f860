"""The files that a command writes: refused before any work is done for them, written all or none."""

import contextlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from convcorr_jax.errors import InputError

_PICTURES = (".png", ".jpg", ".jpeg", ".pdf")


def check_outputs(
    picture: Path, others: Iterable[Path | None], *, read: Iterable[Path | None]
) -> None:
    """Refuse a picture of an unknown format, files that cannot be written, and such as are read.

    Args:
        picture: the option ``--out``.
        others: written beside it.
        read: given by the user.

    Raises:
        InputError: as said.
    """
    from convcorr_jax.io import check_writable

    if picture.suffix.lower() not in _PICTURES:
        raise InputError(f"--out {picture} must end in one of {', '.join(_PICTURES)}")
    inputs = [path for path in read if path is not None]
    for path in (picture, *(other for other in others if other is not None)):
        for other in inputs:
            if path.exists() and other.exists() and path.samefile(other):
                raise InputError(f"--out {picture} would overwrite {other}, which is read")
        check_writable(path)


def write_points_and_picture(
    out: Path, picture: Any, names: Sequence[str], points: Any, confidence: Any = None, *, what: str
) -> None:
    """Write a picture, and a table of its points beside it; say on the standard output where they are.

    Args:
        out: the picture's path; the table's ends in .csv.
        picture: 8-bit RGB.
        names: of the points.
        points: as of `write_points`.
        confidence: likewise.
        what: the points are, for the sentence.
    """
    from convcorr_jax.io import write_image, written_whole
    from convcorr_jax.io.points import write_points

    table = out.with_suffix(".csv")
    with contextlib.ExitStack() as stack:
        drawn = stack.enter_context(written_whole(out))
        written = stack.enter_context(written_whole(table))
        write_image(drawn, picture)
        write_points(written, names, points, confidence)
    sys.stdout.write(f"{len(names)} {what}.\n{out}\n{table}\n")
