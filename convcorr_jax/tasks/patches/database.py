"""Databases of patches on disk: memory-mapped features of a million patches, and their origins.

A database is a folder. For every layer it has ``<layer>.float16``, the features at unit length, row after
row, and ``<layer>.origins``, the `convcorr_jax.patches.Origins` of every row as five 32-bit integers; both are
little-endian and have no header. ``manifest.json`` holds the length of the rows, the settings of the build, the
ids of the photographs, and the checksum of every chunk of rows.

The features are `convcorr_jax.runtime.stages.RowFiles`: a build that was killed continues after the last chunk,
and reading compares every byte with the checksums, so that a database is complete or refused.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float16

from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import Record, fingerprint, load_image
from convcorr_jax.errors import InputError
from convcorr_jax.io import check_fields, make_folder, written_whole
from convcorr_jax.patches import Origins, Plan, patch_features, sample_origins
from convcorr_jax.runtime.stages import RowFiles, check_bytes, check_end

# The largest number of photographs that a killed build describes again; every chunk costs a sync of the disk.
PHOTOGRAPHS_PER_CHUNK = 10
_MANIFEST = "manifest.json"
_REBUILD = "rebuild it (--rebuild)"


class PatchDatabase(NamedTuple):
    """The patches of one layer."""

    features: Float16[np.ndarray, "n d"]
    """Features at unit length, a memory map of the file."""
    origins: Origins
    photographs: tuple[str, ...]
    """Ids of the photographs by the numbers that the origins use."""


def build_database(
    folder: Path,
    records: Sequence[Record],
    weights: Weights,
    *,
    plan: Plan,
    rebuild: bool = False,
    watch: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> None:
    """Build the patch database of a set of photographs, or the part of it that is missing.

    ``watch`` wraps the iteration over the numbers of missing chunks, for example with a progress bar.
    """
    settings = _settings(records, weights, plan)
    make_folder(folder)
    sizes = [record.size for record in records]
    origins = {
        layer: sample_origins(sizes, network=weights.network, layer=layer, plan=plan) for layer in plan.layers
    }
    path = folder / _MANIFEST
    if rebuild:
        path.unlink(missing_ok=True)
    files = _continued(path, settings) if path.exists() else _begun(path, records, settings, origins)
    count = -(-len(records) // PHOTOGRAPHS_PER_CHUNK)
    for chunk in watch(range(len(files.chunks), count)):
        numbers = range(len(records))[chunk * PHOTOGRAPHS_PER_CHUNK :][:PHOTOGRAPHS_PER_CHUNK]
        features = [
            patch_features(
                load_image(records[number]),
                {layer: patches.of_photograph(number) for layer, patches in origins.items()},
                weights,
                longest_px=plan.longest_px,
            )
            for number in numbers
        ]
        files.append({layer: np.concatenate([each[layer] for each in features]) for layer in origins})


def read_database(folder: Path, layer: str) -> PatchDatabase:
    """Read the database of a layer, after comparing all its bytes with their checksums."""
    files = _read_manifest(folder / _MANIFEST)
    if layer not in files.counts:
        raise InputError(f"{folder} has no patches of {layer}; it has those of {', '.join(files.counts)}")
    count = files.counts[layer]
    if files.rows(layer) < count:
        raise InputError(f"the patch database in {folder} is not finished; build it to go on")
    _check_origins(files, layer)
    origins = np.fromfile(folder / f"{layer}.origins", "<i4").reshape(5, count)
    return PatchDatabase(files.mapped(layer), Origins(*origins), tuple(files.facts["photographs"]))


def _settings(records: Sequence[Record], weights: Weights, plan: Plan) -> dict[str, Any]:
    """Return everything that decides the contents of a database, as JSON stores it."""
    if not records:
        raise InputError("a patch database needs at least one photograph")
    return {
        "network": weights.network.name,
        "weights": weights.fingerprint,
        "photographs": fingerprint(records),
        "layers": list(plan.layers),
        "longest_px": list(plan.longest_px),
        "patches": plan.patches,
        "seed": plan.seed,
    }


def _continued(path: Path, settings: Mapping[str, Any]) -> RowFiles:
    """Return the files of an earlier build, after checking its settings and all that it has written."""
    files = _read_manifest(path)
    if files.settings != settings:
        changed = [name for name in settings if files.settings.get(name) != settings[name]]
        raise InputError(
            f"{path.parent} holds a patch database made with other {', '.join(changed)}; "
            f"choose another folder, or {_REBUILD}"
        )
    for layer in files.counts:
        _check_origins(files, layer)
        files.check(layer)
    return files


def _begun(
    path: Path, records: Sequence[Record], settings: Mapping[str, Any], origins: Mapping[str, Origins]
) -> RowFiles:
    """Write all files of a database without chunks."""
    checksums = {}
    for layer, patches in origins.items():
        numbers = np.stack(patches).astype("<i4").tobytes()
        checksums[layer] = zlib.crc32(numbers)
        with written_whole(path.with_name(f"{layer}.origins")) as temporary:
            temporary.write_bytes(numbers)
    return RowFiles.begin(
        path,
        settings,
        counts={layer: len(patches.row) for layer, patches in origins.items()},
        remedy=_REBUILD,
        photographs=[record.source_id for record in records],
        origins_crc32=checksums,
    )


def _read_manifest(path: Path) -> RowFiles:
    files = RowFiles.read(path, kind="manifest of a patch database", remedy=_REBUILD)
    with files.naming_damage(path):
        check_fields(files.facts, {"photographs": tuple[str, ...], "origins_crc32": dict[str, int]}, name="it")
    return files


def _check_origins(files: RowFiles, layer: str) -> None:
    path = files.path.with_name(f"{layer}.origins")
    with files.naming_damage(path), path.open("rb") as stream:
        check_bytes(stream, 20 * files.counts[layer], files.facts["origins_crc32"][layer], what="origins")
        check_end(stream)
