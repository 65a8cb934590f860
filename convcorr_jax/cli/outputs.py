"""Which files a command may write: refused before any work is done for them."""

from collections.abc import Iterable
from pathlib import Path

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
    from convcorr_jax import files

    if picture.suffix.lower() not in _PICTURES:
        raise InputError(f"--out {picture} must end in one of {', '.join(_PICTURES)}")
    inputs = [path for path in read if path is not None]
    for path in (picture, *(other for other in others if other is not None)):
        for other in inputs:
            if path.exists() and other.exists() and path.samefile(other):
                raise InputError(f"--out {picture} would overwrite {other}, which is read")
        files.check_writable(path)
