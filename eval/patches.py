"""The patch databases of the scripts for Figures 1 and 2 of Long et al. 2014, and what they search in them."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convcorr_jax import coords
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import opening, photographs
from convcorr_jax.datasets.records import Record
from convcorr_jax.patches import database
from convcorr_jax.patches.database import PatchDatabase, Plan
from convcorr_jax.runlog import progress

PHOTOGRAPHS = "photographs"
LAYERS = ("conv3", "conv4", "conv5")


class Patches(NamedTuple):
    """Photographs, and the database of each layer of their patches."""

    records: Sequence[Record]
    layers: dict[str, PatchDatabase]
    build_seconds: float
    """To make what was missing, and to check all of it."""

    @property
    def facts(self) -> dict[str, object]:
        """What a result says of them."""
        return {
            "photographs": len(self.records),
            "patches": {layer: len(one.features) for layer, one in self.layers.items()},
            "database_mb": {
                layer: round(one.features.nbytes / 1e6, 1) for layer, one in self.layers.items()
            },
            "build_seconds": round(self.build_seconds, 2),
        }


def patches_of(
    dataset: str,
    data_root: Path | None,
    weights: Weights,
    *,
    folder: Path,
    plan: Plan,
    rebuild: bool,
) -> Patches:
    """The databases of a data set's photographs, made now or by an earlier run.

    Raises:
        InputError: as `opening.read_records`, `database.build` and `database.read`.
    """
    records = _records(dataset, data_root)
    began = time.perf_counter()
    database.build(
        folder,
        records,
        weights,
        plan=plan,
        rebuild=rebuild,
        watch=lambda chunks: progress(chunks, what="patches", total=len(chunks)),
    )
    layers = {layer: database.read(folder, layer) for layer in plan.layers}
    return Patches(records, layers, time.perf_counter() - began)


def _records(dataset: str, data_root: Path | None) -> Sequence[Record]:
    if dataset != PHOTOGRAPHS:
        return opening.read_records(dataset, data_root)
    return tuple(
        Record(
            image=np.asarray(one.image),
            size=coords.Size(*one.image.shape[:2]),
            category=PHOTOGRAPHS,
            source_id=one.name,
            split=PHOTOGRAPHS,
        )
        for one in photographs.photographs()
    )


def database_folder(dataset: str) -> Path:
    """Where the patch database of a data set lies, unless it is said."""
    return Path("runs/patch_database") / Path(dataset).name
