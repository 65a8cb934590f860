"""The folder of data sets, and the file names in annotations that are trusted."""

import os
from pathlib import Path, PurePosixPath

from convcorr_jax.errors import InputError
from convcorr_jax.io import check_file
from convcorr_jax.runtime.user_folders import user_folder

ROOT_VARIABLE = "CONVCORR_DATA"
"""The environment variable that names the folder of data sets."""


def root_folder(*, data_root: str | Path | None = None) -> Path:
    """Return the folder that holds data sets, each in a folder of its own.

    That is ``data_root``, else the value of ``$CONVCORR_DATA``, else ``convcorr_jax`` in the user's data
    folder.

    Raises:
        InputError: neither is set, and the user has no home folder.
    """
    chosen = data_root or os.environ.get(ROOT_VARIABLE)
    if chosen:
        return Path(chosen)
    try:
        return user_folder("data")
    except RuntimeError as error:
        raise InputError(f"{error}; set {ROOT_VARIABLE} to the folder of data sets") from error


def find_folder(name_or_path: str | Path, *, data_root: str | Path | None = None) -> Path:
    """Return the folder of a data set, which its name under the `root_folder` or its path states.

    Raises:
        InputError: neither is a folder; the message lists both.
    """
    candidates = [root_folder(data_root=data_root) / name_or_path, Path(name_or_path)]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    places = " nor ".join(dict.fromkeys(str(candidate) for candidate in candidates))
    neither = "neither " if " nor " in places else ""
    raise InputError(
        f"data set {str(name_or_path)!r} was not found: {neither}{places} is a folder; state the "
        f"data root, or set {ROOT_VARIABLE}"
    )


def member_file(folder: Path, name: str) -> Path:
    """Return the path of a file that an annotation names relative to the data set's folder.

    Raises:
        InputError: the name is absolute or leads out of the folder, or the file is missing or empty.
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
