"""CamVid's street scenes with eleven classes, from a compact folder: one record for each frame.

The folder holds ``meta.json`` (``classes``, ``ignore_index``, and ``splits``, which lists the file stems of
every split), ``images/<stem>.jpg`` and ``masks/<stem>.png``, whose pixels hold the index of their class from 0.
Records count classes from 1, since 0 is background and CamVid has none; unlabelled pixels are 255.

Source: Brostow, Fauqueur, Cipolla, "Semantic object classes in video", PRL 2009; the classes and the split are
those of Badrinarayanan, Kendall, Cipolla, "SegNet", PAMI 2017.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from convcorr_jax.datasets import roots
from convcorr_jax.datasets.records import IGNORED_LABEL, Record
from convcorr_jax.errors import InputError
from convcorr_jax.io import image_size, json_file, read_labels

FILE = "meta.json"


def read(folder: Path) -> Iterator[Record]:
    """Yield the frames of all splits, in the order of ``meta.json``.

    Raises:
        InputError: ``meta.json`` is missing, damaged or of another layout; an image or a mask is missing,
            damaged, or named by a path that leads out of the folder; a pixel is of no class; or there are over
            254 classes.
    """
    with json_file(folder / FILE, "CamVid meta data") as meta:
        classes = tuple(str(name) for name in meta["classes"])
        ignored = int(meta["ignore_index"])
        stems = [
            (str(split), str(stem)) for split in meta["splits"] for stem in meta["splits"][split]
        ]
    if len(classes) >= IGNORED_LABEL:
        raise InputError(
            f"{folder / FILE} has {len(classes)} classes; below {IGNORED_LABEL} are expected"
        )
    # By a pixel of a mask, its label in a record.
    table = np.where(np.arange(256) < len(classes), np.arange(256) + 1, -1)
    table[np.arange(256) == ignored] = IGNORED_LABEL
    for split, stem in stems:
        image = roots.member_file(folder, f"images/{stem}.jpg")
        label_map = table[read_labels(roots.member_file(folder, f"masks/{stem}.png"))]
        if (label_map < 0).any():
            raise InputError(
                f"{folder / 'masks' / stem}.png has pixels of none of {len(classes)} classes"
            )
        yield Record(
            image=image,
            size=image_size(image),
            category="street",
            source_id=stem,
            split=split,
            label_map=label_map.astype(np.uint8),
            label_names=classes,
        )
