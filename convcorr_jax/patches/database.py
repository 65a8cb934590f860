"""A million patches on disk: their features as a memory map, and where each comes from.

A database is a folder. For every layer it has ``<layer>.float16``, the features at unit length, row after
row, and ``<layer>.origins``, the `views.Origins` of every row as five 32-bit integers; both are
little-endian and bare. ``manifest.json`` says how long the rows are, what they were made of, the ids of
the photographs, and the checksum of every chunk of rows.

A chunk is written, then entered in the manifest. A build that was killed goes on after the last chunk that
is entered, and reading compares every byte with the checksums, so that a database is whole or refused.
This is the one module of its room that touches the disk.
"""

import contextlib
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float16

from convcorr_jax.backbone import Network
from convcorr_jax.backbone.networks import Conv
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets.records import Record, load_image
from convcorr_jax.errors import InputError
from convcorr_jax.io import check_file, make_folder, write_at, write_json, written_whole
from convcorr_jax.patches.views import Origins, all_origins, columns, view

# Lost at most when a build is killed; each costs a sync of the disk.
PHOTOGRAPHS_PER_CHUNK = 10
_MANIFEST = "manifest.json"
_REBUILD = "rebuild it (--rebuild)"
_BYTES_AT_ONCE = 2**24


@dataclass(frozen=True)
class Plan:
    """What a database is made of.

    Attributes:
        layers: of the network.
        longest_px: the longer sides at which every photograph is seen, plain and mirrored.
        patches: of every layer, drawn evenly from all cells of all views; all of them if they are fewer.
        seed: of the draw.
    """

    layers: tuple[str, ...] = ("conv3", "conv4", "conv5")
    longest_px: tuple[int, ...] = (448, 320)
    patches: int = 1_000_000
    seed: int = 0


class PatchDatabase(NamedTuple):
    """The patches of one layer."""

    features: Float16[np.ndarray, "n d"]
    """At unit length, mapped from the disk."""
    origins: Origins
    photographs: tuple[str, ...]
    """Ids of the photographs that origins number."""


class _Manifest(NamedTuple):
    settings: Mapping[str, Any]
    photographs: Sequence[str]
    lengths: Mapping[str, int]
    """Numbers of a row, by layer."""
    counts: Mapping[str, int]
    """Rows, by layer."""
    origins_crc32: Mapping[str, int]
    chunks: list[dict[str, list[int]]]
    """Rows and checksum of each chunk that is written, by layer."""


def build(
    folder: Path,
    records: Sequence[Record],
    weights: Weights,
    *,
    plan: Plan,
    rebuild: bool = False,
    watch: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> None:
    """Make the database of these photographs, or what is missing of it; a whole one is left as it is.

    Args:
        folder: the database's own.
        records: the photographs.
        weights: of the network.
        plan: what to take of them.
        rebuild: begin anew, whatever is there.
        watch: is given the numbers of the chunks and gives them back, for a progress bar.

    Raises:
        InputError: there are no photographs; the plan names no layer, no patch, or a layer or size that the
            network cannot have; what is there was made of something else, or is damaged; or it cannot be
            written.
    """
    settings = _settings(records, weights, plan)
    make_folder(folder)
    origins = {layer: _drawn(records, weights.network, layer, plan) for layer in plan.layers}
    path = folder / _MANIFEST
    if rebuild:
        path.unlink(missing_ok=True)
    if path.exists():
        manifest = _read_manifest(folder)
        if manifest.settings != settings:
            changed = [name for name in settings if manifest.settings.get(name) != settings[name]]
            raise InputError(
                f"{folder} holds a patch database made with other {', '.join(changed)}; "
                f"choose another folder, or {_REBUILD}"
            )
        for layer in plan.layers:
            _check(folder, layer, manifest)
    else:
        manifest = _begun(folder, records, weights.network, settings, origins)
    count = -(-len(records) // PHOTOGRAPHS_PER_CHUNK)
    for chunk in watch(range(len(manifest.chunks), count)):
        numbers = range(len(records))[chunk * PHOTOGRAPHS_PER_CHUNK :][:PHOTOGRAPHS_PER_CHUNK]
        described = [_features(records[i], i, origins, weights, plan) for i in numbers]
        entry = {}
        for layer in plan.layers:
            rows = np.concatenate([one[layer] for one in described]).tobytes()
            done = sum(written[layer][0] for written in manifest.chunks)
            row_bytes = 2 * manifest.lengths[layer]
            write_at(folder / f"{layer}.float16", done * row_bytes, rows)
            entry[layer] = [len(rows) // row_bytes, zlib.crc32(rows)]
        manifest.chunks.append(entry)
        write_json(path, manifest._asdict())


def read(folder: Path, layer: str) -> PatchDatabase:
    """The database of a layer, once all its bytes are compared with their checksums.

    Raises:
        InputError: it is not there, not finished, has no such layer, or is damaged; the sentence names the
            file.
    """
    manifest = _read_manifest(folder)
    if layer not in manifest.counts:
        raise InputError(
            f"{folder} has no patches of {layer}; it has those of {', '.join(manifest.counts)}"
        )
    count, length = manifest.counts[layer], manifest.lengths[layer]
    if sum(written[layer][0] for written in manifest.chunks) < count:
        raise InputError(f"the patch database in {folder} is not finished; build it to go on")
    _check(folder, layer, manifest)
    features = np.memmap(folder / f"{layer}.float16", "<f2", "r", shape=(count, length))
    origins = np.fromfile(folder / f"{layer}.origins", "<i4").reshape(5, count)
    return PatchDatabase(features, Origins(*origins), tuple(manifest.photographs))


def _settings(records: Sequence[Record], weights: Weights, plan: Plan) -> dict[str, Any]:
    """All that decides what a database holds, as JSON gives it back."""
    if not records:
        raise InputError("a patch database needs at least one photograph")
    if not plan.layers or not plan.longest_px or plan.patches < 1:
        raise InputError("a patch database needs at least one layer, one view and one patch")
    photographs = json.dumps([[one.source_id, *one.size] for one in records])
    return {
        "network": weights.network.name,
        "weights": weights.fingerprint,
        "photographs": hashlib.blake2b(photographs.encode(), digest_size=16).hexdigest(),
        "layers": list(plan.layers),
        "longest_px": list(plan.longest_px),
        "patches": plan.patches,
        "seed": plan.seed,
    }


def _drawn(records: Sequence[Record], network: Network, layer: str, plan: Plan) -> Origins:
    sizes = [one.size for one in records]
    origins = all_origins(sizes, network=network, layer=layer, longest_px=plan.longest_px)
    count = len(origins.row)
    if count <= plan.patches:
        return origins
    # Layers of one grid draw the same cells.
    rng = np.random.default_rng(plan.seed)
    return origins.at(np.sort(rng.choice(count, plan.patches, replace=False, shuffle=False)))


def _begun(
    folder: Path,
    records: Sequence[Record],
    network: Network,
    settings: Mapping[str, Any],
    origins: Mapping[str, Origins],
) -> _Manifest:
    """The manifest of a database without chunks, once all else lies in the folder."""
    sums = {}
    for layer, those in origins.items():
        written = np.stack(those).astype("<i4").tobytes()
        sums[layer] = zlib.crc32(written)
        for ending, content in (("origins", written), ("float16", b"")):
            with written_whole(folder / f"{layer}.{ending}") as temporary:
                temporary.write_bytes(content)
    manifest = _Manifest(
        settings,
        [one.source_id for one in records],
        {layer: _length(network, layer) for layer in origins},
        {layer: len(those.row) for layer, those in origins.items()},
        sums,
        [],
    )
    write_json(folder / _MANIFEST, manifest._asdict())
    return manifest


def _length(network: Network, layer: str) -> int:
    """How many numbers a column of a layer has."""
    until = network.layers[: network.position(layer) + 1]
    return [one.channels for one in until if isinstance(one, Conv)][-1]


def _features(
    record: Record,
    number: int,
    origins: Mapping[str, Origins],
    weights: Weights,
    plan: Plan,
) -> dict[str, Float16[np.ndarray, "_ _"]]:
    """The features of one photograph's patches, by layer, in the order of their origins."""
    photograph = load_image(record)
    parts: dict[str, list[np.ndarray]] = {layer: [] for layer in plan.layers}
    own = {}
    for layer, those in origins.items():
        first, end = np.searchsorted(those.photograph, [number, number + 1])
        own[layer] = those.at(slice(first, end))
    for longest in plan.longest_px:
        views = [view(photograph, longest_px=longest, flipped=flipped) for flipped in (False, True)]
        found = columns(
            np.stack(views), weights.params, network=weights.network, layers=plan.layers
        )
        for layer, those in own.items():
            here = those.at(np.flatnonzero(those.longest_px == longest))
            chosen = np.asarray(found[layer])[here.flipped, here.row, here.column]
            parts[layer].append(chosen.astype("<f2"))
    return {layer: np.concatenate(some) for layer, some in parts.items()}


def _read_manifest(folder: Path) -> _Manifest:
    path = folder / _MANIFEST
    check_file(path, "manifest of a patch database")
    try:
        manifest = _Manifest(**json.loads(path.read_text(encoding="utf-8")))
        for layer, count in manifest.counts.items():
            written = sum(chunk[layer][0] for chunk in manifest.chunks)
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
    found = 0
    while length and (part := stream.read(min(length, _BYTES_AT_ONCE))):
        found = zlib.crc32(part, found)
        length -= len(part)
    if length:
        raise ValueError(f"it ends before {what} end")
    if found != crc32:
        raise ValueError(f"{what} are not as they were written")
