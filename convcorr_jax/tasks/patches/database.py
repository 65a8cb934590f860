"""Databases of patches on disk: memory-mapped features of a million patches, and their origins.

A database is a folder. For every layer it has ``<layer>.float16``, the features at unit length, row after
row, and ``<layer>.origins``, the `convcorr_jax.patches.Origins` of every row as five 32-bit integers; both are
little-endian and have no header. ``manifest.json`` holds the length of the rows, the settings of the build, the
ids of the photographs, and the checksum of every chunk of rows.

A chunk is written before it is entered in the manifest. A build that was killed continues after the last chunk
of the manifest, and reading compares every byte with the checksums, so that a database is complete or refused.
"""

import contextlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float16

from convcorr_jax.backbone import Network
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import Record, fingerprint, load_image
from convcorr_jax.errors import InputError
from convcorr_jax.io import check_file, make_folder, write_at, write_json, written_whole
from convcorr_jax.patches import Origins, Plan, column_length, patch_features, sample_origins

# The largest number of photographs that a killed build describes again; every chunk costs a sync of the disk.
PHOTOGRAPHS_PER_CHUNK = 10
_MANIFEST = "manifest.json"
_REBUILD = "rebuild it (--rebuild)"
_BYTES_AT_ONCE = 2**24


class PatchDatabase(NamedTuple):
    """The patches of one layer."""

    features: Float16[np.ndarray, "n d"]
    """Features at unit length, a memory map of the file."""
    origins: Origins
    photographs: tuple[str, ...]
    """Ids of the photographs by the numbers that the origins use."""


class _Manifest(NamedTuple):
    settings: Mapping[str, Any]
    photographs: Sequence[str]
    lengths: Mapping[str, int]
    """The length of a row, by layer."""
    counts: Mapping[str, int]
    """The number of rows, by layer."""
    origins_crc32: Mapping[str, int]
    chunks: list[dict[str, list[int]]]
    """The number of rows and the checksum of each written chunk, by layer."""

    def rows(self, layer: str) -> int:
        """Return the number of rows that are written."""
        return sum(chunk[layer][0] for chunk in self.chunks)


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
    if path.exists():
        manifest = _continued(folder, settings)
    else:
        manifest = _begun(folder, records, weights.network, settings, origins)
    count = -(-len(records) // PHOTOGRAPHS_PER_CHUNK)
    for chunk in watch(range(len(manifest.chunks), count)):
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
        manifest.chunks.append(_write_chunk(folder, features, manifest))
        write_json(path, manifest._asdict())


def _write_chunk(
    folder: Path, features: Sequence[Mapping[str, np.ndarray]], manifest: _Manifest
) -> dict[str, list[int]]:
    """Write the features of a chunk's photographs behind the earlier chunks, and return its manifest entry."""
    entry = {}
    for layer in manifest.lengths:
        content = np.concatenate([of_photograph[layer] for of_photograph in features]).tobytes()
        row_bytes = 2 * manifest.lengths[layer]
        write_at(folder / f"{layer}.float16", manifest.rows(layer) * row_bytes, content)
        entry[layer] = [len(content) // row_bytes, zlib.crc32(content)]
    return entry


def read_database(folder: Path, layer: str) -> PatchDatabase:
    """Read the database of a layer, after comparing all its bytes with their checksums."""
    manifest = _read_manifest(folder)
    if layer not in manifest.counts:
        raise InputError(f"{folder} has no patches of {layer}; it has those of {', '.join(manifest.counts)}")
    count, length = manifest.counts[layer], manifest.lengths[layer]
    if manifest.rows(layer) < count:
        raise InputError(f"the patch database in {folder} is not finished; build it to go on")
    _check(folder, layer, manifest)
    features = np.memmap(folder / f"{layer}.float16", "<f2", "r", shape=(count, length))
    origins = np.fromfile(folder / f"{layer}.origins", "<i4").reshape(5, count)
    return PatchDatabase(features, Origins(*origins), tuple(manifest.photographs))


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


def _continued(folder: Path, settings: Mapping[str, Any]) -> _Manifest:
    """Return the manifest of an earlier build, after checking its settings and all that it has written."""
    manifest = _read_manifest(folder)
    if manifest.settings != settings:
        changed = [name for name in settings if manifest.settings.get(name) != settings[name]]
        raise InputError(
            f"{folder} holds a patch database made with other {', '.join(changed)}; "
            f"choose another folder, or {_REBUILD}"
        )
    for layer in manifest.counts:
        _check(folder, layer, manifest)
    return manifest


def _begun(
    folder: Path,
    records: Sequence[Record],
    network: Network,
    settings: Mapping[str, Any],
    origins: Mapping[str, Origins],
) -> _Manifest:
    """Write all files of a database without chunks, and return its manifest."""
    checksums = {}
    for layer, patches in origins.items():
        numbers = np.stack(patches).astype("<i4").tobytes()
        checksums[layer] = zlib.crc32(numbers)
        for ending, content in (("origins", numbers), ("float16", b"")):
            with written_whole(folder / f"{layer}.{ending}") as temporary:
                temporary.write_bytes(content)
    manifest = _Manifest(
        settings,
        [record.source_id for record in records],
        {layer: column_length(network, layer) for layer in origins},
        {layer: len(patches.row) for layer, patches in origins.items()},
        checksums,
        [],
    )
    write_json(folder / _MANIFEST, manifest._asdict())
    return manifest


def _read_manifest(folder: Path) -> _Manifest:
    path = folder / _MANIFEST
    check_file(path, "manifest of a patch database")
    try:
        manifest = _Manifest(**json.loads(path.read_text(encoding="utf-8")))
        for layer, count in manifest.counts.items():
            written = manifest.rows(layer)
            if not (written <= count and manifest.lengths[layer] > 0):
                raise ValueError(f"{written} of {count} rows of {layer}")
            manifest.origins_crc32[layer]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise InputError(f"{path} is damaged ({error}); {_REBUILD}") from error
    return manifest


def _check(folder: Path, layer: str, manifest: _Manifest) -> None:
    """Compare the bytes of a layer's files with the manifest; an unfinished file may be longer."""
    path = folder / f"{layer}.origins"
    with _damage_named(path), path.open("rb") as stream:
        _check_part(stream, 20 * manifest.counts[layer], manifest.origins_crc32[layer], "origins")
        if stream.read(1):
            raise ValueError("it is too long")
    path = folder / f"{layer}.float16"
    with _damage_named(path), path.open("rb") as stream:
        first = 0
        for rows, crc32 in (chunk[layer] for chunk in manifest.chunks):
            what = f"rows {first} to {first + rows - 1}"
            _check_part(stream, 2 * manifest.lengths[layer] * rows, crc32, what)
            first += rows
        if first == manifest.counts[layer] and stream.read(1):
            raise ValueError("it is too long")


@contextlib.contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged: {error}; {_REBUILD}") from error


def _check_part(stream: Any, length: int, crc32: int, what: str) -> None:
    checksum = 0
    while length and (part := stream.read(min(length, _BYTES_AT_ONCE))):
        checksum = zlib.crc32(part, checksum)
        length -= len(part)
    if length:
        raise ValueError(f"it ends before {what} end")
    if checksum != crc32:
        raise ValueError(f"{what} are not as they were written")
