"""ImageNet photographs by class, from two compact layouts: one record an image, no keypoints.

- *Sample*: a folder ``images`` with files named ``<wnid>_<name>.jpg``; its split is "sample".
- *Archive*: ``images.zip`` with members ``<wnid>/<name>.jpg``; of each class the first nine tenths of
  the names, in order, are "train" and the rest is "test".

The category is the WordNet id, such as "n01440764".

Source: Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV 2015.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from convcorr_jax.datasets.records import Record
from convcorr_jax.errors import InputError
from convcorr_jax.io import check_file, encoded_image_size, image_size

TRAIN_SHARE = 0.9
_FILE = re.compile(r"(n\d{8})_.+\.jpe?g", re.IGNORECASE)
_MEMBER = re.compile(r"(n\d{8})/[^/\\]+\.jpe?g", re.IGNORECASE)


def is_sample(folder: Path) -> bool:
    """Whether a folder has the layout of a sample."""
    images = folder / "images"
    return images.is_dir() and any(_FILE.fullmatch(path.name) for path in images.iterdir())


def is_archive(folder: Path) -> bool:
    """Whether a folder has the layout of an archive."""
    return (folder / "images.zip").is_file()


def read_sample(folder: Path) -> Iterator[Record]:
    """The photographs of a sample, in the order of their names.

    Raises:
        InputError: a file is not named as said, or is no image.
    """
    for path in sorted((folder / "images").iterdir()):
        named = _FILE.fullmatch(path.name)
        if named is None:
            raise InputError(f"{path} is not named <wnid>_<name>.jpg")
        yield Record(
            image=path,
            size=image_size(path),
            category=named[1],
            source_id=path.stem,
            split="sample",
        )


def read_archive(folder: Path) -> Iterator[Record]:
    """The photographs of an archive, as encoded bytes, class by class.

    Raises:
        InputError: the archive is damaged, or a member is not named as said or is no image.
    """
    path = folder / "images.zip"
    check_file(path, "zip")
    try:
        with zipfile.ZipFile(path) as archive:
            for split, member in _splits(path, archive.namelist()):
                encoded = archive.read(member)
                name = f"{path}, member {member}"
                yield Record(
                    image=encoded,
                    size=encoded_image_size(encoded, name=name),
                    category=member.split("/")[0],
                    source_id=member,
                    split=split,
                )
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError) as error:
        raise InputError(f"{path} is damaged, or no zip archive: {error}") from error


def _splits(path: Path, members: list[str]) -> Iterator[tuple[str, str]]:
    by_class: dict[str, list[str]] = {}
    for member in members:
        named = _MEMBER.fullmatch(member)
        if named is None:
            raise InputError(f"{path}: member {member!r} is not named <wnid>/<name>.jpg")
        by_class.setdefault(named[1], []).append(member)
    for wnid in sorted(by_class):
        of_class = sorted(by_class[wnid])
        train = round(TRAIN_SHARE * len(of_class))
        yield from (("train" if k < train else "test", one) for k, one in enumerate(of_class))
