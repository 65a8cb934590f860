"""Features and colours of the variations of many images, computed in parts that are cached on disk."""

import itertools
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets.fingerprint import fingerprint
from convcorr_jax.datasets.loading import batches
from convcorr_jax.datasets.records import Record, load_image
from convcorr_jax.descriptors.global_features import global_features
from convcorr_jax.probes import Variation, variation_image, variations
from convcorr_jax.runtime.progress import progress
from convcorr_jax.runtime.stages import CachedParts

# Variations in a cached part: computing it takes a minute at most.
_PART = 1000
# Images that are decoded together, in threads, while the network computes.
_LOADED_TOGETHER = 8


def variations_of(records: Sequence[Record], *, copies: int) -> list[tuple[Variation, ...]]:
    """Return the variations of every record's image; the seed of each image is its position.

    Args:
        records: the records.
        copies: number of variations of every image; 1 is the image itself.
    """
    return [variations(record.size, count=copies, seed=i) for i, record in enumerate(records)]


def variation_images(
    records: Sequence[Record], varied: Sequence[Sequence[Variation]], *, side_px: int
) -> Iterator[UInt8[np.ndarray, "side side 3"]]:
    """Yield the variations of every record's image in turn, resized to squares.

    Args:
        records: the records.
        varied: the variations of each record's image.
        side_px: side of the squares.
    """
    loaded = itertools.chain.from_iterable(batches(records, load_image, size=_LOADED_TOGETHER))
    for photograph, own in zip(loaded, varied, strict=True):
        yield from (variation_image(photograph, variation, side_px=side_px) for variation in own)


class PartContents(NamedTuple):
    """What the cached parts of `variation_parts` contain besides features."""

    squares_px: int | None = None
    """Side of the squares to which the variations are resized; None for no squares."""
    labels: Callable[[Record, Variation], np.ndarray] | None = None
    """Computes an array from each record and variation; None for none."""
    labels_key: object = None
    """What decides these arrays besides the records, as JSON stores it."""
    seeds: Sequence[int] | None = None
    """The seed of each record's variations; by default its position."""


def variation_parts(
    records: Sequence[Record],
    weights: Weights,
    *,
    layer: str,
    copies: int,
    folder: Path,
    contents: PartContents = PartContents(),
) -> CachedParts:
    """Return the parts of the features of all variations of the records' images, and of their colours.

    Each image is decoded once, in its part. Features are cached in half precision, whose rounding error is far
    below the error of any probe.

    Args:
        records: the records; they are indexed when a part that is not cached is asked for.
        weights: weights of the network.
        layer: name of the layer.
        copies: number of variations of every image; 1 is the image itself.
        folder: where the parts are cached.
        contents: what the parts contain besides features.

    Returns:
        Parts with one row for every variation: all those of the first image, then all those of the second, and
        so on. ``features`` is ``[n, d]`` in half precision, ``squares`` the 8-bit variations, ``labels`` the
        labels.

    Raises:
        InputError: an image cannot be read. Asking for a part raises it, too, if the layer does not exist or a
            cached part is damaged.
    """
    side, seeds = weights.network.image_side, contents.seeds

    def compute(numbers: range) -> dict[str, np.ndarray]:
        varied = (
            (*pair, variation)
            for i, pair in enumerate(_loaded(records[numbers.start : numbers.stop]), numbers.start)
            for variation in variations(
                pair[0].size, count=copies, seed=i if seeds is None else int(seeds[i])
            )
        )
        rows: dict[str, list[np.ndarray]] = {"squares": [], "labels": []}

        def inputs() -> Iterator[np.ndarray]:
            for record, image, variation in varied:
                if contents.squares_px:
                    square = variation_image(image, variation, side_px=contents.squares_px)
                    rows["squares"].append(square)
                if contents.labels:
                    rows["labels"].append(contents.labels(record, variation))
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
    name, part = f"{layer}_{copies}", max(1, _PART // copies)
    return CachedParts(folder, name, settings, compute, len(records), part)


def _loaded(records: Sequence[Record]) -> Iterator[tuple[Record, np.ndarray]]:
    for batch in batches(records, lambda one: (one, load_image(one)), size=_LOADED_TOGETHER):
        yield from batch


def variation_features(
    records: Sequence[Record], weights: Weights, *, layer: str, copies: int, folder: Path
) -> Float[np.ndarray, "n d"]:
    """Compute the features of `variation_parts`, or read them from the cache, and join all parts.

    Args:
        records: the records.
        weights: weights of the network.
        layer: name of the layer.
        copies: number of variations of every image; 1 is the image itself.
        folder: where features are cached.

    Returns:
        One row for every variation.

    Raises:
        InputError: an image cannot be read, the layer does not exist, or a cached part is damaged.
    """
    parts = variation_parts(records, weights, layer=layer, copies=copies, folder=folder)
    return np.concatenate([part["features"] for part in parts]).astype(np.float32)
