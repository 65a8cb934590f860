"""The patch databases of the scripts for Figures 1 and 2 of Long et al. 2014, and what they search in them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convcorr_jax import coords
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import opening, photographs
from convcorr_jax.datasets.records import Record
from convcorr_jax.patches import database
from convcorr_jax.patches.database import PatchDatabase, Plan
from convcorr_jax.runtime.progress import progress

PHOTOGRAPHS = "photographs"
LAYERS = ("conv3", "conv4", "conv5")


@dataclass(frozen=True)
class DatabaseConfig:
    """Options of the scripts that search a patch database: which, and what it is made of."""

    dataset: str = PHOTOGRAPHS
    """``photographs``, or the name or path of a data set's folder."""
    network: str = "alexnet"
    weights: Path | None = None
    """File of weights; by default those that are installed or fetched."""
    layers: tuple[str, ...] = LAYERS
    longest_px: tuple[int, ...] = Plan.longest_px
    """Longer sides at which the database sees every photograph, plain and mirrored."""
    patches: int = Plan.patches
    """Of every layer; all there are, if they are fewer."""
    database: Path | None = None
    """The patch database's folder; by default one named after the data set in runs/patch_database."""
    rebuild: bool = False
    """Make the database anew."""
    seed: int = 0
    data_root: Path | None = None
    """Folder of prepared data sets; by default the environment's CONVCORR_DATA."""


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


def patches_of(config: DatabaseConfig, weights: Weights) -> Patches:
    """The databases of a data set's photographs, made now or by an earlier run.

    Raises:
        InputError: as `opening.read_records`, `database.build` and `database.read`.
    """
    records = _records(config.dataset, config.data_root)
    folder = config.database or _database_folder(config.dataset)
    began = time.perf_counter()
    database.build(
        folder,
        records,
        weights,
        plan=Plan(config.layers, config.longest_px, config.patches, config.seed),
        rebuild=config.rebuild,
        watch=lambda chunks: progress(chunks, description="patches", total=len(chunks)),
    )
    layers = {layer: database.read(folder, layer) for layer in config.layers}
    return Patches(records, layers, time.perf_counter() - began)


def _records(dataset: str, data_root: Path | None) -> Sequence[Record]:
    if dataset != PHOTOGRAPHS:
        return opening.read_records(dataset, data_root=data_root)
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


def _database_folder(dataset: str) -> Path:
    """Where the patch database of a data set lies, unless it is said."""
    return Path("runs/patch_database") / Path(dataset).name
