"""Where prepared data sets lie, and which file names in them are trusted."""

import os
from pathlib import Path, PurePosixPath

from convcorr_jax.errors import InputError
from convcorr_jax.io import check_file

ROOT_VARIABLE = "CONVCORR_DATA"
# Prepared data shared between several checkouts lies beside them.
_BESIDE_CHECKOUT = Path(__file__).resolve().parents[3] / "shared" / "data"


def root(data_root: str | Path | None = None) -> Path:
    """The folder of prepared data sets: the argument, else ``$CONVCORR_DATA``, else a default.

    The default is ``../shared/data`` beside the checkout that this package runs from.
    """
    return Path(data_root or os.environ.get(ROOT_VARIABLE) or _BESIDE_CHECKOUT)


def find(name_or_path: str | Path, data_root: str | Path | None = None) -> Path:
    """The folder of a prepared data set, given by its name under the `root` or by its path.

    Raises:
        InputError: neither is a folder; the sentence says where it was looked for.
    """
    candidates = [root(data_root) / name_or_path, Path(name_or_path)]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    places = " nor ".join(dict.fromkeys(str(candidate) for candidate in candidates))
    neither = "neither " if " nor " in places else ""
    raise InputError(
        f"data set {str(name_or_path)!r} was not found: {neither}{places} is a folder; give the "
        f"data root, or set {ROOT_VARIABLE}"
    )


def member(folder: Path, name: str) -> Path:
    """The file that an annotation names by a path relative to the data set's folder.

    Raises:
        InputError: the name is absolute or leads out of the folder, or the file is missing or
        empty.
    """
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts or "\\" in name or not name.isprintable():
        raise InputError(f"{folder}: file name {name!r} must be a path inside the folder")
    path = folder / relative
    try:
        check_file(path, "image")
    except OSError as error:
        raise InputError(f"{folder}: file name {name!r} is not usable: {error.strerror}") from error
    return path
