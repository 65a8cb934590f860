"""The files by which TFDS knows a prepared folder: ``features.json`` and ``dataset_info.json``."""

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

DAMAGE = (
    *(OSError, EOFError, RuntimeError, AssertionError, ValueError, TypeError, LookupError),
    *(AttributeError, ImportError, json_format.Error, message.Error),
)
"""What TFDS raises on files that are cut short, changed, or something else altogether."""


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


def shard_paths(folder: Path, name: str, shards: Sequence[Shard]) -> dict[Shard, Path]:
    """Where TFDS expects the shards of a data set of this name."""
    counts = Counter(shard.split for shard in shards)
    return {
        shard: folder / f"{name}-{shard.split}.{FILE_FORMAT}-"
        f"{shard.index:05d}-of-{counts[shard.split]:05d}"
        for shard in shards
    }


def write(folder: Path, about: About, shards: Sequence[Shard]) -> None:
    """Describe the shards that lie in a folder.

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
    paths = shard_paths(folder, about.name, shards)
    splits = []
    for split, of_split in itertools.groupby(paths, key=lambda shard: shard.split):
        members = list(of_split)
        size = sum(paths[shard].stat().st_size for shard in members)
        splits.append(tfds.core.SplitInfo(split, [shard.count for shard in members], size))
    info.set_splits(tfds.core.splits.SplitDict(splits))
    info.write_to_directory(folder)


def read(folder: Path) -> tfds.core.DatasetInfo:
    """What `write` has written.

    The features are ours whatever ``features.json`` says: it names classes, which TFDS would import.

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


def is_there(folder: Path) -> bool:
    """Whether a folder has the files that `write` makes."""
    return all((folder / name).is_file() for name in ("dataset_info.json", "features.json"))
