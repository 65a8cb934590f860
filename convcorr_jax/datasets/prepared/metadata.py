"""The files that describe a prepared folder to TFDS: ``features.json`` and ``dataset_info.json``."""

import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import tensorflow_datasets as tfds
from google.protobuf import json_format, message
from tensorflow_datasets.core.dataset_info import DatasetIdentity, read_proto_from_builder_dir
from tensorflow_datasets.core.naming import is_valid_dataset_and_class_name

from convcorr_jax.datasets.prepared.features import FEATURES
from convcorr_jax.datasets.prepared.planning import Shard
from convcorr_jax.errors import InputError

FILE_FORMAT = "array_record"
"""The file format of all shards."""

DAMAGE = (
    *(OSError, EOFError, RuntimeError, AssertionError, ValueError, TypeError, LookupError),
    *(AttributeError, ImportError, json_format.Error, message.Error),
)
"""What TFDS raises for files that are cut short, changed, or of another kind."""


class Description(NamedTuple):
    """The description of a data set."""

    name: str
    """A letter, then letters, digits and underscores."""
    version: str
    """Three numbers with points between them."""
    text: str
    """A sentence or more."""
    homepage: str = ""
    """Address of the source."""
    citation: str = ""
    """The publication, as BibTeX or text."""


def check(description: Description) -> None:
    """Refuse a name or version that TFDS cannot read back.

    Raises:
        InputError: the name is not a letter followed by letters, digits and underscores, or the version is
            not three numbers.
    """
    name, version = description.name, description.version
    if not (is_valid_dataset_and_class_name(name) and name.isascii()):
        raise InputError(
            f"the data set's name {name!r} must be a letter, then letters, digits and underscores"
        )
    if not tfds.core.Version.is_valid(version):
        raise InputError(f'version {version!r} must be three numbers such as "1.0.0"')


def shard_paths(folder: Path, name: str, shards: Sequence[Shard]) -> dict[Shard, Path]:
    """Return the paths at which TFDS expects the shards of a data set.

    Args:
        folder: the prepared folder.
        name: the name of the data set.
        shards: all shards of all splits.
    """
    counts = Counter(shard.split for shard in shards)
    return {
        shard: folder / f"{name}-{shard.split}.{FILE_FORMAT}-"
        f"{shard.index:05d}-of-{counts[shard.split]:05d}"
        for shard in shards
    }


def write(folder: Path, description: Description, shards: Sequence[Shard]) -> None:
    """Write the files that describe a folder of shards.

    Args:
        folder: a folder that holds all shards.
        description: the description of the data set.
        shards: the shards, those of a split one after another.

    Raises:
        OSError: the folder cannot be written.
    """
    identity = DatasetIdentity(
        description.name, tfds.core.Version(description.version), str(folder), module_name=""
    )
    info = tfds.core.DatasetInfo(
        builder=identity,
        description=description.text,
        features=FEATURES,
        homepage=description.homepage,
        citation=description.citation,
        disable_shuffling=True,
    )
    info.set_file_format(FILE_FORMAT)
    paths = shard_paths(folder, description.name, shards)
    splits = []
    for split, of_split in itertools.groupby(paths, key=lambda shard: shard.split):
        members = list(of_split)
        size = sum(paths[shard].stat().st_size for shard in members)
        splits.append(tfds.core.SplitInfo(split, [shard.count for shard in members], size))
    info.set_splits(tfds.core.splits.SplitDict(splits))
    info.write_to_directory(folder)


def read(folder: Path) -> tfds.core.DatasetInfo:
    """Read the files that `write` has written.

    The features are always `FEATURES`: the classes that ``features.json`` names would be imported by TFDS.

    Raises:
        InputError: the description is damaged.
    """
    try:
        proto = read_proto_from_builder_dir(folder)
        identity = DatasetIdentity.from_proto(proto, str(folder))
        info = tfds.core.DatasetInfo(builder=identity, features=FEATURES)
        info.read_from_directory(folder)
    except DAMAGE as error:
        raise InputError(f"{folder / 'dataset_info.json'} is damaged: {error}") from error
    return info


def exists(folder: Path) -> bool:
    """Return whether a folder has the files that `write` writes."""
    return all((folder / name).is_file() for name in ("dataset_info.json", "features.json"))
