"""Landmarks of faces by ridge regression from one description, and look-back.

From the description of a square that shows the whole face every landmark is read off by a linear function; then
`convcorr_jax.probes.look_back` looks at parts of the face again.

What look-back learns from has to look like what it will meet. So the squares that it is trained on lie where
ridges have put the landmarks that were fitted without that face (its fold), never where they really are, nor
where a ridge puts them that knows the face. Mirrored copies, with the landmarks of left and right exchanged,
double the faces; a face and its copy are in the same fold.

Source: Sharif Razavian et al. 2014, section 3.1 and figure 3. The paper leaves open which six sets it takes,
whether training squares come from faces that were held out, how large the margin is beyond "based on the
maximum prediction error", and what the first description shows; see `convcorr_jax.probes.look_back`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax import coords, images
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.descriptors.global_features import global_features
from convcorr_jax.descriptors.views import view
from convcorr_jax.errors import InputError
from convcorr_jax.linear.folds import grouped_folds
from convcorr_jax.linear.ridge.penalty import cross_predict, fit_best
from convcorr_jax.probes.look_back import (
    Region,
    needed_margin,
    squares_around,
    to_fractions,
    to_pixels,
)
from convcorr_jax.shapes import Image

# The paper's number of folds.
FOLDS = 4


@dataclass(frozen=True, eq=False)
class Faces:
    """Faces to learn from or to look at.

    Attributes:
        photograph: gives that of each face, by its number, as 8-bit RGB; called whenever one is needed.
        frames: a box around each face, in pixels of its photograph; the least square that holds it is
        described.
        points: landmarks (x, y) in pixels of the photograph.
    """

    photograph: Callable[[int], Image]
    frames: tuple[coords.Box, ...]
    points: Float[np.ndarray, "faces n 2"]

    def __len__(self) -> int:
        return len(self.frames)


class Description(NamedTuple):
    """How squares become features."""

    side_px: int
    features: Callable[[Iterable[Image]], Float[np.ndarray, "n d"]]


@dataclass(frozen=True, eq=False)
class LandmarkProbe:
    """Regressors of a face's landmarks, and of those of its parts.

    Attributes:
        names: of the landmarks.
        face: reads all landmarks off the whole face.
        rounds: of look-back, one after the other.
    """

    names: tuple[str, ...]
    face: Region
    rounds: tuple[tuple[Region, ...], ...]


class Sight(NamedTuple):
    """Where a probe saw the landmarks."""

    points: Float[np.ndarray, "faces n 2"]
    """(x, y) in pixels of each photograph."""
    squares: Mapping[str, tuple[coords.Box, ...]]
    """Of this round, the square of every region in every photograph."""


def convnet(weights: Weights, layer: str) -> Description:
    """A square's activations, at the side for which the network was trained."""
    return Description(
        weights.network.image_side,
        lambda squares: global_features(squares, weights=weights, layer=layer),
    )


def with_mirrored(
    faces: Faces, *, widths: Sequence[int], left_right_pairs: Sequence[tuple[int, int]]
) -> Faces:
    """The faces, and behind them each of them mirrored left to right.

    Args:
        faces: any.
        widths: of their photographs.
        left_right_pairs: landmarks that exchange places.
    """
    count = len(faces)

    def photograph(number: int) -> Image:
        if number < count:
            return faces.photograph(number)
        return images.flip(faces.photograph(number - count))

    points = [
        coords.flip_points(one, width=width, left_right_pairs=left_right_pairs)
        for one, width in zip(faces.points, widths, strict=True)
    ]
    frames = [
        coords.flip_box(box, width=width) for box, width in zip(faces.frames, widths, strict=True)
    ]
    return Faces(
        photograph, (*faces.frames, *frames), np.concatenate([faces.points, np.stack(points)])
    )


def fit(
    faces: Faces,
    description: Description,
    *,
    names: Sequence[str],
    people: Int[np.ndarray, " faces"],
    sets: Mapping[str, tuple[int, ...]],
    rounds: int = 1,
    share: float = 1.0,
) -> tuple[LandmarkProbe, list[Float[np.ndarray, "faces n 2"]]]:
    """Fit a probe to annotated faces; every penalty by four folds.

    A set whose error on faces held out a round does not lower stays as it was: the jaw does, of which a closer
    look shows less. (Differs from the paper, which looks at every set again.)

    Args:
        faces: with all landmarks present.
        description: of squares.
        names: of the landmarks.
        people: faces of one number stay in one fold, as a face and its mirrored copy must.
        sets: landmarks that are looked at together; one that is in none stays where it was.
        rounds: of look-back, at most; 0 for none.
        share: of the training faces whose errors the squares' margins cover; 1 is the paper's.

    Returns:
        The probe, and what it predicts of every training face by regressors fitted without its fold: from the
        whole face, and after each round.

    Raises:
        InputError: a landmark is absent from a face or from all, there are fewer people than folds, or a
            landmark of a set has no name.
    """
    _check(faces, names, sets)
    folds = grouped_folds(people, k=FOLDS)
    frames = _squares(faces.frames)
    everything = tuple(range(len(names)))
    face, predicted = _region(faces, frames, "face", everything, 0.0, description, folds)
    held_out, made = [predicted], []
    for _ in range(rounds):
        before = _inside(held_out[-1], frames)
        regions, found = [], []
        for name, members in sets.items():
            margin = needed_margin(before, faces.points, members, share=share)
            squares = squares_around(before, members, margin=margin)
            region, part = _region(faces, squares, name, members, margin, description, folds)
            if _distance(part, faces, members) < _distance(
                before[:, list(members)], faces, members
            ):
                regions.append(region)
                found.append(part)
        if not regions:
            break
        made.append(tuple(regions))
        held_out.append(_merged(before, regions, found))
    return LandmarkProbe(tuple(names), face, tuple(made)), held_out


def look(probe: LandmarkProbe, faces: Faces, description: Description) -> list[Sight]:
    """Where the probe sees the landmarks of faces: from the whole face, and after each round of look-back.

    Args:
        probe: of `fit`.
        faces: their points are not looked at.
        description: the one it was fitted with.

    Raises:
        InputError: a frame does not meet its photograph.
    """
    frames = _squares(faces.frames)
    sights = [Sight(_read(faces, frames, probe.face, description), {"face": frames})]
    for regions in probe.rounds:
        before = _inside(sights[-1].points, frames)
        squares = {
            one.name: squares_around(before, one.members, margin=one.margin) for one in regions
        }
        found = [_read(faces, squares[one.name], one, description) for one in regions]
        sights.append(Sight(_merged(before, regions, found), squares))
    return sights


def _squares(boxes: Sequence[coords.Box]) -> tuple[coords.Box, ...]:
    return tuple(coords.square(box) for box in boxes)


def _region(faces, squares, name, members, margin, description, folds):
    """A region's probe, and what it predicts of faces that were held out."""
    features = _features(faces, squares, description)
    targets = to_fractions(faces.points[:, list(members)], squares)
    probe, _ = fit_best(features, targets, folds=folds, k=FOLDS)
    penalty = float(probe.penalty)
    predicted = cross_predict(features, targets, penalty=penalty, folds=folds, k=FOLDS)
    return Region(name, tuple(members), margin, probe), to_pixels(predicted, squares)


def _read(faces, squares, region, description):
    features = _features(faces, squares, description)
    return to_pixels(np.asarray(region.probe.predict(features)), squares)


def _features(faces, squares, description):
    return description.features(
        view(faces.photograph(number), box, sizes_px=(description.side_px,)).pyramid[0]
        for number, box in enumerate(squares)
    )


def _distance(points, faces, members):
    return np.linalg.norm(points - faces.points[:, list(members)], axis=-1).mean()


def _merged(before, regions, found):
    """The points of all regions, means where they overlap; the points before where there is no region."""
    sums, counts = np.zeros_like(before), np.zeros(before.shape[1])
    for region, part in zip(regions, found, strict=True):
        sums[:, list(region.members)] += part
        counts[list(region.members)] += 1
    merged = sums / np.maximum(counts, 1)[None, :, None]
    return np.where(counts[None, :, None] > 0, merged, before)


def _inside(points, frames):
    """Points that were thrown out of the frame, on its edge: a square has to meet the photograph."""
    edges = np.array(frames)
    return np.clip(points, edges[:, None, :2], edges[:, None, 2:])


def _check(faces: Faces, names: Sequence[str], sets: Mapping[str, tuple[int, ...]]) -> None:
    absent = np.isnan(faces.points)
    never = [name for k, name in enumerate(names) if absent[:, k].all()]
    if never:
        raise InputError(f"landmarks {', '.join(never)} are annotated in none of the faces")
    lacking = int(absent.any(axis=(1, 2)).sum())
    if lacking:
        raise InputError(f"{lacking} of {len(faces)} faces lack landmarks; leave them out")
    for name, members in sets.items():
        if not members or not 0 <= min(members) <= max(members) < len(names):
            raise InputError(f"set {name!r} names landmarks beyond the {len(names)}")
