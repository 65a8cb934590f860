"""The records of labelled photographs, which every format is read into and written from.

Points are (x, y) in pixels of the photograph, 0-based, with pixel centres at integers, ``[n, 2]`` in the order
of the names. A point that is absent (not visible, outside the photograph) is NaN.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from convcorr_jax import coords


class LabelledObject(NamedTuple):
    """An object that a person labelled."""

    points: Float[np.ndarray, "n 2"]
    box: coords.Box | None = None
    mask: Bool[np.ndarray, "h w"] | None = None


class FoundObject(NamedTuple):
    """An object that was found, and how sure that is."""

    points: Float[np.ndarray, "n 2"]
    """Finite where a point was searched, even if it is likely to be absent."""
    confidence: Float[np.ndarray, " n"] | None
    """The probability that a point is there and right; None if it is unknown."""
    box: coords.Box
    score: float | None
    """How certain it is that there is an object; None in the user's box."""
    radius_px: Float[np.ndarray, " n"] | None = None
    """The radius around a point that holds the true one in 90 % of cases; NaN or None where unknown."""
    absent: Bool[np.ndarray, " n"] | None = None
    """The points that are likely to be absent; None if none is."""

    @property
    def present(self) -> Float[np.ndarray, "n 2"]:
        """The points as files state them: NaN where they are likely to be absent."""
        return self.points if self.absent is None else np.where(self.absent[:, None], np.nan, self.points)


class LabelledPhotograph(NamedTuple):
    """A photograph with its labelled objects; none if there is nothing in it."""

    path: Path
    objects: tuple[LabelledObject, ...]


class FoundPhotograph(NamedTuple):
    """A photograph of a size (height, width) with the objects that were found in it."""

    path: Path
    size: tuple[int, int]
    objects: tuple[FoundObject, ...]
    verdict: str | None = None
    """good, doubtful or poor; ``labelled`` if a person labelled the photograph; None without a verdict."""
    rank: int | None = None
    """The place in the order in which one should look at the photographs, from 0."""


@dataclass(frozen=True)
class Labels:
    """Labelled photographs of objects with the same named points."""

    names: tuple[str, ...]
    photographs: tuple[LabelledPhotograph, ...]
    category: str = "object"
    skeleton: tuple[tuple[int, int], ...] = ()
    """The pairs of points that are drawn as lines."""


@dataclass(frozen=True)
class Found:
    """Photographs with the objects that were found in them, all with the same named points."""

    names: tuple[str, ...]
    photographs: tuple[FoundPhotograph, ...]
    category: str = "object"
    skeleton: tuple[tuple[int, int], ...] = ()


Locate = Callable[[str, Sequence[float] | None], tuple[Path, coords.Size]]
"""What readers call with a photograph as a file names it, and its (height, width) if the file states them.

It returns the path and the size of the upright photograph, and refuses one that is missing or of another size.
"""
