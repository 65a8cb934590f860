"""Variations of many photographs and their features, computed in parts that are kept on disk."""

import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets.records import Record, load_image
from convcorr_jax.descriptors.global_features import global_features
from convcorr_jax.probes.variations import Variation, square, variations
from convcorr_jax.runtime.progress import progress
from convcorr_jax.runtime.stages import stage

# Squares of a part that is kept: a minute's work at most.
_PART = 1000


def variations_of(records: Sequence[Record], *, copies: int) -> list[tuple[Variation, ...]]:
    """So many variations of every record's photograph; each photograph has a seed of its own."""
    return [variations(one.size, count=copies, seed=i) for i, one in enumerate(records)]


def squares(
    records: Sequence[Record], seen: Sequence[Sequence[Variation]], *, side_px: int
) -> Iterator[UInt8[np.ndarray, "side side 3"]]:
    """The variations of every record in turn, as squares."""
    for record, some in zip(records, seen, strict=True):
        photograph = load_image(record)
        yield from (square(photograph, one, side_px=side_px) for one in some)


def features(
    records: Sequence[Record], weights: Weights, *, layer: str, copies: int, folder: Path
) -> Float[np.ndarray, "n d"]:
    """`global_features` of all variations; parts that lie in ``folder`` already are not computed again.

    They are kept in half precision, whose error is far below what a probe can tell.
    """
    seen = variations_of(records, copies=copies)
    side = weights.network.image_side
    step = max(1, _PART // copies)

    def part(start: int) -> dict[str, np.ndarray]:
        some = slice(start, start + step)
        shown = progress(
            squares(records[some], seen[some], side_px=side),
            description=f"{layer} from photograph {start + 1}",
            total=copies * len(records[some]),
        )
        found = global_features(shown, weights=weights, layer=layer)
        return {"features": found.astype(np.float16)}

    parts = []
    for start in range(0, len(records), step):
        settings = {
            "records": fingerprint(records[start : start + step]),
            "weights": weights.fingerprint,
            "layer": layer,
            "copies": copies,
            "side": side,
        }
        path = folder / f"{layer}_{copies}_{start:05d}.npz"
        parts.append(stage(path, settings, lambda start=start: part(start))["features"])
    return np.concatenate(parts).astype(np.float32)


def fingerprint(records: Sequence[Record]) -> int:
    """What tells these records from others, for settings of what is kept of them."""
    told: list[Any] = [[one.source_id, *one.size] for one in records]
    return zlib.crc32(json.dumps(told).encode())
