"""The patch databases that scripts search: their options, and how to open them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import Record, load_image
from convcorr_jax.patches.sampling import Plan
from convcorr_jax.runtime.progress import progress
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.patches.database import PatchDatabase, build_database, read_database
from convcorr_jax.tasks.reading import PHOTOGRAPHS, read


@dataclass(frozen=True)
class PatchData:
    """Which patch database to search, and what it consists of."""

    dataset: str = PHOTOGRAPHS
    """``photographs``, or the name or path of a data set's folder."""
    data_root: Path | None = None
    """Folder of data sets; by default $CONVCORR_DATA, or else the user's data folder."""
    layers: tuple[str, ...] = Plan.layers
    """Layers of the network."""
    longest_px: tuple[int, ...] = Plan.longest_px
    """Longer sides at which every photograph is described, plain and mirrored."""
    patches: int = Plan.patches
    """Patches of every layer; all there are, if they are fewer."""
    database: Path | None = None
    """The patch database's folder; by default one named after the data set in runs/patch_database."""
    rebuild: bool = False
    """Build the database again."""
    seed: int = 0
    """Seed of all random choices."""


class Patches(NamedTuple):
    """Photographs and the databases of their patches."""

    records: Sequence[Record]
    """The photographs."""
    layers: dict[str, PatchDatabase]
    """The database of each layer."""
    build_seconds: float
    """The time it took to build what was missing and to check everything."""

    @property
    def facts(self) -> dict[str, Any]:
        """The description of the databases in a script's result."""
        return {
            "photographs": len(self.records),
            "patches": {layer: len(stored.features) for layer, stored in self.layers.items()},
            "database_mb": {
                layer: round(stored.features.nbytes / 1e6, 1)
                for layer, stored in self.layers.items()
            },
            "build_seconds": round(self.build_seconds, 2),
        }

    def photograph(self, number: int) -> Image:
        """Load a photograph.

        Args:
            number: the photograph's number, as origins use it.
        """
        return load_image(self.records[number])


def open_patches(options: PatchData, weights: Weights) -> Patches:
    """Open the databases of a data set's photographs, after building what is missing.

    Args:
        options: the data set, the folder and the choice of patches.
        weights: a network's weights.

    Raises:
        InputError: the data set does not exist or is damaged; there is no photograph; a layer or size is not
            possible; the folder holds a database with other settings or a damaged one, or cannot be written.
    """
    records = read(options.dataset, data_root=options.data_root)
    folder = options.database or Path("runs/patch_database") / Path(options.dataset).name
    started = time.perf_counter()
    build_database(
        folder,
        records,
        weights,
        plan=Plan(options.layers, options.longest_px, options.patches, options.seed),
        rebuild=options.rebuild,
        watch=lambda chunks: progress(chunks, description="patches"),
    )
    layers = {layer: read_database(folder, layer) for layer in options.layers}
    return Patches(records, layers, time.perf_counter() - started)
