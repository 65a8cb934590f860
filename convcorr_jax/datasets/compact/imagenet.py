"""ImageNet photographs by class, from compact folders in one of two layouts: no keypoints.

- *Sample*: a folder ``images`` with files named ``<wnid>_<name>.jpg``. The split is "sample".
- *Archive*: ``images.zip`` with members ``<wnid>/<name>.jpg``. Of each class the first nine tenths of the
  members, by name, are of the split "train", and the others of "test".

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
from convcorr_jax.io.zip_members import read_member

ARCHIVE = "images.zip"
# The share of a class's members that are of the split "train".
_TRAIN_FRACTION = 0.9
# The largest photograph of ImageNet takes a quarter of it.
_MAX_BYTES = 2**26
_FILE = re.compile(r"(n\d{8})_.+\.jpe?g", re.IGNORECASE)
_MEMBER = re.compile(r"(n\d{8})/[^/\\]+\.jpe?g", re.IGNORECASE)


def is_sample(folder: Path) -> bool:
    """Return whether a folder has the layout of a sample."""
    images = folder / "images"
    return images.is_dir() and any(_FILE.fullmatch(path.name) for path in images.iterdir())


def is_archive(folder: Path) -> bool:
    """Return whether a folder has the layout of an archive."""
    return (folder / ARCHIVE).is_file()


def read_sample(folder: Path) -> Iterator[Record]:
    """Yield the photographs of a sample, in the order of their names.

    Raises:
        InputError: a file is not named ``<wnid>_<name>.jpg``, or is not an image.
    """
    for path in sorted((folder / "images").iterdir()):
        match = _FILE.fullmatch(path.name)
        if match is None:
            raise InputError(f"{path} is not named <wnid>_<name>.jpg")
        yield Record(
            image=path,
            size=image_size(path),
            category=match[1],
            source_id=path.stem,
            split="sample",
        )


def read_archive(folder: Path) -> Iterator[Record]:
    """Yield the photographs of an archive, as encoded bytes, class by class.

    Raises:
        InputError: the archive is damaged; a member is not named ``<wnid>/<name>.jpg``, or is not an image.
    """
    path = folder / ARCHIVE
    check_file(path, "zip")
    try:
        with zipfile.ZipFile(path) as archive:
            for split, member in _splits(path, archive.namelist()):
                encoded = read_member(archive, archive.getinfo(member), most=_MAX_BYTES)
                name = f"{path}, member {member}"
                yield Record(
                    image=encoded,
                    size=encoded_image_size(encoded, name=name),
                    category=member.split("/")[0],
                    source_id=member,
                    split=split,
                )
    except InputError:
        raise
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError) as error:
        raise InputError(f"{path} is damaged or not a zip archive: {error}") from error


def _splits(path: Path, members: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the split and the name of every member, class by class."""
    by_class: dict[str, list[str]] = {}
    for member in members:
        match = _MEMBER.fullmatch(member)
        if match is None:
            raise InputError(f"{path}: member {member!r} is not named <wnid>/<name>.jpg")
        by_class.setdefault(match[1], []).append(member)
    for wnid in sorted(by_class):
        of_class = sorted(by_class[wnid])
        train = round(_TRAIN_FRACTION * len(of_class))
        yield from (("train" if k < train else "test", name) for k, name in enumerate(of_class))
