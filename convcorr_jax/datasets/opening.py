"""Opening a data set's folder by its name or path, whatever its layout.

A folder is read as the first of these that it is:

1. a prepared data set, written by ``convcorr datasets prepare`` or by a builder of TFDS: in the folder itself
   or in folders of versions, such as ``1.0.0``, of which the latest is read;
2. an official release: the folder has the name of a catalogued data set and holds the release's files
   (`DataSet.is_release`), whatever else is in it;
3. a compact copy (`convcorr_jax.datasets.compact`).

A folder with the name of a catalogued data set that is none of them goes to the reader of the official release,
whose error says what is missing.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from convcorr_jax.datasets import loading
from convcorr_jax.datasets.catalogue import DATASETS, DataSet
from convcorr_jax.datasets.records import Absent, PairSet, Record
from convcorr_jax.errors import InputError

_VERSION = re.compile(r"\d+\.\d+\.\d+")


def read_folder(folder: Path, *, dataset: DataSet | None = None) -> Iterable[Record | Absent]:
    """Read what a folder holds, in a fixed order, and lazily where the layout allows.

    The folder may hold the official release of ``dataset``.
    """
    folder = _latest_version(folder)
    if _is_prepared(folder):
        return _read_prepared(folder)
    if dataset is not None and dataset.is_release(folder):
        return dataset.read(folder)
    # No reader is imported before a folder is opened that may need it.
    from convcorr_jax.datasets import compact

    if (read_compact := compact.find_reader(folder)) is not None:
        return read_compact(folder)
    if dataset is not None:
        return dataset.read(folder)
    raise InputError(
        f"{folder} is laid out as no data set that is known; a prepared folder, a compact copy, or an "
        f"official release in a folder named as one of {', '.join(DATASETS)} is expected"
    )


def read_records(name_or_path: str | Path, *, data_root: str | Path | None = None) -> Sequence[Record]:
    """Read all records of a data set, from its path or from its name under the `loading.root_folder`.

    The records of a prepared folder are read from disk whenever they are indexed. Annotations that make no
    record are skipped; ``convcorr datasets check`` lists them.
    """
    folder = loading.find_folder(name_or_path, data_root=data_root)
    if _is_prepared(version := _latest_version(folder)):
        return _read_prepared(version)
    entries = read_folder(folder, dataset=DATASETS.get(folder.name))
    return tuple(entry for entry in entries if isinstance(entry, Record))


def read_pairs(
    name_or_path: str | Path, *, data_root: str | Path | None = None, split: str | None = None
) -> PairSet:
    """Read the records and the fixed pairs of a split of a data set, by default "test"."""
    from convcorr_jax.datasets import compact

    split = split or "test"
    folder = loading.find_folder(name_or_path, data_root=data_root)
    dataset = DATASETS.get(folder.name)
    is_release = dataset is not None and dataset.is_release(folder)
    if compact.has_pairs(folder) and not is_release:
        return compact.read_pairs(folder, split=split)
    if dataset is None or dataset.read_pairs is None:
        with_pairs = [entry.name for entry in DATASETS.values() if entry.read_pairs is not None]
        raise InputError(
            f"{folder} has no fixed pairs; a compact copy of PF-WILLOW, or an official release in a "
            f"folder named as one of {', '.join(with_pairs)} is expected"
        )
    return dataset.read_pairs(folder, split=split)


def _is_prepared(folder: Path) -> bool:
    return (folder / "dataset_info.json").is_file()


def _read_prepared(folder: Path) -> Sequence[Record]:
    # TFDS is an extra, and takes a second to import.
    from convcorr_jax.datasets import prepared

    if prepared.is_prepared(folder):
        return prepared.read_prepared(folder)
    return tuple(prepared.read_foreign(folder))


def _latest_version(folder: Path) -> Path:
    """Return the folder of the latest prepared version in a folder; the folder itself if there is none."""
    versions = [path for path in folder.glob("*.*.*") if _VERSION.fullmatch(path.name) and _is_prepared(path)]
    return max(versions, key=lambda path: [int(part) for part in path.name.split(".")], default=folder)
