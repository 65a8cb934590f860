"""The folders in which programs keep what belongs to a user."""

import os
import sys
from pathlib import Path
from typing import Literal

# For each system: the environment variable, and where the folder is under the home folder without it.
_FOLDERS = {
    "cache": {
        "win32": ("LOCALAPPDATA", "AppData/Local"),
        "darwin": (None, "Library/Caches"),
        "linux": ("XDG_CACHE_HOME", ".cache"),
    },
    "data": {
        "win32": ("LOCALAPPDATA", "AppData/Local"),
        "darwin": (None, "Library/Application Support"),
        "linux": ("XDG_DATA_HOME", ".local/share"),
    },
}


def user_folder(kind: Literal["cache", "data"]) -> Path:
    """Return this package's folder among the user's; it may not exist.

    The user's folders are ``$XDG_CACHE_HOME`` or ``~/.cache`` and ``$XDG_DATA_HOME`` or ``~/.local/share``; on
    macOS ``~/Library/Caches`` and ``~/Library/Application Support``; on Windows ``%LOCALAPPDATA%``. A
    `RuntimeError` says that the user has no home folder.
    """
    of_kind = _FOLDERS[kind]
    variable, default = of_kind.get(sys.platform, of_kind["linux"])
    chosen = Path(os.environ.get(variable, "")) if variable else Path()
    # The XDG base directory specification ignores relative paths.
    base = chosen if chosen.is_absolute() else Path.home() / default
    return base / "convcorr_jax"
