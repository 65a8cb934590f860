"""The layouts of compact folders, and which of them a folder has."""

import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from convcorr_jax.datasets.compact import people, scenes
from convcorr_jax.datasets.records import Record
from convcorr_jax.io.arrays import open_archive

Read = Callable[[Path], Iterable[Record]]


def _has_arrays(*names: str) -> Callable[[Path], bool]:
    """Return a test whether a folder's ``annotations.npz`` holds these arrays."""

    def matches(folder: Path) -> bool:
        try:
            with (folder / people.FILE).open("rb") as stream, open_archive(stream) as archive:
                return {f"{name}.npy" for name in names} <= set(archive.namelist())
        except (OSError, zipfile.BadZipFile):
            return False

    return matches


# The first that matches is the folder's: faces with attributes have landmarks, too.
_LAYOUTS: tuple[tuple[Callable[[Path], bool], Read], ...] = (
    (_has_arrays("landmarks", "attributes"), people.read_attributes),
    (_has_arrays("landmarks"), people.read_landmarks),
    (_has_arrays("joints"), people.read_lspet),
    (lambda folder: has_pairs(folder), scenes.read_pf_willow),
    (lambda folder: (folder / scenes.CAMVID_FILE).is_file(), scenes.read_camvid),
    (scenes.is_archive, scenes.read_archive),
    (scenes.is_sample, scenes.read_sample),
)


def find_reader(folder: Path) -> Read | None:
    """Return the function that reads a compact folder of this layout; None where no layout matches."""
    return next((read for matches, read in _LAYOUTS if matches(folder)), None)


def has_pairs(folder: Path) -> bool:
    """Return whether a compact folder holds fixed pairs, which `scenes.read_pairs` reads."""
    return (folder / scenes.WILLOW_FILE).is_file()
