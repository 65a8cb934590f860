"""Regions of a face for look-back: squares around sets of landmarks, and points relative to these squares.

A region is a set of landmarks that one ridge regression predicts from the features of one square. Its targets
are the landmarks' positions in the square, as fractions of the square's side. The first region is the whole
face. Each round of *look-back* then cuts a square around each set of landmarks, at the positions that the
previous round predicted, out of the original pixels, computes features of it, and predicts the set anew.

The square is centred on the extent of the set. Its side is the longer side of that extent plus, on both
sides, a margin that covers the errors of the previous round on the training faces. The margin is measured in
units of the longer side of the extent of all landmarks, because faces differ in size.

Source: Sharif Razavian et al. 2014, section 3.1.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords
from convcorr_jax.errors import InputError
from convcorr_jax.linear.ridge import LowRankRidge, Ridge


class Region(NamedTuple):
    """A set of landmarks, the square around it, and the ridge regression that predicts it."""

    name: str
    members: tuple[int, ...]
    margin: float
    """Added to each side of the landmarks' extent, in units of the longer side of the whole face's."""
    probe: Ridge | LowRankRidge
    """Predicts x and y of each member in turn, in fractions of the square's side, from its features."""


def look_back_sets(
    part_sets: Mapping[str, tuple[int, ...]], *, left_right_pairs: Sequence[tuple[int, int]]
) -> dict[str, tuple[int, ...]]:
    """Return the six sets of landmarks: both halves of the jaw, both eyes with their brows, nose, mouth.

    Landmarks in the middle of the jaw belong to both halves. Parts have the names of
    `convcorr_jax.datasets.records.Record`: jaw (or chin), left_eye, left_brow, right_eye, right_brow, nose,
    lips. A mark-up that lacks a part has fewer sets.

    Raises:
        InputError: the mark-up has none of these parts.
    """
    jaw = part_sets.get("jaw", part_sets.get("chin", ()))
    left, right = ({pair[side] for pair in left_right_pairs} for side in (0, 1))
    candidates = {
        "left_jaw": tuple(index for index in jaw if index not in right),
        "right_jaw": tuple(index for index in jaw if index not in left),
        "left_eye": part_sets.get("left_eye", ()) + part_sets.get("left_brow", ()),
        "right_eye": part_sets.get("right_eye", ()) + part_sets.get("right_brow", ()),
        "nose": part_sets.get("nose", ()),
        "mouth": part_sets.get("lips", ()),
    }
    sets = {name: members for name, members in candidates.items() if members}
    if not sets:
        raise InputError(
            f"the mark-up has parts {', '.join(part_sets) or 'of no name'}; jaw, chin, left_eye, left_brow, "
            "right_eye, right_brow, nose or lips are expected"
        )
    return sets


def squares_around(
    points: Float[np.ndarray, "faces n 2"], members: tuple[int, ...], *, margin: float
) -> tuple[coords.Box, ...]:
    """Compute the square, with its margin, around a set of landmarks of every face, in pixels of its image.

    >>> square = squares_around(np.array([[[0.0, 0.0], [4.0, 2.0], [8.0, 8.0]]]), (0, 1), margin=0.25)
    >>> square[0]
    Box(x0=-2.0, y0=-3.0, x1=6.0, y1=5.0)
    """
    face_size = np.ptp(points, axis=1).max(axis=-1)
    inside = points[:, list(members)]
    low, high = inside.min(axis=1), inside.max(axis=1)
    half = (high - low).max(axis=-1) / 2 + margin * face_size
    middle = (low + high) / 2
    edges = np.concatenate([middle - half[:, None], middle + half[:, None]], axis=1)
    return tuple(coords.Box(*edge) for edge in edges.tolist())


def needed_margin(
    predicted: Float[np.ndarray, "faces n 2"],
    truth: Float[np.ndarray, "faces n 2"],
    members: tuple[int, ...],
    *,
    share: float,
) -> float:
    """Compute the margin that covers the prediction errors of a share of all faces.

    The error of a face is the greatest error of the set's members. Between the errors of two faces the margin
    is interpolated, so that it may cover one face less. The paper's share is 1: the greatest error of all.
    """
    face_size = np.ptp(predicted, axis=1).max(axis=-1)
    chosen = list(members)
    distances = np.linalg.norm(predicted[:, chosen] - truth[:, chosen], axis=-1)
    return float(np.quantile(distances.max(axis=1) / face_size, share))


def to_fractions(
    points: Float[np.ndarray, "faces n 2"], squares: tuple[coords.Box, ...]
) -> Float[np.ndarray, "faces t"]:
    """Convert points from pixels to fractions of a square, 0 to 1 from edge to edge: x, y, x, y ... a face."""
    low, side = _corners_and_sides(squares)
    return ((points - low) / side).reshape(len(points), -1).astype(np.float32)


def to_pixels(
    fractions: Float[np.ndarray, "faces t"], squares: tuple[coords.Box, ...]
) -> Float[np.ndarray, "faces n 2"]:
    """Convert points from fractions of a square to pixels: the inverse of `to_fractions`."""
    low, side = _corners_and_sides(squares)
    return fractions.reshape(len(fractions), -1, 2).astype(np.float64) * side + low


def _corners_and_sides(squares: tuple[coords.Box, ...]):
    edges = np.array(squares)
    return edges[:, None, :2], (edges[:, 2:] - edges[:, :2])[:, None]
