"""Points from squares of a picture by ridge regression: of the whole face first, then of its parts.

A region is a set of landmarks that are read off the description of one square: their positions in it, as
fractions of its side, are the targets. The first region is the face. Every round of *look-back* then cuts a
square around each set of landmarks, where the round before has put them, out of the original pixels, describes
it anew, and reads the set off that.

The square is centred on the extent of the set. Its side is the longer side of that extent and, on both sides, a
margin that covers the errors of the round before in the training faces. It is kept in units of the longer side
of the extent of all landmarks, since faces differ in size.

Source: Sharif Razavian et al. 2014, section 3.1.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords
from convcorr_jax.errors import InputError
from convcorr_jax.linear.ridge import Ridge


class Region(NamedTuple):
    """A set of landmarks, where they are looked for, and how they are read off what is seen there."""

    name: str
    members: tuple[int, ...]
    margin: float
    """Added to each side of the landmarks' extent, in longer sides of the extent of the whole face."""
    probe: Ridge
    """From the description of the square to x and y of each member in turn, in fractions of its side."""


def look_back_sets(
    part_sets: Mapping[str, tuple[int, ...]], *, left_right_pairs: Sequence[tuple[int, int]]
) -> dict[str, tuple[int, ...]]:
    """Six sets of landmarks: both halves of the jaw, both eyes with their brows, the nose, the mouth.

    What lies in the middle of the jaw is in both halves. A mark-up that lacks a part has fewer sets.

    Args:
        part_sets: parts of the face by the names of `convcorr_jax.datasets.records.Record`: jaw (or chin),
            left_eye, left_brow, right_eye, right_brow, nose, lips.
        left_right_pairs: landmarks that exchange places in a mirror.

    Raises:
        InputError: the mark-up has none of these parts.
    """
    jaw = part_sets.get("jaw", part_sets.get("chin", ()))
    left, right = ({pair[side] for pair in left_right_pairs} for side in (0, 1))
    sets = {
        "left_jaw": tuple(index for index in jaw if index not in right),
        "right_jaw": tuple(index for index in jaw if index not in left),
        "left_eye": part_sets.get("left_eye", ()) + part_sets.get("left_brow", ()),
        "right_eye": part_sets.get("right_eye", ()) + part_sets.get("right_brow", ()),
        "nose": part_sets.get("nose", ()),
        "mouth": part_sets.get("lips", ()),
    }
    found = {name: members for name, members in sets.items() if members}
    if not found:
        raise InputError(
            f"the mark-up has parts {', '.join(part_sets) or 'of no name'}; jaw, chin, left_eye, left_brow, "
            "right_eye, right_brow, nose or lips are looked at again"
        )
    return found


def squares_around(
    points: Float[np.ndarray, "faces n 2"], members: tuple[int, ...], *, margin: float
) -> tuple[coords.Box, ...]:
    """Where to look for some of a face's landmarks, given about where all of them are.

    >>> square = squares_around(np.array([[[0.0, 0.0], [4.0, 2.0], [8.0, 8.0]]]), (0, 1), margin=0.25)
    >>> square[0]
    Box(x0=-2.0, y0=-3.0, x1=6.0, y1=5.0)
    """
    face = np.ptp(points, axis=1).max(axis=-1)
    inside = points[:, list(members)]
    low, high = inside.min(axis=1), inside.max(axis=1)
    half = (high - low).max(axis=-1) / 2 + margin * face
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
    """The margin with which the errors of this share of all faces stay inside of their squares.

    Of a face the greatest error of the members counts. A share of 1 is the paper's: the greatest error of all.
    """
    face = np.ptp(predicted, axis=1).max(axis=-1)
    chosen = list(members)
    errors = np.linalg.norm(predicted[:, chosen] - truth[:, chosen], axis=-1).max(axis=1) / face
    return float(np.quantile(errors, share))


def to_fractions(
    points: Float[np.ndarray, "faces n 2"], squares: tuple[coords.Box, ...]
) -> Float[np.ndarray, "faces t"]:
    """Points in pixels as rows of x, y, x, y ... in fractions of their square, 0 to 1 from edge to edge."""
    low, side = _frames(squares)
    return ((points - low) / side).reshape(len(points), -1).astype(np.float32)


def to_pixels(
    fractions: Float[np.ndarray, "faces t"], squares: tuple[coords.Box, ...]
) -> Float[np.ndarray, "faces n 2"]:
    """The inverse of `to_fractions`."""
    low, side = _frames(squares)
    return fractions.reshape(len(fractions), -1, 2).astype(np.float64) * side + low


def _frames(squares: tuple[coords.Box, ...]):
    edges = np.array(squares)
    return edges[:, None, :2], (edges[:, 2:] - edges[:, :2])[:, None]
