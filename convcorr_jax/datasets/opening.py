"""The records of a data set's folder, given by name or by path, whatever its layout.

A folder may be what ``convcorr datasets prepare`` or a builder of TFDS wrote (the folder itself, or a
version in it), a compact copy, or the official release of a catalogued data set under its catalogue
name.
"""

import re
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from convcorr_jax.datasets import roots
from convcorr_jax.datasets.catalogue import DATASETS, DataSet
from convcorr_jax.datasets.compact import (
    camvid,
    face_landmarks,
    imagenet,
    lfw_attributes,
    lspet,
    pf_willow,
)
from convcorr_jax.datasets.records import Absent, PairSet, Record
from convcorr_jax.errors import InputError

_VERSION = re.compile(r"\d+\.\d+\.\d+")


class _Layout(NamedTuple):
    is_here: Callable[[Path], bool]
    read: Callable[[Path], Iterable[Record | Absent]]


def _has_arrays(*wanted: str) -> Callable[[Path], bool]:
    """Whether a folder's ``annotations.npz`` holds these arrays."""

    def is_here(folder: Path) -> bool:
        try:
            with zipfile.ZipFile(folder / "annotations.npz") as archive:
                return {f"{name}.npy" for name in wanted} <= set(archive.namelist())
        except (OSError, zipfile.BadZipFile):
            return False

    return is_here


def _has_file(name: str) -> Callable[[Path], bool]:
    return lambda folder: (folder / name).is_file()


def _read_tfds(folder: Path) -> Sequence[Record]:
    # TFDS is an extra, and takes a second to import.
    from convcorr_jax.datasets import prepared
    from convcorr_jax.datasets.prepared import foreign

    if prepared.is_prepared(folder):
        return prepared.read(folder)
    return tuple(foreign.read(folder))


def _is_of_tfds(folder: Path) -> bool:
    return (folder / "dataset_info.json").is_file()


_LAYOUTS = (
    _Layout(_is_of_tfds, _read_tfds),
    _Layout(_has_arrays("landmarks", "attributes"), lfw_attributes.read),
    _Layout(_has_arrays("landmarks"), face_landmarks.read),
    _Layout(_has_arrays("joints"), lspet.read),
    _Layout(_has_file("annotations.json"), pf_willow.read),
    _Layout(_has_file("meta.json"), camvid.read),
    _Layout(_has_file("images.zip"), imagenet.read_archive),
    _Layout(imagenet.is_sample, imagenet.read_sample),
)


def read_folder(folder: Path, *, dataset: DataSet | None = None) -> Iterable[Record | Absent]:
    """What a folder holds, in a fixed order; read lazily where its layout allows.

    Args:
        folder: the data set's.
        dataset: what it is when its layout is not one of ours: an official release.

    Raises:
        InputError: the layout is not known, or as the reader of its layout.
    """
    folder = _latest_version(folder)
    for layout in _LAYOUTS:
        if layout.is_here(folder):
            return layout.read(folder)
    if dataset is not None:
        return dataset.read(folder)
    raise InputError(
        f"{folder} is laid out as no data set that is known; a prepared folder, a compact copy, or an "
        f"official release in a folder named as one of {', '.join(DATASETS)} is expected"
    )


def read_records(name_or_path: str | Path, data_root: Path | None = None) -> Sequence[Record]:
    """All records of a data set that is found by name under the data root, or by path.

    Those of a prepared folder are read from it whenever they are asked for. Annotations that make no
    record are passed over; ``convcorr datasets check`` lists them.

    Raises:
        InputError: it is not there, or as `read_folder`.
    """
    folder = roots.find(name_or_path, data_root)
    if _is_of_tfds(version := _latest_version(folder)):
        return _read_tfds(version)
    found = read_folder(folder, dataset=DATASETS.get(folder.name))
    return tuple(one for one in found if isinstance(one, Record))


def read_pairs(name_or_path: str | Path, data_root: Path | None = None) -> PairSet:
    """The records and fixed pairs of a data set that is found by name or by path.

    Raises:
        InputError: it is not there, has no fixed pairs, or as its reader.
    """
    folder = roots.find(name_or_path, data_root)
    if _has_file("annotations.json")(folder):
        return pf_willow.read_pairs(folder)
    dataset = DATASETS.get(folder.name)
    if dataset is None or dataset.read_pairs is None:
        with_pairs = [one.name for one in DATASETS.values() if one.read_pairs is not None]
        raise InputError(
            f"{folder} has no fixed pairs; a compact copy of PF-WILLOW, or an official release in a "
            f"folder named as one of {', '.join(with_pairs)} is expected"
        )
    return dataset.read_pairs(folder)


def _latest_version(folder: Path) -> Path:
    """The prepared version in a folder, as TFDS lays versions out; the folder itself if there is none."""
    versions = [
        path
        for path in folder.glob("*.*.*")
        if _VERSION.fullmatch(path.name) is not None and _is_of_tfds(path)
    ]
    return max(versions, key=_version_number, default=folder)


def _version_number(path: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in path.name.split("."))
