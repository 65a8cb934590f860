"""ImageNet's 50000 photographs for validation (ILSVRC 2012), one class each, no keypoints.

The folder has one of three layouts. The first that matches is read:

1. *Class folders*: ``<wnid>/<name>.JPEG``, or the same in a folder ``val``. The category is the WordNet id,
   such as "n01440764".
2. *Development kit*: ``ILSVRC2012_validation_ground_truth.txt``, whose k-th line is the class of
   ``ILSVRC2012_val_<k in eight digits>.JPEG``, from 1 to 1000 in the kit's own order, which is not that of the
   WordNet ids; the order is read from ``meta.mat`` in the same folder. Both files are in the folder itself, in
   ``data``, or in ``ILSVRC2012_devkit_t12/data``. The category is the WordNet id.
3. *List*: ``val.txt``, ``val_list.txt`` or ``val_map.txt``, each line of which has the name of an image, with
   or without ``val/`` before it, and a label. The category is the label as text, such as "65": common lists
   count from 0 in the order of the WordNet ids, but do not state it.

In layouts 2 and 3 the images are in the folder itself, in ``val`` or in ``ILSVRC2012_img_val``.

Source: Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV 2015.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from convcorr_jax.datasets.formats import mat, text
from convcorr_jax.datasets.records import Absent, Record
from convcorr_jax.errors import InputError
from convcorr_jax.io import image_size

GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
LISTS = ("val.txt", "val_list.txt", "val_map.txt")

_KITS = (".", "data", "ILSVRC2012_devkit_t12/data")
_FOLDERS = (".", "val", "ILSVRC2012_img_val")
_WNID = re.compile(r"n\d{8}", re.ASCII)
_ENDINGS = (".jpeg", ".jpg")


def read(source: Path) -> Iterator[Record | Absent]:
    """Yield the photographs by class folder and name, or in the order of the list."""
    for folder in (source, source / "val"):
        if classes := sorted(
            path for path in folder.glob("n*") if _WNID.fullmatch(path.name) and path.is_dir()
        ):
            return _of_classes(classes)
    folders = [source / name for name in _FOLDERS]
    for kit in (source / name for name in _KITS):
        if (kit / GROUND_TRUTH).is_file():
            return _of_list(folders, read_ground_truth(kit))
    for path in (source / name for name in LISTS):
        if path.is_file():
            return _of_list(folders, read_list(path))
    raise InputError(
        f"{source} holds no ImageNet validation set; class folders such as n01440764, {GROUND_TRUTH} "
        f"with meta.mat, or a list {LISTS[0]} are expected there"
    )


def read_ground_truth(kit: Path) -> dict[str, str]:
    """Return the WordNet id of every photograph by its file name, from the kit's folder ``data``."""
    wnids = read_synsets(kit / "meta.mat")
    path = kit / GROUND_TRUTH
    labels: dict[str, str] = {}
    for number, line in enumerate(filter(None, text.lines(path, kind="ground-truth")), start=1):
        if line not in wnids:
            raise InputError(f"{path}: {line[:40]!r} is not the number of a class in meta.mat")
        labels[f"ILSVRC2012_val_{number:08d}.JPEG"] = wnids[line]
    return labels


def read_synsets(path: Path) -> dict[str, str]:
    """Return the WordNet id of every class and group of classes in ``meta.mat``, by its number as text."""
    wnids: dict[str, str] = {}
    for synset in mat.read(path).structs("synsets"):
        number, wnid = f"{synset.number('ILSVRC2012_ID'):.0f}", synset.text("WNID")
        if number in wnids or not _WNID.fullmatch(wnid):
            raise InputError(f"{path}: number {number} comes twice or is {wnid[:40]!r}, no WordNet id")
        wnids[number] = wnid
    return wnids


def read_list(path: Path) -> dict[str, str]:
    """Return the label of every photograph of a list by its file name."""
    labels: dict[str, str] = {}
    for line in filter(None, text.lines(path, kind="list of photographs")):
        fields = line.split()
        if len(fields) != 2:
            raise InputError(f"{path}: {line[:80]!r} is not a photograph's name and a label")
        name = text.check_name(fields[0].removeprefix("val/"), named_in=path)
        if name in labels:
            raise InputError(f"{path} lists {name} twice")
        labels[name] = fields[1]
    return labels


def _of_classes(classes: list[Path]) -> Iterator[Record | Absent]:
    seen: set[str] = set()
    for folder in classes:
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() not in _ENDINGS or path.name.startswith("."):
                continue
            if path.stem in seen:
                raise InputError(f"{path}: there is another photograph {path.stem}")
            seen.add(path.stem)
            yield _record(path, folder.name)


def _of_list(folders: list[Path], labels: dict[str, str]) -> Iterator[Record | Absent]:
    for name, label in labels.items():
        path = next(filter(Path.is_file, (folder / name for folder in folders)), None)
        if path is None:
            yield Absent(Path(name).stem, f"{name} is in none of the folders")
        else:
            yield _record(path, label)


def _record(path: Path, category: str) -> Record | Absent:
    try:
        return Record(image=path, size=image_size(path), category=category, source_id=path.stem, split="val")
    except InputError as error:
        return Absent(path.stem, str(error))
