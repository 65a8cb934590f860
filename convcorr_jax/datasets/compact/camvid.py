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
from convcorr_jax.io import image_size, json_file, read_labels

FILE = "meta.json"


def read(folder: Path) -> Iterator[Record]:
    """Yield the frames of all splits, in the order of ``meta.json``.

    Raises:
        InputError: ``meta.json`` is missing, damaged or of another layout; an image or a mask is missing,
            damaged, or named by a path that leads out of the folder.
    """
    with json_file(folder / FILE, "CamVid meta data") as meta:
        classes = tuple(str(name) for name in meta["classes"])
        ignored = int(meta["ignore_index"])
        stems = [
            (str(split), str(stem)) for split in meta["splits"] for stem in meta["splits"][split]
        ]
    for split, stem in stems:
        image = roots.member_file(folder, f"images/{stem}.jpg")
        mask = read_labels(roots.member_file(folder, f"masks/{stem}.png"))
        label_map = np.where(mask == ignored, IGNORED_LABEL, mask + 1).astype(np.uint8)
        yield Record(
            image=image,
            size=image_size(image),
            category="street",
            source_id=stem,
            split=split,
            label_map=label_map,
            label_names=classes,
        )
