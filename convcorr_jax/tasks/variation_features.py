"""Features and colours of the variations of many images, computed in parts that are cached on disk."""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import Record, batches, fingerprint, load_image
from convcorr_jax.descriptors import global_features
from convcorr_jax.errors import InputError
from convcorr_jax.linear.ridge import FoldSums, empty_fold_sums
from convcorr_jax.probes import Variation, variation_image, variations
from convcorr_jax.runtime import CachedParts, accumulate, progress

# Variations in a cached part: computing it takes a minute at most.
_PART = 1000
# Images that are decoded together, in threads, while the network computes.
_LOADED_TOGETHER = 8


class PartContents(NamedTuple):
    """What the cached parts of `variation_parts` contain besides features."""

    squares_px: int | None = None
    """Side of the squares to which the variations are resized; None for no squares."""
    labels: Callable[[Record, Sequence[Variation]], Iterable[np.ndarray]] | None = None
    """Computes an array for each of the variations of a record; None for none."""
    labels_key: object = None
    """What decides these arrays besides the records, as JSON stores it."""
    seeds: Int[np.ndarray, " n"] | None = None
    """The seed of each record's variations; by default its position."""


_FEATURES_ONLY = PartContents()


def variation_parts(
    records: Sequence[Record],
    weights: Weights,
    *,
    layer: str,
    copies: int,
    folder: Path,
    contents: PartContents = _FEATURES_ONLY,
) -> CachedParts:
    """Return the parts of the features of all variations of the records' images, and of their colours.

    Each image is decoded once, in its part, and varied ``copies`` times; 1 is the image itself. Features are
    cached in half precision, whose rounding error is far below the error of any probe.

    Parts have one row for every variation: all those of the first image, then all those of the second, and so
    on. ``features`` is ``[n, d]`` in half precision, ``squares`` the 8-bit variations, ``labels`` the labels.
    """
    if copies < 1:
        raise InputError(f"{copies} variations are asked for; at least 1 is expected")
    side, seeds = weights.network.image_side, contents.seeds

    def compute(numbers: range) -> dict[str, np.ndarray]:
        rows: dict[str, list[np.ndarray]] = {"squares": [], "labels": []}

        def inputs() -> Iterator[np.ndarray]:
            for i, (record, image) in enumerate(_loaded(records, numbers), numbers.start):
                seed = i if seeds is None else int(seeds[i])
                varied = variations(record.size, count=copies, seed=seed)
                if contents.labels:
                    rows["labels"].extend(contents.labels(record, varied))
                for variation in varied:
                    if contents.squares_px:
                        rows["squares"].append(variation_image(image, variation, side_px=contents.squares_px))
                    yield variation_image(image, variation, side_px=side)

        description = f"{layer} from image {numbers.start + 1}"
        squares = progress(inputs(), description=description, total=copies * len(numbers))
        features = global_features(squares, weights=weights, layer=layer)
        others = {name: np.stack(values) for name, values in rows.items() if values}
        return {"features": features.astype(np.float16), **others}

    settings = {
        "records": fingerprint(records),
        "weights": weights.fingerprint,
        "layer": layer,
        "copies": copies,
        "side": side,
        "squares_px": contents.squares_px,
        "labels": contents.labels_key,
        "seeds": None if seeds is None else zlib.crc32(np.asarray(seeds, np.int64).tobytes()),
    }
    return CachedParts(folder, f"{layer}_{copies}", settings, compute, len(records), max(1, _PART // copies))


def _loaded(records: Sequence[Record], numbers: range) -> Iterator[tuple[Record, np.ndarray]]:
    part = records[numbers.start : numbers.stop]
    for batch in batches(part, lambda one: (one, load_image(one)), size=_LOADED_TOGETHER):
        yield from batch


@dataclass(frozen=True, eq=False)
class FeatureBlocks:
    """The features of parts in single precision, read part by part whenever they are iterated."""

    parts: CachedParts

    def __iter__(self) -> Iterator[Float[np.ndarray, "n d"]]:
        return (part["features"].astype(np.float32) for part in self.parts)


def sum_rows(
    path: Path,
    settings: Mapping[str, Any],
    rows: Callable[[int], tuple[np.ndarray, np.ndarray, np.ndarray]],
    *,
    count: int,
    k: int,
) -> FoldSums:
    """Sum up blocks of rows for ridge regression, and continue where a killed run saved its sums.

    ``rows`` returns features, targets and folds of a block, and ``settings`` decide them. ``path`` is removed
    at the end.
    """
    features, targets, _ = rows(0)
    start = empty_fold_sums(features.shape[1], targets.shape[1], k=k)
    ((_, sums),) = accumulate(
        path, {**settings, "k": k}, lambda sums, number: sums.add(*rows(number)), start=start, stops=[count]
    )
    return sums


def sum_parts(
    parts: CachedParts,
    targets: Callable[[Mapping[str, np.ndarray], slice], np.ndarray],
    folds: Int[np.ndarray, " n"],
    *,
    path: Path,
    settings: Mapping[str, Any],
    k: int,
) -> FoldSums:
    """Sum up all rows of `variation_parts` with `sum_rows`.

    ``targets`` returns the targets of a part from its arrays and its rows' numbers; ``settings`` decide them,
    too.
    """
    copies = parts.settings["copies"]

    def rows(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        arrays, images = parts[number], parts.items(number)
        own = slice(copies * images.start, copies * images.stop)
        return arrays["features"].astype(np.float32), targets(arrays, own), folds[own]

    return sum_rows(path, {**parts.settings, **settings}, rows, count=len(parts), k=k)
