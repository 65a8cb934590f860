"""Warped photographs: pairs of images whose correspondence is known exactly, at every pixel.

Both images of a pair show one photograph P. The *target* is P itself. The *source* shows at pixel q
what P shows at T(q), where T is a thin-plate spline, so

    flow(q) = T(q) - q

is exact by construction for every source pixel, as are keypoints: q in the source, T(q) in the
target. Nothing is inverted or interpolated but the colours. The part of P outside a blob-shaped
foreground is replaced by another photograph in the source, and each image has its own light, blur
and noise.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage
from scipy.interpolate import RBFInterpolator
from skimage.feature import corner_peaks, corner_shi_tomasi

from convcorr_jax import coords, images
from convcorr_jax.datasets.photographs import photographs
from convcorr_jax.datasets.records import Record
from convcorr_jax.errors import InputError
from convcorr_jax.shapes import Image
from convcorr_jax.synthetic.light import Light, relight


class WarpedPair(NamedTuple):
    """Two records of one photograph, and where every pixel of the source lies in the target.

    The records' keypoints correspond, and their boxes hold what both show of the foreground.
    """

    source: Record
    target: Record
    flow_px: Float[np.ndarray, "height width 2"]
    """Displacement (x, y) from a source pixel to its place in the target; true where visible."""
    visible: Bool[np.ndarray, "height width"]
    """Whether what the source pixel shows is foreground, and so is in the target."""


class Warp(NamedTuple):
    """How strong a warp may be; lengths in fractions of the image's sides."""

    rotation_degrees: float = 15.0
    """Standard deviation of the rotation."""
    scale: float = 0.15
    """Standard deviation of the log of the scale."""
    shift: float = 0.04
    """Standard deviation of the shift."""
    bend: float = 0.035
    """Standard deviation of the control points' own displacements."""


MODERATE_WARP = Warp()

# A 4 x 4 lattice bends a photograph in the manner that shapes within a category differ.
_LATTICE = 4
# The spline may compress an area to a fifth, not fold it.
_LEAST_AREA = 0.2
_MAX_KEYPOINTS = 24
# Corners nearer to each other than this, in fractions of the longer side, say nothing new.
_CORNER_SPACING = 0.05
# The foreground's edge is softened over this many pixels, as a lens would.
_EDGE_PX = 1.5


def warped_pair(
    photograph_index: int, *, seed: int, longest_px: int = 256, warp: Warp = MODERATE_WARP
) -> WarpedPair:
    """The pair that ``seed`` makes of one of `photographs`; the same call gives the same pair.

    Raises:
        InputError: there is no such photograph, the seed is negative, ``longest_px`` is under 32,
            or the warp moves the foreground out of the picture.
    """
    available = photographs()
    if not 0 <= photograph_index < len(available):
        raise InputError(
            f"photograph {photograph_index} does not exist: there are {len(available)}"
        )
    if seed < 0:
        raise InputError(f"seed {seed} must not be negative")
    if longest_px < 32:
        raise InputError(f"longest_px is {longest_px}; at least 32 pixels are needed")
    rng = np.random.default_rng([seed, photograph_index])
    photograph = available[photograph_index]
    target = images.resize_longest_side(photograph.image, longest_px).image
    size = coords.Size(*target.shape[:2])
    others = [other for other in available if other.name != photograph.name]
    elsewhere = images.resize(others[rng.integers(len(others))].image, size).image

    position = draw_warp(size, rng, warp)
    foreground = _foreground(size, rng)
    opacity = foreground(position)
    inside = sample_bilinear(target, position)
    source = np.round(opacity[..., None] * inside + (1 - opacity[..., None]) * elsewhere)
    source = source.astype(np.uint8)
    visible = opacity >= 0.5
    if not visible.any():
        raise InputError(f"{warp} moves the whole foreground out of the picture")
    rows, columns = _corners(source, visible)
    pixels = pixel_grid(size)
    return WarpedPair(
        source=_record(
            f"{photograph.name} source",
            image=relight(source, rng, Light()),
            points=pixels[rows, columns],
            box=coords.tight_box(pixels[visible]),
            foreground=visible,
        ),
        target=_record(
            f"{photograph.name} target",
            image=relight(target, rng, Light()),
            points=position[rows, columns],
            box=coords.tight_box(position[visible]),
            foreground=foreground(pixels) >= 0.5,
        ),
        flow_px=position - pixels,
        visible=visible,
    )


def pixel_grid(size: coords.Size) -> Float[np.ndarray, "height width 2"]:
    """The position (x, y) of every pixel's centre."""
    return coords.cell_grid(size).astype(np.float64)


def draw_warp(
    size: coords.Size, rng: np.random.Generator, warp: Warp
) -> Float[np.ndarray, "height width 2"]:
    """The position T(q) of every pixel q under a random thin-plate spline that does not fold."""
    sides = np.array([size.width, size.height], dtype=np.float64)
    middle = (sides - 1) / 2
    steps = np.linspace(0.0, 1.0, _LATTICE)
    lattice = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2) * (sides - 1)
    angle = np.radians(rng.normal(0.0, warp.rotation_degrees))
    scale = np.exp(rng.normal(0.0, warp.scale))
    rotation = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = (lattice - middle) @ rotation.T + middle + rng.normal(0.0, warp.shift, 2) * sides
    bend = rng.normal(0.0, warp.bend, lattice.shape) * sides
    pixels = pixel_grid(size)
    while True:
        spline = RBFInterpolator(lattice, moved + bend, kernel="thin_plate_spline", degree=1)
        position = spline(pixels.reshape(-1, 2)).reshape(pixels.shape)
        if least_area(position) >= _LEAST_AREA * scale**2:
            return position
        bend *= 0.7  # ends, since without bending the area is scale² everywhere


def least_area(position: Float[np.ndarray, "height width 2"]) -> float:
    """The least signed area that a pixel takes on under the map; negative where the map folds."""
    down, across = np.gradient(position, axis=(0, 1))
    return float((across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]).min())


def sample_bilinear(
    image: Image, position: Float[np.ndarray, "rows columns 2"]
) -> Float[np.ndarray, "rows columns 3"]:
    """The image's colours at fractional positions (x, y); the border is repeated beyond it."""
    rows_and_columns = np.moveaxis(position[..., ::-1], -1, 0)
    channels = [
        ndimage.map_coordinates(
            image[..., channel], rows_and_columns, output=np.float64, order=1, mode="nearest"
        )
        for channel in range(3)
    ]
    return np.stack(channels, axis=-1)


def _foreground(
    size: coords.Size, rng: np.random.Generator
) -> Callable[[Float[np.ndarray, "height width 2"]], Float[np.ndarray, "height width"]]:
    """A random blob about the middle of an image, as the opacity, 0 to 1, at given positions."""
    sides = np.array([size.width, size.height], dtype=np.float64)
    middle = (sides - 1) / 2 + rng.uniform(-0.05, 0.05, 2) * sides
    # Radii of about 0.4 sides leave room for the waves below to stay inside the image.
    half = rng.uniform(0.36, 0.42, 2) * sides
    waves = np.arange(2, 6)
    height = rng.normal(0.0, 0.06, waves.size) / np.sqrt(waves - 1)
    phase = rng.uniform(0.0, 2 * np.pi, waves.size)

    def opacity(position: np.ndarray) -> np.ndarray:
        offset = (position - middle) / half
        angle = np.arctan2(offset[..., 1], offset[..., 0])
        ripples = height * np.cos(waves * angle[..., None] + phase)
        radius = 1 + ripples.sum(axis=-1)
        depth_px = (radius - np.linalg.norm(offset, axis=-1)) * half.min()
        border = np.minimum(position, sides - 1 - position).min(axis=-1)
        return np.clip(np.minimum(depth_px, border) / _EDGE_PX + 0.5, 0.0, 1.0) * (border >= 0)

    return opacity


def _corners(image: Image, visible: np.ndarray) -> np.ndarray:
    """Rows and columns of pixels that look like corners, well spread, best first."""
    response = corner_shi_tomasi(image.mean(axis=-1) / 255.0, sigma=1.5)
    # The cut-out's outline has corners of its own, which the target does not show.
    well_inside = ndimage.binary_erosion(visible, iterations=5)
    peaks = corner_peaks(
        np.where(well_inside, response, 0.0),
        min_distance=max(1, round(_CORNER_SPACING * max(visible.shape))),
        num_peaks=_MAX_KEYPOINTS,
        threshold_rel=0.02,
        exclude_border=False,
    )
    return peaks.T


def _record(
    source_id: str, *, image: Image, points: np.ndarray, box: coords.Box, foreground: np.ndarray
) -> Record:
    return Record(
        image=image,
        size=coords.Size(*foreground.shape),
        category="photograph",
        source_id=source_id,
        split="test",
        names=tuple(f"corner {index}" for index in range(len(points))),
        points=points,
        visible=np.ones(len(points), dtype=bool),
        box=box,
        normalizer_px=box.longer_side,
        label_map=foreground.astype(np.uint8),
        label_names=("foreground",),
    )
