"""A photograph as a network sees it at one size, and square windows of it around a layer's cells.

A patch is named by its `Origins`: photograph, view (the longer side in pixels, mirrored or not) and cell.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Int32, UInt8

from convcorr_jax import coords, images
from convcorr_jax.backbone import (
    Network,
    Params,
    ReceptiveField,
    activations,
    grid_size,
    preprocess,
)
from convcorr_jax.descriptors.convolutional import unit_length
from convcorr_jax.errors import InputError
from convcorr_jax.shapes import Image

# Sides are rounded to multiples of this, so that photographs of many shapes share a few programs. At 320
# pixels it changes the aspect ratio by 2.5 % at most.
SIDE_STEP = 16
# Room for three cells of AlexNet's conv5, however long and thin the photograph.
MIN_SIDE = 64


class Origins(NamedTuple):
    """Where patches come from, one entry a patch."""

    photograph: Int32[np.ndarray, " n"]
    longest_px: Int32[np.ndarray, " n"]
    """The view's longer side."""
    flipped: Int32[np.ndarray, " n"]
    """1 where the view is mirrored left to right."""
    row: Int32[np.ndarray, " n"]
    column: Int32[np.ndarray, " n"]

    def at(self, rows: Int[np.ndarray, " m"] | slice) -> "Origins":
        """The origins of some of the patches."""
        return Origins(*(part[rows] for part in self))


def view_size(size: Sequence[int], longest_px: int) -> coords.Size:
    """Height and width of a photograph of ``size`` in the view of this longer side.

    >>> view_size((256, 341), 448)
    Size(height=336, width=448)

    Raises:
        InputError: the longer side is under `MIN_SIDE`.
    """
    if longest_px < MIN_SIDE:
        raise InputError(
            f"a view's longer side is {longest_px} pixels; at least {MIN_SIDE} is expected"
        )
    scale = longest_px / max(size) / SIDE_STEP
    return coords.Size(*(max(MIN_SIDE, SIDE_STEP * round(side * scale)) for side in size))


def view(
    photograph: Image, *, longest_px: int, flipped: bool = False
) -> UInt8[np.ndarray, "_ _ 3"]:
    """The whole photograph in one view.

    Raises:
        InputError: as `view_size`.
    """
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
    """Every named layer's column at every cell of its grid, at unit length; one of zeros stays so.

    Raises:
        InputError: as `activations`.
    """
    found = activations(params, preprocess(views, network=network), network=network, layers=layers)
    return jax.tree.map(unit_length, found)


def all_origins(
    sizes: Sequence[coords.Size], *, network: Network, layer: str, longest_px: Sequence[int]
) -> Origins:
    """Every cell of every view, plain and mirrored, of photographs of these sizes, in the order of `Origins`.

    Raises:
        InputError: as `view_size` and `grid_size`.
    """
    parts = []
    for photograph, size in enumerate(sizes):
        for longest in longest_px:
            grid = grid_size(network, layer, view_size(size, longest))
            flipped, row, column = np.indices((2, *grid), dtype=np.int32).reshape(3, -1)
            parts.append(
                np.stack(
                    [
                        np.full_like(row, photograph),
                        np.full_like(row, longest),
                        flipped,
                        row,
                        column,
                    ]
                )
            )
    return Origins(*(np.concatenate(parts, axis=1) if parts else np.zeros((5, 0), np.int32)))


def cells_of(grid: coords.Size) -> Int[np.ndarray, "n 2"]:
    """Row and column of every cell of a grid, row by row."""
    return np.indices(tuple(grid)).reshape(2, -1).T


def windows(
    image: Image, cells: Int[np.ndarray, "n 2"], *, field: ReceptiveField, side_px: int
) -> UInt8[np.ndarray, "n side side 3"]:
    """Squares of an image around the centres of cells (row, column).

    A square of even side cannot have a pixel's centre in its middle; it then lies half a pixel up and to
    the left. Beyond the image its border pixels are repeated.
    """
    centers = field.first_center_px + field.stride_px * cells
    # The outermost centres are at most half a field outside, so this much margin holds every window.
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
    """The mean of the windows of every query's first ``k`` neighbours, for each k of ``ks``.

    Memory holds the sums and one photograph: every photograph is asked for once.

    Args:
        photograph: gives the photograph of this number.
        origins: of the database's rows.
        neighbors: rows of the database, each query's nearest first.
        ks: rising, the last at most as many as there are neighbours.
        field: of the layer of the database.
        side_px: of the windows.
        watch: is given the numbers of the photographs and gives them back, for a progress bar.

    Raises:
        InputError: ``ks`` is not as said.
    """
    if not ks or sorted(set(ks)) != list(ks) or ks[0] < 1 or ks[-1] > neighbors.shape[1]:
        raise InputError(
            f"numbers of neighbours {tuple(ks)} must rise from 1 or more to at most {neighbors.shape[1]}"
        )
    wanted = neighbors[:, : ks[-1]]
    # A neighbour counts for every k beyond its rank: it goes to the first, and sums are summed up.
    first_k = np.broadcast_to(np.searchsorted(ks, np.arange(ks[-1]), side="right"), wanted.shape)
    query = np.broadcast_to(np.arange(len(wanted))[:, None], wanted.shape)
    sums = np.zeros((len(ks), len(wanted), side_px, side_px, 3), np.float32)
    of_wanted = origins.at(wanted.ravel())
    for number in watch(np.unique(of_wanted.photograph).tolist()):
        image = photograph(number)
        for members in _by_view(of_wanted, number):
            seen = of_wanted.at(members)
            shown = view(image, longest_px=int(seen.longest_px[0]), flipped=bool(seen.flipped[0]))
            cells = np.stack([seen.row, seen.column], axis=1)
            cut = windows(shown, cells, field=field, side_px=side_px)
            for member, window in zip(members, cut, strict=True):
                sums[first_k.flat[member], query.flat[member]] += window
    np.cumsum(sums, axis=0, out=sums)
    sums /= np.asarray(ks, np.float32).reshape(-1, 1, 1, 1, 1)
    return sums


def _by_view(origins: Origins, photograph: int) -> Iterator[Int[np.ndarray, " _"]]:
    """The patches of one photograph, those of each view together."""
    members = np.flatnonzero(origins.photograph == photograph)
    view_number = 2 * origins.longest_px[members] + origins.flipped[members]
    for number in np.unique(view_number):
        yield members[view_number == number]
