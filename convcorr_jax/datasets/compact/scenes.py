"""Street scenes of CamVid, photographs of ImageNet and objects of PF-WILLOW, from compact folders.

CamVid has eleven classes and one record for each frame. The folder holds ``meta.json`` (``classes``,
``ignore_index``, and ``splits``, which lists the file stems of every split), ``images/<stem>.jpg`` and
``masks/<stem>.png``, whose pixels hold the index of their class from 0. Records count classes from 1, since 0
is background and CamVid has none; unlabelled pixels are 255.

Source: Brostow, Fauqueur, Cipolla, "Semantic object classes in video", PRL 2009; the classes and the split are
those of Badrinarayanan, Kendall, Cipolla, "SegNet", PAMI 2017.

ImageNet photographs have no keypoints. Their category is the WordNet id, such as "n01440764". There are two
layouts:

- *Sample*: a folder ``images`` with files named ``<wnid>_<name>.jpg``. The split is "sample".
- *Archive*: ``images.zip`` with members ``<wnid>/<name>.jpg``. Of each class the first nine tenths of the
  members, by name, are of the split "train", and the others of "test".

Source: Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV 2015.

PF-WILLOW has 70 photographs, ten keypoints each, and the 900 official pairs. The folder holds
``annotations.json`` and the images. ``images`` lists the 70 distinct photographs of the release's 100 files
(id, file, category, source, width, height, keypoints, visible, bbox); ``pairs`` lists the ordered pairs
``[subset, source id, target id]``; ``keypoint_names_inferred`` maps a category to the names of its keypoints
(the release itself has only part_A ... part_J); ``left_right_swap`` maps a category to the index of every
keypoint's mirror image, or to null. Coordinates are 0-based. The box is the official one, the extent of the ten
keypoints, and the metric's length its longer side. "Left" is the viewer's. Only the wine bottle has left and
right keypoints, since all other objects were mirrored to face right.

Source: Ham, Cho, Schmid, Ponce, "Proposal Flow", CVPR 2016.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from convcorr_jax import coords
from convcorr_jax.datasets import loading
from convcorr_jax.datasets.official import pf_willow
from convcorr_jax.datasets.records import IGNORED_LABEL, Pair, PairSet, Record, own_lengths
from convcorr_jax.errors import InputError
from convcorr_jax.io import check_file, encoded_image_size, image_size, json_array, json_file, read_labels
from convcorr_jax.io.arrays import read_member
from convcorr_jax.metrics import PF_WILLOW

CAMVID_FILE = "meta.json"


def read_camvid(folder: Path) -> Iterator[Record]:
    """Yield the frames of all splits, in the order of ``meta.json``."""
    with json_file(folder / CAMVID_FILE, "CamVid meta data") as meta:
        classes = tuple(str(name) for name in meta["classes"])
        ignored = int(meta["ignore_index"])
        stems = [(str(split), str(stem)) for split in meta["splits"] for stem in meta["splits"][split]]
    if len(classes) >= IGNORED_LABEL:
        raise InputError(
            f"{folder / CAMVID_FILE} has {len(classes)} classes; below {IGNORED_LABEL} are expected"
        )
    # By a pixel of a mask, its label in a record.
    table = np.where(np.arange(256) < len(classes), np.arange(256) + 1, -1)
    table[np.arange(256) == ignored] = IGNORED_LABEL
    for split, stem in stems:
        image = loading.member_file(folder, f"images/{stem}.jpg")
        label_map = table[read_labels(loading.member_file(folder, f"masks/{stem}.png"))]
        if (label_map < 0).any():
            raise InputError(f"{folder / 'masks' / stem}.png has pixels of none of {len(classes)} classes")
        yield Record(
            image=image,
            size=image_size(image),
            category="street",
            source_id=stem,
            split=split,
            label_map=label_map.astype(np.uint8),
            label_names=classes,
        )


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
    """Yield the photographs of a sample, in the order of their names."""
    for path in sorted((folder / "images").iterdir()):
        match = _FILE.fullmatch(path.name)
        if match is None:
            raise InputError(f"{path} is not named <wnid>_<name>.jpg")
        yield Record(image=path, size=image_size(path), category=match[1], source_id=path.stem, split="sample")


def read_archive(folder: Path) -> Iterator[Record]:
    """Yield the photographs of an archive, as encoded bytes, class by class."""
    path = folder / ARCHIVE
    check_file(path, "zip")
    try:
        with zipfile.ZipFile(path) as archive:
            for split, member in _splits(path, archive.namelist()):
                encoded = read_member(archive, archive.getinfo(member), most=_MAX_BYTES)
                yield Record(
                    image=encoded,
                    size=encoded_image_size(encoded, name=f"{path}, member {member}"),
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


WILLOW_FILE = "annotations.json"


def read_pf_willow(folder: Path) -> tuple[Record, ...]:
    """Read the records of a folder, without its pairs."""
    return read_pairs(folder).records


def read_pairs(folder: Path, *, split: str = "test") -> PairSet:
    """Read the records and pairs of a folder; all are of the split "test", as the benchmark is."""
    pf_willow.check_split(split)
    path = folder / WILLOW_FILE
    with json_file(path, "PF-WILLOW annotation") as annotations:
        records = [_willow_record(folder, entry, annotations) for entry in annotations["images"]]
        position = {entry["id"]: index for index, entry in enumerate(annotations["images"])}
        pairs = [
            Pair(str(subset), position[source], position[target])
            for subset, source, target in annotations["pairs"]
        ]
    if len(position) != len(records):
        raise InputError(f"{path}: two images have the same id")
    return PairSet(tuple(records), tuple(pairs), (own_lengths(records, PF_WILLOW),))


def _willow_record(folder: Path, entry: Mapping[str, Any], annotations: Mapping[str, Any]) -> Record:
    category = str(entry["category"])
    points = json_array(entry["keypoints"], dtype=np.float64)
    swap = annotations["left_right_swap"][category] or ()
    box = coords.Box(*(float(edge) for edge in entry["bbox"]))
    return Record(
        image=loading.member_file(folder, str(entry["file"])),
        size=coords.Size(int(entry["height"]), int(entry["width"])),
        category=category,
        source_id=str(entry["source"]),
        split="test",
        names=tuple(str(name) for name in annotations["keypoint_names_inferred"][category]),
        points=points,
        visible=np.array(entry["visible"], dtype=bool),
        left_right_pairs=tuple(
            (index, int(mirrored)) for index, mirrored in enumerate(swap) if index < mirrored
        ),
        box=box,
        normalizer_px=box.longer_side,
    )
