"""Windows: turned and scaled parts of photographs, their light, and the frozen features of their cells.

The features of a photograph's windows may be kept in files, so that a further round need not compute them.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8
from PIL import Image as PillowImage
from PIL import ImageFilter

from convcorr_jax import coords, images
from convcorr_jax.annotation.shape import Similarity, complex_of, share_outside
from convcorr_jax.arrays import padded_batches
from convcorr_jax.backbone import activations, preprocess
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.errors import InputError
from convcorr_jax.io import Expected, read_arrays, write_arrays_uncompressed
from convcorr_jax.shapes import Image

LAYERS = ("conv3_3", "conv4_3", "conv5_1")
STRIDE_PX = 4
"""The stride of the first of the layers, on whose cells points are placed."""
_FIRST_CENTER_PX = (STRIDE_PX - 1) / 2
_TOGETHER = 8
DIRECTIONS = (96, 128, 128)
"""The principal directions that are kept of each layer."""
# A view is seen by the features of another one whose pixels are at most this share of its side away, within a
# third of its side about its middle: by at most 5 degrees or 9 %. Training windows vary by 12.
_NEAR = 0.03


class Photograph(NamedTuple):
    """A photograph that is read when it is needed."""

    load: Callable[[], Image]
    size: tuple[int, int]
    kept: Path | None = None
    """The beginning of the paths of files that keep features of its windows, if they are kept."""


class View(NamedTuple):
    """A window of a photograph, and whether it is mirrored once it is cut."""

    to_window: Similarity
    size: tuple[int, int]
    """The size (height, width) of the window."""
    mirrored: bool = False

    def cut(self, photograph: Image) -> UInt8[np.ndarray, "_ _ 3"]:
        """Cut the window out of a photograph; its border is repeated outside.

        The photograph is shrunk first with anti-aliasing, and then turned by bilinear interpolation.
        """
        places = self.to_window.inverse(coords.cell_grid(self.size))
        if (scale := abs(self.to_window.a)) < 1:
            height, width = photograph.shape[:2]
            small = images.resize(photograph, (max(1, round(height * scale)), max(1, round(width * scale))))
            photograph, places = small.image, small.transform(places)
        window = images.sample(photograph, places).round().clip(0, 255).astype(np.uint8)
        return np.ascontiguousarray(window[:, ::-1]) if self.mirrored else window

    def move(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Map pixels of the photograph to the window."""
        return self._mirror(self.to_window(points))

    def back(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Map pixels of the window to the photograph."""
        return self.to_window.inverse(self._mirror(points))

    def _mirror(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        return points * (-1, 1) + (self.size[1] - 1, 0) if self.mirrored else points

    def outside(
        self, points: Float[np.ndarray, "n 2"], spread: float, size: Sequence[int]
    ) -> Float[np.ndarray, " n"]:
        """Return the probability that points are outside a photograph, for a normal spread in the window."""
        return share_outside(complex_of(self.back(points)), spread / abs(self.to_window.a), size)

    def is_near(self, other: "View") -> bool:
        """Return whether features of the other view may stand for those of this one."""
        (height, width), turn = self.size, other.to_window @ self.to_window.inverse
        middle = complex(width - 1, height - 1) / 2
        distance = abs(turn.a - 1) * min(self.size) / 3 + abs(turn.a * middle + turn.b - middle)
        return self.mirrored == other.mirrored and bool(distance <= _NEAR * min(self.size))


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

    @property
    def fingerprint(self) -> str:
        """A hash of all that features depend on, which is the same once the directions were saved."""
        digest = hashlib.blake2b(
            f"{version('convcorr_jax')} {self.weights.fingerprint}".encode(), digest_size=16
        )
        for mean, basis in self.directions:
            digest.update(mean.astype(np.float32).tobytes() + basis.astype(np.float16).tobytes())
        return digest.hexdigest()


def look(
    extract: Extractor, views: Sequence[tuple[Photograph, View]], *, kind: str
) -> tuple[list[View], Features]:
    """Return the features of views of one size and kind, and the views that they are of.

    Where features of a photograph are kept, a view that is near to one of them (`View.is_near`) is replaced by
    that one. If another view of it is new, the file keeps the views of this call in place of those before.
    """
    height, width = views[0][1].size
    paths = [
        one.kept and one.kept.with_name(f"{one.kept.name}-{kind}-{height}x{width}.npz") for one, _ in views
    ]
    fingerprint = np.frombuffer(bytes.fromhex(extract.fingerprint) if any(paths) else b"", np.uint8)
    kept: dict[Path | None, list[tuple[View, tuple[np.ndarray, ...]]]] = {
        path: _read(path, (height, width), fingerprint) for path in set(paths) if path and path.exists()
    }
    rows = [
        next((row for row in kept.get(path, []) if view.is_near(row[0])), None)
        for path, (_, view) in zip(paths, views, strict=True)
    ]
    new = [number for number, row in enumerate(rows) if row is None]
    if new:
        computed = zip(*extract(cut_out([views[number] for number in new])), strict=True)
        rows = [row or (view, next(computed)) for row, (_, view) in zip(rows, views, strict=True)]
    seen, features = zip(*filter(None, rows), strict=True)
    layers = tuple(np.stack(layer) for layer in zip(*features, strict=True))
    for path in {paths[number] for number in new}:
        if path:
            own = [number for number, other in enumerate(paths) if other == path]
            places = [(v.to_window.a, v.to_window.b, v.mirrored) for v in (seen[number] for number in own)]
            arrays = {name: layer[own] for name, layer in zip(LAYERS, layers, strict=True)}
            arrays |= {"views": np.array(places, complex), "fingerprint": fingerprint}
            write_arrays_uncompressed(path, arrays)
    return list(seen), layers


def cut_out(views: Sequence[tuple[Photograph, View]]) -> Iterator[np.ndarray]:
    """Cut windows out; those of a photograph follow one another, so that it is read once."""
    for _, some in itertools.groupby(views, key=lambda one: id(one[0])):
        (photograph, first), *others = some
        image = photograph.load()
        yield from (view.cut(image) for view in (first, *(view for _, view in others)))


def _read(
    path: Path, size: tuple[int, int], fingerprint: np.ndarray
) -> list[tuple[View, tuple[np.ndarray, ...]]]:
    """Return the views of a file with the features of each; none if it is damaged or of another extractor."""
    expected = {"views": Expected(np.complexfloating, ("views", 3)), "fingerprint": Expected(np.uint8, (16,))}
    for name, count in zip(LAYERS, DIRECTIONS, strict=True):
        expected[name] = Expected(np.float16, ("views", f"height of {name}", f"width of {name}", count))
    try:
        arrays = read_arrays(path, expected)
    except InputError:
        return []
    if not np.array_equal(arrays["fingerprint"], fingerprint):
        return []
    views = [View(Similarity(*map(complex, row[:2])), size, bool(row[2].real)) for row in arrays["views"]]
    return list(zip(views, zip(*(arrays[name] for name in LAYERS), strict=True), strict=True))


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
