"""Search for the faces of photographs by the features of a landmark probe.

A *mosaic* shows a photograph at several sizes side by side, and the network describes it once. Every window of
its features inside one of the sizes is a square frame of the photograph. A ridge regression scores it: from its
features it predicts the *presence*, 1 for a face in place and 0 for anything else. Of overlapping frames the
one with the highest presence remains. The landmarks that the probe predicts from the best frames then give new
frames: the squares around these landmarks, with the margin of training. After three such moves, frames whose
presence reaches the finder's threshold are faces; of overlapping ones, that with the highest presence.

The landmark probe must be trained with displaced and scaled frames
(`convcorr_jax.probes.jitter_frames`): only then do predictions from a frame beside the face move it
towards the face.
"""

import functools
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from convcorr_jax import coords, images
from convcorr_jax.descriptors import view
from convcorr_jax.errors import InputError
from convcorr_jax.linear.ridge import LowRankRidge
from convcorr_jax.probes.landmarks import FeatureExtractor
from convcorr_jax.probes.look_back import Region, to_pixels
from convcorr_jax.shapes import Image

_SCALE_STEP = 1.35
"""Ratio of neighboring sizes in the mosaic."""
_SIZES = 6
SMALLEST = _SCALE_STEP ** (1 - _SIZES)
"""Side of the smallest frames, in shorter sides of a photograph of 4 by 3."""
_BORDER = 1 / 8
"""Surroundings of the photograph on every side in the mosaic, in sides of a frame."""
_MOST = 8
"""Frames of a photograph that are moved to their landmarks."""
_MOVES = 3
"""Number of moves; after them frames that show a face move by less than a twentieth of their side."""
_DOUBT = 0.2
"""Frames of the mosaic with a presence that is lower than the threshold by more than this are not moved: with
0.4, no more faces are found."""
_OVERLAP = 0.4
"""Frames overlap that share this part of the smaller one."""


class FaceFinder(NamedTuple):
    """A regression that scores frames, and the score from which a frame counts as a face."""

    presence: LowRankRidge
    threshold: float
    """Least presence of a face."""


class FoundFace(NamedTuple):
    """A face that was found."""

    box: coords.Box
    """Around the predicted landmarks, in pixels of the photograph."""
    presence: float


class Mosaic(NamedTuple):
    """A photograph at several sizes, side by side."""

    image: UInt8[np.ndarray, "height width 3"]
    windows: Int[np.ndarray, "n 2"]
    """Column and row, in strides, of every window inside one of the sizes."""
    frames: Float[np.ndarray, "n 4"]
    """The windows in pixels of the shown photograph, edge by edge."""
    shown: Image
    """The photograph, not larger than the largest of the sizes."""
    to_shown: coords.Transform


@functools.cache
def _places(side_px: int, stride_px: int, *, upright: bool) -> tuple[tuple[int, int, int, int], ...]:
    """Return where the sizes are in the mosaic: left, top, width and height, in pixels; the largest is first.

    The largest one has the three smallest below it, and the second above the third beside it.
    """

    def strides(length: float) -> int:
        return stride_px * int(np.ceil((length + 2 * _BORDER * side_px) / stride_px))

    shorter = [side_px * _SCALE_STEP**power for power in reversed(range(_SIZES))]
    sizes = [(strides(4 / 3 * side), strides(side)) for side in shorter]
    (width, height), (_, second), *_ = sizes
    beside = itertools.accumulate((wide for wide, _ in sizes[3:-1]), initial=0)
    corners = [(0, 0), (width, 0), (width, second), *((left, height) for left in beside)]
    places = [(*corner, *size) for corner, size in zip(corners, sizes, strict=True)]
    return tuple((y, x, tall, wide) if upright else (x, y, wide, tall) for x, y, wide, tall in places)


def mosaic(photograph: Image, extractor: FeatureExtractor) -> Mosaic:
    """Return a photograph at several sizes, for the features of an extractor.

    At the smallest of the sizes, a frame is as large as the shorter side of a photograph of 4 by 3; each other
    size is 1.35 times larger than the one before. Around the photograph its border pixels are repeated.
    """
    size, side_px, stride_px = photograph.shape[:2], extractor.side_px, extractor.maps.stride_px
    places = _places(side_px, stride_px, upright=size[0] > size[1])
    border = 2 * _BORDER * side_px
    # No size needs more pixels than the largest one.
    _, _, wide, tall = places[0]
    scale = min((tall - border) / size[0], (wide - border) / size[1])
    shown, to_shown = photograph, coords.resize(size, size)
    if scale < 1:
        shown, to_shown = images.resize(photograph, [max(1, round(scale * length)) for length in size])
    whole = coords.whole_image(shown.shape[:2])
    edges = np.array(places)
    right, bottom = (edges[:, :2] + edges[:, 2:]).max(axis=0)
    image = np.zeros((bottom, right, 3), np.uint8)
    windows, frames = [], []
    for left, top, wide, tall in places:
        scale = min((tall - border) / whole.height, (wide - border) / whole.width)
        resized, to_place = images.resize(shown, [max(1, round(scale * length)) for length in shown.shape[:2]])
        gaps = np.array([tall, wide]) - resized.shape[:2]
        around = np.stack([gaps // 2, gaps - gaps // 2], axis=1)
        image[top : top + tall, left : left + wide] = np.pad(resized, (*around, (0, 0)), mode="edge")
        to_place = coords.Transform(to_place.scale, to_place.shift + around[::-1, 0])
        steps = [(length - side_px) // stride_px + 1 for length in (tall, wide)]
        starts = stride_px * coords.cell_grid(steps).reshape(-1, 1, 2).astype(int)
        corners = to_place.inverse(starts + np.array([-0.5, side_px - 0.5])[:, None])
        is_shown = coords.inside(corners.mean(axis=1), whole)
        windows.append((starts[is_shown, 0] + (left, top)) // stride_px)
        frames.append(corners[is_shown].reshape(-1, 4))
    return Mosaic(image, np.concatenate(windows), np.concatenate(frames), shown, to_shown)


def find_faces(
    mosaics: Sequence[Mosaic], face: Region, finder: FaceFinder, extractor: FeatureExtractor, *, margin: float
) -> list[list[FoundFace]]:
    """Find the faces of photographs, in each one those with the highest presence first.

    Args:
        face: the region of all landmarks, trained on jittered frames.
        margin: added on each side of the square around the landmarks, in units of its side, in training.

    Raises:
        InputError: a presence is NaN.
    """
    owners, frames = [], []
    for owner, one in enumerate(mosaics):
        presence = _checked(window_presence(one, finder, extractor))
        for index in _apart(one.frames, presence, least=finder.threshold - _DOUBT)[:_MOST]:
            owners.append(owner)
            frames.append(coords.Box(*one.frames[index].tolist()))
    found: list[list[FoundFace]] = [[] for _ in mosaics]
    if not frames:
        return found

    def features() -> Float[np.ndarray, "n d"]:
        sizes = (extractor.side_px,)
        pairs = zip(owners, frames, strict=True)
        return extractor.extract(view(mosaics[i].shown, frame, sizes_px=sizes).pyramid[0] for i, frame in pairs)

    for _ in range(_MOVES):
        points = to_pixels(np.asarray(face.probe.predict(features())), tuple(frames))
        squares = (coords.grow(coords.square(coords.tight_box(landmarks)), margin) for landmarks in points)
        frames = [_inside(square, mosaics[i].shown) for i, square in zip(owners, squares, strict=True)]
    presence = _checked(np.asarray(finder.presence.predict(features()))[:, 0])
    for owner, one in enumerate(mosaics):
        own = np.flatnonzero(np.array(owners) == owner)
        edges = np.array([coords.grow(frames[i], -margin / (1 + 2 * margin)) for i in own]).reshape(-1, 4)
        for index in _apart(edges, presence[own], least=finder.threshold):
            corners = one.to_shown.inverse(edges[index].reshape(2, 2))
            found[owner].append(FoundFace(coords.Box(*corners.ravel().tolist()), float(presence[own[index]])))
    return found


def window_presence(
    one: Mosaic, finder: FaceFinder, extractor: FeatureExtractor
) -> Float[np.ndarray, " windows"]:
    """Compute the presence of a face in every window of a mosaic."""
    maps, regression = extractor.maps.compute(one.image[None])[0], finder.presence
    all_windows = _presence_map(maps, regression, unit_length=extractor.maps.unit_length)
    columns, rows = one.windows.T
    return np.asarray(all_windows)[rows, columns]


@functools.partial(jax.jit, static_argnames="unit_length")
def _presence_map(
    maps: Float[Array, "h w c"], presence: LowRankRidge, *, unit_length: bool
) -> Float[Array, "h2 w2"]:
    """Apply a regression of one target to all windows of maps."""
    weights = (presence.basis @ presence.loadings).reshape(-1, maps.shape[-1])
    side = round(len(weights) ** 0.5)
    height, width = (length - side + 1 for length in maps.shape[:2])
    cells = list(itertools.product(range(side), repeat=2))

    def window_sum(products: Array) -> Array:
        parts = [products[y : y + height, x : x + width, i] for i, (y, x) in enumerate(cells)]
        return functools.reduce(jnp.add, parts)

    # One product for the weights of all cells of a window, and then a sum of shifted maps.
    sums = window_sum(jnp.tensordot(maps, weights, [[2], [1]], precision=jax.lax.Precision.HIGHEST))
    if unit_length:
        squares = jnp.broadcast_to((maps**2).sum(axis=-1, keepdims=True), (*maps.shape[:2], len(cells)))
        sums = sums / jnp.sqrt(jnp.maximum(window_sum(squares), 1e-12))
    return sums + presence.bias[0]


def _checked(presence: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    if np.isnan(presence).any():
        raise InputError("the presence of a face is NaN in a frame; finite features are expected")
    return presence


def _apart(edges: Float[np.ndarray, "n 4"], presence: Float[np.ndarray, " n"], *, least: float) -> list[int]:
    """Return the boxes with at least a presence that overlap none with a higher one, the highest first."""
    chosen: list[int] = []
    sides = edges[:, 2:] - edges[:, :2]
    areas = sides.prod(axis=1)
    remaining = np.argsort(-presence, kind="stable")
    remaining = remaining[presence[remaining] >= least]
    while len(remaining):
        best, rest = remaining[0], remaining[1:]
        chosen.append(int(best))
        shared = np.minimum(edges[best, 2:], edges[rest, 2:]) - np.maximum(edges[best, :2], edges[rest, :2])
        part = np.maximum(shared, 0).prod(axis=1) / np.minimum(areas[best], areas[rest])
        remaining = rest[part < _OVERLAP]
    return chosen


def _inside(square: coords.Box, photograph: Image) -> coords.Box:
    """Return the square with its center moved into the photograph, at most twice its shorter side large."""
    height, width = photograph.shape[:2]
    half = min(square.longer_side, 2 * min(height, width)) / 2
    x, y = np.clip(square.center, 0, (width - 1, height - 1)).tolist()
    return coords.Box(x - half, y - half, x + half, y + half)
