"""The layouts of compact folders, and which of them a folder has."""

import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from convcorr_jax.datasets.compact import people, scenes
from convcorr_jax.datasets.records import Record
from convcorr_jax.io.arrays import open_archive

Read = Callable[[Path], Iterable[Record]]


class _Layout(NamedTuple):
    matches: Callable[[Path], bool]
    read: Read


def _has_arrays(*names: str) -> Callable[[Path], bool]:
    """Return a test whether a folder's ``annotations.npz`` holds these arrays."""

    def matches(folder: Path) -> bool:
        try:
            with (folder / people.FILE).open("rb") as stream, open_archive(stream) as archive:
                return {f"{name}.npy" for name in names} <= set(archive.namelist())
        except (OSError, zipfile.BadZipFile):
            return False

    return matches


def _has_file(name: str) -> Callable[[Path], bool]:
    return lambda folder: (folder / name).is_file()


# The first that matches is the folder's: faces with attributes have landmarks, too.
_LAYOUTS = (
    _Layout(_has_arrays("landmarks", "attributes"), people.read_attributes),
    _Layout(_has_arrays("landmarks"), people.read_landmarks),
    _Layout(_has_arrays("joints"), people.read_lspet),
    _Layout(_has_file(scenes.WILLOW_FILE), scenes.read_pf_willow),
    _Layout(_has_file(scenes.CAMVID_FILE), scenes.read_camvid),
    _Layout(scenes.is_archive, scenes.read_archive),
    _Layout(scenes.is_sample, scenes.read_sample),
)


def find_reader(folder: Path) -> Read | None:
    """Return the function that reads a compact folder of this layout; None where no layout matches."""
    return next((layout.read for layout in _LAYOUTS if layout.matches(folder)), None)


def has_pairs(folder: Path) -> bool:
    """Return whether a compact folder holds fixed pairs, which `scenes.read_pairs` reads."""
    return (folder / scenes.WILLOW_FILE).is_file()
