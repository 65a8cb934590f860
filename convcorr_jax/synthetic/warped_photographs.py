"""Warped photographs: pairs of images whose correspondence is known exactly at every pixel.

Both images of a pair show one photograph P. The *target* is P itself. The *source* has at pixel q the colour
of P at T(q), where T is a thin-plate spline, so

    flow(q) = T(q) - q

is exact by construction for every source pixel, and so are keypoints: q in the source, T(q) in the target.
Only the colours are interpolated, and no map is inverted. In the source, another photograph replaces P
outside a blob-shaped foreground. Each image has its own light, blur and noise.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from convcorr_jax import coords, images
from convcorr_jax.datasets import Record
from convcorr_jax.datasets.selection import photographs
from convcorr_jax.errors import InputError
from convcorr_jax.shapes import Image
from convcorr_jax.synthetic.light import Light, relight


class WarpedPair(NamedTuple):
    """Two records of one photograph, the warped one and itself, and the flow (x, y) in pixels between them.

    Keypoint k of the source corresponds to keypoint k of the target. The boxes hold the part of the foreground
    that is in both images. A source pixel is visible if it is foreground, so that the target shows it too.
    """

    source: Record
    target: Record
    flow_px: Float[np.ndarray, "height width 2"]
    visible: Bool[np.ndarray, "height width"]


class Warp(NamedTuple):
    """The strength of a random warp; lengths are fractions of the image's sides."""

    rotation_degrees: float = 15.0
    """Standard deviation of the rotation in degrees."""
    scale: float = 0.15
    """Standard deviation of the log of the scale."""
    shift: float = 0.04
    """Standard deviation of the shift."""
    bend: float = 0.035
    """Standard deviation of the displacement of each control point."""


MODERATE_WARP = Warp()
"""The default warp."""

# Control points along each side: a 4 x 4 lattice deforms a photograph as shapes within a category differ.
_LATTICE = 4
# The spline may compress an area to a fifth, but not fold it.
_LEAST_AREA = 0.2
# Factor on the displacements of the control points while the spline folds.
_BEND_DECAY = 0.7
_MAX_KEYPOINTS = 24
# The least distance of two corners as a fraction of the longer side; nearer ones are redundant.
_CORNER_SPACING = 0.05
# Width of the foreground's soft edge in pixels, as from a lens.
_EDGE_PX = 1.5
_LEAST_LONGEST_PX = 32


def warped_pair(
    photograph_index: int, *, seed: int, longest_px: int = 256, warp: Warp = MODERATE_WARP
) -> WarpedPair:
    """Warp one of `photographs`, by its index; equal arguments give equal pairs.

    The longer side of both images has at least 32 pixels. A warp that moves the foreground out of the image is
    refused.
    """
    available = photographs()
    if not 0 <= photograph_index < len(available):
        raise InputError(f"photograph {photograph_index} does not exist: there are {len(available)}")
    if seed < 0:
        raise InputError(f"seed {seed} must not be negative")
    if longest_px < _LEAST_LONGEST_PX:
        raise InputError(f"longest_px is {longest_px}; at least {_LEAST_LONGEST_PX} pixels are needed")
    rng = np.random.default_rng([seed, photograph_index])
    photograph = available[photograph_index]
    target = images.resize_longest_side(photograph.image, longest_px).image
    size = coords.Size(*target.shape[:2])
    others = [other for other in available if other.name != photograph.name]
    background = images.resize(others[rng.integers(len(others))].image, size).image

    position = draw_warp(size, rng, warp)
    foreground = _foreground(size, rng)
    opacity = foreground(position)
    warped = images.sample(target, position)
    source = np.round(opacity[..., None] * warped + (1 - opacity[..., None]) * background)
    source = source.astype(np.uint8)
    visible = opacity >= 0.5
    if not visible.any():
        raise InputError(f"{warp} moves the whole foreground out of the image")
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
    """Return the position (x, y) of every pixel's centre, in double precision."""
    return coords.cell_grid(size).astype(np.float64)


def draw_warp(size: coords.Size, rng: np.random.Generator, warp: Warp) -> Float[np.ndarray, "height width 2"]:
    """Draw a random thin-plate spline T that does not fold; return T(q) for every pixel q.

    A similarity moves a 4 x 4 lattice of control points, and each control point has a displacement of its own.
    The displacements shrink until no pixel is compressed below a fifth of its area under the similarity.
    """
    # SciPy's interpolation takes longer to import than the rest of the room.
    from scipy.interpolate import RBFInterpolator

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
        # The loop ends, because without displacements the area is scale² at every pixel.
        bend *= _BEND_DECAY


def least_area(position: Float[np.ndarray, "height width 2"]) -> float:
    """Compute the least signed area of a pixel under a map; it is negative if the map folds."""
    down, across = np.gradient(position, axis=(0, 1))
    return float((across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]).min())


def _foreground(
    size: coords.Size, rng: np.random.Generator
) -> Callable[[Float[np.ndarray, "height width 2"]], Float[np.ndarray, "height width"]]:
    """Draw a blob around the middle of an image; return its opacity, 0 to 1, as a function of position."""
    sides = np.array([size.width, size.height], dtype=np.float64)
    middle = (sides - 1) / 2 + rng.uniform(-0.05, 0.05, 2) * sides
    # With radii of about 0.4 sides, the waves of the outline stay inside the image.
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
    """Find rows and columns ``[2, n]`` of corners, at least `_CORNER_SPACING` apart, the strongest first."""
    # scikit-image takes longer to import than the rest of the room.
    from skimage.feature import corner_peaks, corner_shi_tomasi

    response = corner_shi_tomasi(image.mean(axis=-1) / 255.0, sigma=1.5)
    # The outline of the foreground has corners of its own, which are not in the target.
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
