"""Views of photographs at several sizes, and square windows around the cells of a layer.

`Origins` identify patches: photograph, view (the longer side in pixels, mirrored or not) and cell.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Int32, UInt8

from convcorr_jax import coords, images
from convcorr_jax.backbone import Network, Params, ReceptiveField, activations, grid_size, preprocess
from convcorr_jax.descriptors import unit_length
from convcorr_jax.errors import InputError
from convcorr_jax.shapes import Image

# Sides are rounded to multiples of this, so that photographs of many shapes share a few programs: by 8 pixels
# at most, 2.5 % of 320.
SIDE_STEP = 16
# Large enough for three cells of AlexNet's conv5 along the shorter side of any photograph.
MIN_SIDE = 64


class Origins(NamedTuple):
    """Where patches are: photograph, longer side of the view in pixels, 1 if it is mirrored, row and column."""

    photograph: Int32[np.ndarray, " n"]
    longest_px: Int32[np.ndarray, " n"]
    flipped: Int32[np.ndarray, " n"]
    row: Int32[np.ndarray, " n"]
    column: Int32[np.ndarray, " n"]

    def at(self, rows: Int[np.ndarray, " m"] | slice) -> "Origins":
        """Select patches."""
        return Origins(*(part[rows] for part in self))

    def of_photograph(self, number: int) -> "Origins":
        """Select the patches of a photograph, where patches are sorted by photograph."""
        first, end = np.searchsorted(self.photograph, [number, number + 1])
        return self.at(slice(first, end))


def view_size(size: Sequence[int], longest_px: int) -> coords.Size:
    """Compute the size of a view: the sides rounded to multiples of 16 pixels, and at least `MIN_SIDE`.

    >>> view_size((256, 341), 448)
    Size(height=336, width=448)

    Raises:
        InputError: the longer side is under `MIN_SIDE`.
    """
    if longest_px < MIN_SIDE:
        raise InputError(f"a view's longer side is {longest_px} pixels; at least {MIN_SIDE} is expected")
    scale = longest_px / max(size) / SIDE_STEP
    return coords.Size(*(max(MIN_SIDE, SIDE_STEP * round(side * scale)) for side in size))


def view(photograph: Image, *, longest_px: int, flipped: bool = False) -> UInt8[np.ndarray, "_ _ 3"]:
    """Resize a whole photograph to a view of `view_size`, mirrored left to right if ``flipped``."""
    resized = images.resize(photograph, view_size(photograph.shape[:2], longest_px)).image
    return images.flip(resized) if flipped else resized


@functools.partial(jax.jit, static_argnames=("network", "layers"))
def columns(
    views: UInt8[Array, "b _ _ 3"] | UInt8[np.ndarray, "b _ _ 3"],
    params: Params,
    *,
    network: Network,
    layers: tuple[str, ...],
) -> dict[str, Float[Array, "b _ _ _"]]:
    """Compute the unit-length columns of layers at every cell of their grids; a column of zeros stays zero.

    Raises:
        InputError: the network has no such layer, the layer has no filters, or the views are too small.
    """
    maps = activations(params, preprocess(views, network=network), network=network, layers=layers)
    return jax.tree.map(unit_length, maps)


def all_origins(
    sizes: Sequence[coords.Size], *, network: Network, layer: str, longest_px: Sequence[int]
) -> Origins:
    """List every cell of all views, in the order photograph, size, plain or mirrored, row, column.

    Raises:
        InputError: a longer side is under `MIN_SIDE`, or the network has no such layer, or a view is too small
            for it.
    """
    parts = []
    for photograph, size in enumerate(sizes):
        for longest in longest_px:
            grid = grid_size(network, layer, view_size(size, longest))
            flipped, row, column = np.indices((2, *grid), dtype=np.int32).reshape(3, -1)
            parts.append(
                np.stack([np.full_like(row, photograph), np.full_like(row, longest), flipped, row, column])
            )
    return Origins(*(np.concatenate(parts, axis=1) if parts else np.zeros((5, 0), np.int32)))


def cells_of(grid: coords.Size) -> Int[np.ndarray, "n 2"]:
    """Return row and column of every cell of a grid, row by row."""
    return np.indices(tuple(grid)).reshape(2, -1).T


def windows(
    image: Image, cells: Int[np.ndarray, "n 2"], *, field: ReceptiveField, side_px: int
) -> UInt8[np.ndarray, "n side side 3"]:
    """Cut squares around the centres of cells out of an image.

    The middle of a square of even side cannot be the centre of a pixel; such a square is shifted by half a
    pixel up and to the left. Beyond the image, its border pixels are repeated.
    """
    centers = field.first_center_px + field.stride_px * cells
    # The outermost centres are at most half a field outside the image, so this margin contains every window.
    margin = side_px + field.size_px
    starts = np.floor(centers - (side_px - 1) / 2).astype(int) + margin
    padded = np.pad(image, [(margin, margin), (margin, margin), (0, 0)], mode="edge")
    every = np.lib.stride_tricks.sliding_window_view(padded, (side_px, side_px), axis=(0, 1))
    return np.moveaxis(every[starts[:, 0], starts[:, 1]], 1, -1)


def mean_windows(
    photograph: Callable[[int], Image],
    origins: Origins,
    neighbors: Int[np.ndarray, "m k"],
    *,
    ks: Sequence[int],
    field: ReceptiveField,
    side_px: int,
    watch: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> Float[np.ndarray, "ks m side side 3"]:
    """Compute the mean of the windows of every query's first ``k`` neighbours, for each k of ``ks``.

    Every photograph is loaded once, and memory holds the sums and one photograph.

    Args:
        neighbors: rows of the database for every query, nearest first.
        ks: numbers of neighbours in increasing order, at most ``k``.
        watch: wraps the iteration over the photographs' numbers, for example with a progress bar.

    Raises:
        InputError: ``ks`` is empty, not increasing, below 1, or above the number of neighbours.
    """
    if not ks or sorted(set(ks)) != list(ks) or ks[0] < 1 or ks[-1] > neighbors.shape[1]:
        raise InputError(
            f"numbers of neighbours {tuple(ks)} must rise from 1 or more to at most {neighbors.shape[1]}"
        )
    used = neighbors[:, : ks[-1]]
    # A neighbour counts for every k above its rank: it is added to the first of these, and a cumulative sum
    # adds it to the others.
    first_k = np.broadcast_to(np.searchsorted(ks, np.arange(ks[-1]), side="right"), used.shape)
    query = np.broadcast_to(np.arange(len(used))[:, None], used.shape)
    sums = np.zeros((len(ks), len(used), side_px, side_px, 3), np.float32)
    patches = origins.at(used.ravel())
    for number in watch(np.unique(patches.photograph).tolist()):
        image = photograph(number)
        for members in _by_view(patches, number):
            in_view = patches.at(members)
            resized = view(image, longest_px=int(in_view.longest_px[0]), flipped=bool(in_view.flipped[0]))
            cells = np.stack([in_view.row, in_view.column], axis=1)
            cut = windows(resized, cells, field=field, side_px=side_px)
            for member, window in zip(members, cut, strict=True):
                sums[first_k.flat[member], query.flat[member]] += window
    np.cumsum(sums, axis=0, out=sums)
    sums /= np.asarray(ks, np.float32).reshape(-1, 1, 1, 1, 1)
    return sums


def _by_view(origins: Origins, photograph: int) -> Iterator[Int[np.ndarray, " _"]]:
    """Yield the numbers of one photograph's patches, grouped by view."""
    members = np.flatnonzero(origins.photograph == photograph)
    view_number = 2 * origins.longest_px[members] + origins.flipped[members]
    for number in np.unique(view_number):
        yield members[view_number == number]
