"""The files by which TFDS knows a prepared folder: ``features.json`` and ``dataset_info.json``."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import tensorflow_datasets as tfds
from tensorflow_datasets.core.dataset_info import DatasetIdentity
from tensorflow_datasets.core.naming import is_valid_dataset_and_class_name

from convcorr_jax.datasets.prepared import planning
from convcorr_jax.datasets.prepared.features import FEATURES
from convcorr_jax.datasets.prepared.planning import Shard
from convcorr_jax.errors import InputError

FILE_FORMAT = "array_record"


class About(NamedTuple):
    """What a data set says of itself."""

    name: str
    version: str
    description: str
    homepage: str = ""
    citation: str = ""


def check(about: About) -> None:
    """Refuse a name or version that TFDS would not read back.

    Raises:
        InputError: as said.
    """
    if not (is_valid_dataset_and_class_name(about.name) and about.name.isascii()):
        raise InputError(
            f"the data set's name {about.name!r} must be a letter, then letters, digits and underscores"
        )
    if not tfds.core.Version.is_valid(about.version):
        raise InputError(f'version {about.version!r} must be three numbers such as "1.0.0"')


def shard_path(folder: Path, name: str, shard: Shard, counts: Mapping[str, int]) -> Path:
    """Where TFDS expects a shard of a data set of this name and these records a split."""
    of_split = planning.shards_of({shard.split: counts[shard.split]})
    place = f"{shard.index:05d}-of-{len(of_split):05d}"
    return folder / f"{name}-{shard.split}.{FILE_FORMAT}-{place}"


def write(folder: Path, about: About, counts: Mapping[str, int]) -> None:
    """Describe the whole shards that lie in a folder.

    Raises:
        OSError: the folder cannot be written.
    """
    identity = DatasetIdentity(
        about.name, tfds.core.Version(about.version), str(folder), module_name=""
    )
    info = tfds.core.DatasetInfo(
        builder=identity,
        description=about.description,
        features=FEATURES,
        homepage=about.homepage,
        citation=about.citation,
        disable_shuffling=True,
    )
    info.set_file_format(FILE_FORMAT)
    splits = []
    for split, count in counts.items():
        shards = planning.shards_of({split: count})
        size = sum(shard_path(folder, about.name, each, counts).stat().st_size for each in shards)
        splits.append(tfds.core.SplitInfo(split, [each.count for each in shards], size))
    info.set_splits(tfds.core.splits.SplitDict(splits))
    info.write_to_directory(folder)


def is_there(folder: Path) -> bool:
    """Whether a folder has the files that `write` makes."""
    return all((folder / name).is_file() for name in ("dataset_info.json", "features.json"))
