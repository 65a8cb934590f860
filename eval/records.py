"""The records that ``--dataset`` names: rendered here, or read from a prepared folder."""

import zipfile
from pathlib import Path

import numpy as np

from convcorr_jax.datasets import face_landmarks, lspet, pf_willow, roots, synthetic
from convcorr_jax.datasets.records import PairSet, Record
from convcorr_jax.errors import InputError

RENDERED = "rendered"


def read_records(dataset: str, data_root: Path | None) -> tuple[Record, ...]:
    """The annotated objects of a prepared folder, found by name or by path.

    Its layout is told by its annotation file: 68-point faces or 14-joint people.

    Raises:
        InputError: the folder is not there, or its layout is not known.
    """
    folder = roots.find(dataset, data_root)
    annotations = folder / "annotations.npz"
    if not annotations.is_file():
        raise InputError(f"{folder} has no annotations.npz, so it is no folder of faces or people")
    try:
        with annotations.open("rb") as stream, np.load(stream) as arrays:
            keys = set(arrays.files)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{annotations} is damaged: {error}") from error
    if "landmarks" in keys:
        return face_landmarks.read(folder)
    if "joints" in keys:
        return lspet.read(folder)
    raise InputError(f"{annotations} holds neither 'landmarks' nor 'joints'")


def read_pairs(dataset: str, data_root: Path | None) -> PairSet:
    """The records and fixed pairs of a folder laid out as PF-WILLOW, found by name or by path."""
    return pf_willow.read(roots.find(dataset, data_root))


def rendered_records(*, train: int, test: int, seed: int = 0) -> tuple[Record, ...]:
    """So many training and test instances of every rendered category."""
    counts = {"train": train, "test": test}
    return tuple(
        record
        for category in synthetic.CATEGORIES
        for split, count in counts.items()
        for record in synthetic.instances(category, split=split, count=count, seed=seed)
    )
