"""Stages of a script whose results are kept: one ``.npz`` a stage, with the settings that made it."""

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from convcorr_jax import files
from convcorr_jax.errors import InputError


def stage(
    path: Path,
    settings: Mapping[str, Any],
    compute: Callable[[], Mapping[str, np.ndarray | np.generic]],
) -> dict[str, np.ndarray]:
    """What an earlier run computed under the same settings, or what is computed, and kept, now.

    Raises:
        InputError: the file is damaged, or cannot be written.
    """
    said = json.dumps(settings, sort_keys=True)
    if path.is_file():
        try:
            with path.open("rb") as stream, np.load(stream) as arrays:
                kept = dict(arrays)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{path} is damaged ({error}); remove it to compute it again"
            ) from error
        if str(kept.pop("settings", "")) == said:
            return kept
    computed = {name: np.asarray(value) for name, value in compute().items()}
    files.write_arrays(path, **computed, settings=np.array(said))
    return computed
