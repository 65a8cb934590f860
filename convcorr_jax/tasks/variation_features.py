"""Features of the variations of many images, computed in parts that are cached on disk."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets.fingerprint import fingerprint
from convcorr_jax.datasets.loading import batches
from convcorr_jax.datasets.records import Record, load_image
from convcorr_jax.descriptors.global_features import global_features
from convcorr_jax.probes import Variation, variation_image, variations
from convcorr_jax.runtime.progress import progress
from convcorr_jax.runtime.stages import cached_in_parts

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


def variation_features(
    records: Sequence[Record], weights: Weights, *, layer: str, copies: int, folder: Path
) -> Float[np.ndarray, "n d"]:
    """Compute `global_features` of all variations of the records' images, or read them from the cache.

    Features are cached in half precision, whose rounding error is far below the error of any probe.

    Args:
        records: the records.
        weights: weights of the network.
        layer: name of the layer.
        copies: number of variations of every image; 1 is the image itself.
        folder: where features are cached.

    Returns:
        One row for every variation: all those of the first image, then all those of the second, and so on.

    Raises:
        InputError: an image cannot be read, the layer does not exist, or a cached part is damaged.
    """
    varied = variations_of(records, copies=copies)
    side = weights.network.image_side

    def compute(numbers: range) -> dict[str, np.ndarray]:
        part = slice(numbers.start, numbers.stop)
        squares = progress(
            variation_images(records[part], varied[part], side_px=side),
            description=f"{layer} from image {numbers.start + 1}",
            total=copies * len(numbers),
        )
        features = global_features(squares, weights=weights, layer=layer)
        return {"features": features.astype(np.float16)}

    key = {
        "records": fingerprint(records),
        "weights": weights.fingerprint,
        "layer": layer,
        "copies": copies,
        "side": side,
    }
    cached = cached_in_parts(
        folder,
        f"{layer}_{copies}",
        key,
        compute,
        count=len(records),
        part=max(1, _PART // copies),
    )
    return cached["features"].astype(np.float32)
