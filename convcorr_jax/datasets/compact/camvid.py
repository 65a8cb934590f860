"""CamVid's street scenes with eleven classes, from a compact folder: one record a frame.

The folder holds ``meta.json`` (``classes``, ``ignore_index`` and ``splits``, stems by split),
``images/<stem>.jpg`` and ``masks/<stem>.png`` with the class's index from 0. In the records every
index is one more, since 0 is background there and CamVid has none; unlabelled pixels stay 255.

Source: Brostow, Fauqueur, Cipolla, "Semantic object classes in video", PRL 2009; the classes and the
split are those of Badrinarayanan, Kendall, Cipolla, "SegNet", PAMI 2017.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from convcorr_jax.datasets import roots
from convcorr_jax.datasets.records import IGNORED_LABEL, Record
from convcorr_jax.io import image_size, json_file, read_labels


def read(folder: Path) -> Iterator[Record]:
    """The frames of all splits, in the order of ``meta.json``.

    Raises:
        InputError: ``meta.json`` is missing, cut short or of another layout, or an image or a mask is
            missing, named by a path that leads out of the folder, or damaged.
    """
    path = folder / "meta.json"
    with json_file(path, "CamVid meta data") as meta:
        classes = tuple(str(name) for name in meta["classes"])
        ignored = int(meta["ignore_index"])
        stems = [
            (str(split), str(stem)) for split in meta["splits"] for stem in meta["splits"][split]
        ]
    for split, stem in stems:
        image = roots.member(folder, f"images/{stem}.jpg")
        mask = read_labels(roots.member(folder, f"masks/{stem}.png"))
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
