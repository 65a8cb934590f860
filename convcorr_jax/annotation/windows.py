"""Windows: turned and scaled parts of photographs, their light, and the frozen features of their cells."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8
from PIL import Image as PillowImage
from PIL import ImageFilter

from convcorr_jax import coords, images
from convcorr_jax.annotation.shape import Similarity
from convcorr_jax.arrays import padded_batches
from convcorr_jax.backbone import activations, preprocess
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.shapes import Image

LAYERS = ("conv3_3", "conv4_3", "conv5_1")
STRIDE_PX = 4
"""The stride of the first of the layers, on whose cells points are placed."""
_FIRST_CENTER_PX = (STRIDE_PX - 1) / 2
_TOGETHER = 8
DIRECTIONS = (96, 128, 128)
"""The principal directions that are kept of each layer."""


def cut(photograph: Image, to_window: Similarity, size: Sequence[int]) -> UInt8[np.ndarray, "_ _ 3"]:
    """Cut a window of a size (height, width) out of a photograph; its border is repeated outside.

    The photograph is shrunk first with anti-aliasing, and then turned by bilinear interpolation.
    """
    places = to_window.inverse(coords.cell_grid(size))
    if (scale := abs(to_window.a)) < 1:
        height, width = photograph.shape[:2]
        small = images.resize(photograph, (max(1, round(height * scale)), max(1, round(width * scale))))
        photograph, places = small.image, small.transform(places)
    return images.sample(photograph, places).round().clip(0, 255).astype(np.uint8)


def change_light(window: Image, rng: np.random.Generator) -> Image:
    """Change a window's gain, colour, contrast, brightness, sharpness and noise at random."""
    pixels = window.astype(np.float32)
    mean = pixels.mean(axis=(0, 1), keepdims=True)
    gain = np.exp(rng.normal(0, 0.15) + rng.normal(0, 0.05, 3))
    pixels = (pixels - mean) * np.exp(rng.normal(0, 0.15)) + mean * gain + rng.normal(0, 8)
    if rng.random() < 0.3:
        blurred = PillowImage.fromarray(pixels.clip(0, 255).astype(np.uint8))
        pixels = np.asarray(blurred.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.2))), np.float32)
    pixels = pixels + rng.normal(0, rng.uniform(0, 6), pixels.shape)
    return pixels.clip(0, 255).round().astype(np.uint8)


Features = tuple[Float[np.ndarray, "b _ _ _"], ...]


class Directions(NamedTuple):
    """The principal directions of the cells of maps, about their mean."""

    mean: Float[np.ndarray, " c"]
    basis: Float[np.ndarray, "c k"]

    @classmethod
    def fit(cls, maps: Float[np.ndarray, "b h w c"], count: int) -> "Directions":
        """Find the directions of the greatest variance."""
        rows = maps.reshape(-1, maps.shape[-1])
        mean = rows.mean(axis=0)
        _, vectors = np.linalg.eigh((rows - mean).T @ (rows - mean))
        return cls(mean, np.ascontiguousarray(vectors[:, ::-1][:, :count]))

    def project(
        self, maps: Float[Array, "b h w c"] | Float[np.ndarray, "b h w c"]
    ) -> Float[Array, "b h w k"] | Float[np.ndarray, "b h w k"]:
        """Return the coordinates of cells along the directions."""
        return (maps - self.mean[None, None, None]) @ self.basis


class Extractor(NamedTuple):
    """Frozen features of windows: the maps of `LAYERS` on their principal directions over a folder.

    Each map is divided by the root of its mean square first.
    """

    weights: Weights
    directions: tuple[Directions, ...]
    """Of each layer."""

    @classmethod
    def fit(cls, windows: Iterable[UInt8[np.ndarray, "h w 3"]], weights: Weights) -> "Extractor":
        """Find the principal directions of the cells of some windows."""
        maps = map(np.asarray, _maps(np.stack(list(windows)), weights))
        return cls(weights, tuple(map(Directions.fit, maps, DIRECTIONS)))

    def __call__(self, windows: Iterable[UInt8[np.ndarray, "h w 3"]]) -> Features:
        """Compute the features of windows of one size, in half precision."""
        stacked = np.stack(list(windows))
        parts: list[list[np.ndarray]] = [[] for _ in LAYERS]
        for rows, own in padded_batches(len(stacked), size=min(_TOGETHER, len(stacked))):
            maps = _projected(_maps(stacked[rows], self.weights), self.directions)
            for part, layer in zip(parts, maps, strict=True):
                part.append(np.asarray(layer)[:own])
        return tuple(np.concatenate(part) for part in parts)


def _maps(windows: UInt8[np.ndarray, "b h w 3"], weights: Weights) -> tuple[jax.Array, ...]:
    inputs = preprocess(windows, network=weights.network)
    maps = activations(weights.params, inputs, network=weights.network, layers=LAYERS)
    return tuple(_normalized(maps[layer]) for layer in LAYERS)


@jax.jit
def _normalized(maps: jax.Array) -> jax.Array:
    mean_square = jnp.mean(maps**2, axis=(1, 2, 3), keepdims=True)
    return maps * jax.lax.rsqrt(mean_square + 1e-6)


@jax.jit
def _projected(maps, directions):
    return tuple(one.project(layer).astype(jnp.float16) for one, layer in zip(directions, maps, strict=True))


def cells_of(points: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n 2"]:
    """Return the places of window pixels in cells (column, row) of the first layer."""
    return (points - _FIRST_CENTER_PX) / STRIDE_PX


def pixels_of(cells: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n 2"]:
    """Return the window pixels of cells (column, row)."""
    return cells * STRIDE_PX + _FIRST_CENTER_PX


def whole(size: Sequence[int], window: Sequence[int], *, scale: float) -> Similarity:
    """Return the similarity that shows the middle of a photograph in the middle of a window."""
    center = complex((size[1] - 1) / 2, (size[0] - 1) / 2)
    middle = complex((window[1] - 1) / 2, (window[0] - 1) / 2)
    return Similarity(complex(scale), middle - scale * center)


def centered(center: complex, angle: float, scale: float, side: int) -> Similarity:
    """Return the similarity to a square window around a point, in which the angle is removed."""
    a = scale * np.exp(-1j * angle)
    return Similarity(complex(a), complex(side - 1, side - 1) / 2 - complex(a) * center)
