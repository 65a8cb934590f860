"""Landmarks of faces by ridge regression from one feature vector, refined by look-back.

A linear function predicts every landmark from the features of a square that shows the whole face. Each round of
look-back (`convcorr_jax.probes.look_back`) then predicts sets of landmarks anew from squares around them.

Look-back must be trained on squares like those it meets in use. The training squares therefore lie where
ridge regressions that were fitted without that face (without its fold) predict the landmarks: neither at the
annotated positions, nor at the predictions of a regression that was fitted to the face. Mirrored copies, with
left and right landmarks exchanged, double the faces; a face and its copy are in the same fold.

Source: Sharif Razavian et al. 2014, section 3.1 and figure 3. The paper leaves open which six sets it uses,
whether training squares come from held-out faces, how large the margin is beyond "based on the maximum
prediction error", and which part of the image the first features describe; see
`convcorr_jax.probes.look_back`.
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
from convcorr_jax.linear import grouped_folds
from convcorr_jax.linear.ridge import cross_predict, fit_best
from convcorr_jax.probes.look_back import (
    Region,
    needed_margin,
    squares_around,
    to_fractions,
    to_pixels,
)
from convcorr_jax.probes.rgb import rgb_targets
from convcorr_jax.shapes import Image

FOLDS = 4
"""Number of folds that choose a penalty; the paper's."""


@dataclass(frozen=True, eq=False)
class Faces:
    """Images of faces with annotated landmarks.

    Attributes:
        load_image: returns the image of the face with a given number, as 8-bit RGB; called whenever it is
            needed.
        frames: a box around each face, in pixels of its image; features describe the smallest square around it.
        points: landmarks (x, y), in pixels of each image; NaN where unknown.
    """

    load_image: Callable[[int], Image]
    frames: tuple[coords.Box, ...]
    points: Float[np.ndarray, "faces n 2"]

    def __len__(self) -> int:
        return len(self.frames)


class FeatureExtractor(NamedTuple):
    """A way to compute features of square images."""

    side_px: int
    """Side of the square images."""
    extract: Callable[[Iterable[Image]], Float[np.ndarray, "n d"]]
    """Computes one row of features for every image."""


@dataclass(frozen=True, eq=False)
class LandmarkProbe:
    """Ridge regressions that predict a face's landmarks, and those of its regions.

    Attributes:
        names: names of the landmarks.
        face: the region of all landmarks, predicted from the whole face.
        rounds: the regions of each round of look-back, in order.
    """

    names: tuple[str, ...]
    face: Region
    rounds: tuple[tuple[Region, ...], ...]


class LandmarkFit(NamedTuple):
    """A fitted probe, with its predictions of held-out training faces."""

    probe: LandmarkProbe
    """The probe, fitted to all training faces."""
    held_out: list[Float[np.ndarray, "faces n 2"]]
    """Predictions, in pixels of each image, of regressions that were fitted without the face's fold: from the
    whole face, and after each round of look-back."""


class Prediction(NamedTuple):
    """Landmarks predicted in one round."""

    points: Float[np.ndarray, "faces n 2"]
    """Landmarks (x, y), in pixels of each image."""
    squares: Mapping[str, tuple[coords.Box, ...]]
    """For every region of the round, the square of each face that it was predicted from, in pixels."""


def network_features(weights: Weights, *, layer: str) -> FeatureExtractor:
    """Return the extractor of a layer's activations, at the image size for which the network was trained.

    Args:
        weights: of the network.
        layer: name of the layer.
    """
    return FeatureExtractor(
        weights.network.image_side,
        lambda squares: global_features(squares, weights=weights, layer=layer),
    )


def rgb_features(*, side_px: int) -> FeatureExtractor:
    """Return the extractor of a square's colours, between 0 and 1.

    Args:
        side_px: side to which squares are resized.
    """
    return FeatureExtractor(side_px, lambda squares: rgb_targets(squares, side_px=side_px))


def with_mirrored(
    faces: Faces, *, widths: Sequence[int], left_right_pairs: Sequence[tuple[int, int]]
) -> Faces:
    """Return the faces followed by their mirror images.

    Args:
        faces: the faces.
        widths: width of each face's image, in pixels.
        left_right_pairs: indices of landmarks that exchange places in a mirror.

    Returns:
        Twice as many faces: face ``i`` is mirrored as face ``len(faces) + i``.
    """
    count = len(faces)

    def load_image(number: int) -> Image:
        if number < count:
            return faces.load_image(number)
        return images.flip(faces.load_image(number - count))

    points = [
        coords.flip_points(landmarks, width=width, left_right_pairs=left_right_pairs)
        for landmarks, width in zip(faces.points, widths, strict=True)
    ]
    frames = [
        coords.flip_box(box, width=width) for box, width in zip(faces.frames, widths, strict=True)
    ]
    return Faces(
        load_image, (*faces.frames, *frames), np.concatenate([faces.points, np.stack(points)])
    )


def fit_landmarks(
    faces: Faces,
    extractor: FeatureExtractor,
    *,
    names: Sequence[str],
    people: Int[np.ndarray, " faces"],
    sets: Mapping[str, tuple[int, ...]],
    rounds: int = 1,
    share: float = 1.0,
) -> LandmarkFit:
    """Fit a landmark probe to annotated faces; four folds choose every penalty.

    A set whose error on held-out faces does not fall in a round keeps its previous points. This happens to the
    jaw, of which a closer square shows less. (Differs from the paper, which predicts every set anew.)

    Args:
        faces: training faces with all landmarks present.
        extractor: computes features of squares.
        names: names of the landmarks.
        people: a number for each face; faces with the same number stay in one fold, as a face and its mirrored
            copy must.
        sets: for each region of look-back its landmark indices; a landmark in no set keeps its first
            prediction.
        rounds: maximum number of rounds of look-back; 0 for none.
        share: fraction of the training faces whose errors the margins of the squares cover; the paper's is 1.

    Raises:
        InputError: a landmark is absent from a face or from all faces, there are fewer people than folds, or a
            set has a landmark without a name.
    """
    _check(faces, names, sets)
    folds = grouped_folds(people, k=FOLDS)
    frames = _squares(faces.frames)
    all_landmarks = tuple(range(len(names)))
    face, predicted = _fit_region(faces, frames, "face", all_landmarks, 0.0, extractor, folds)
    held_out, fitted_rounds = [predicted], []
    for _ in range(rounds):
        previous = _clip_to_frames(held_out[-1], frames)
        regions, region_points = [], []
        for name, members in sets.items():
            margin = needed_margin(previous, faces.points, members, share=share)
            squares = squares_around(previous, members, margin=margin)
            region, points = _fit_region(faces, squares, name, members, margin, extractor, folds)
            before = previous[:, list(members)]
            if _mean_distance(points, faces, members) < _mean_distance(before, faces, members):
                regions.append(region)
                region_points.append(points)
        if not regions:
            break
        fitted_rounds.append(tuple(regions))
        held_out.append(_merge(previous, regions, region_points))
    return LandmarkFit(LandmarkProbe(tuple(names), face, tuple(fitted_rounds)), held_out)


def predict_landmarks(
    probe: LandmarkProbe, faces: Faces, extractor: FeatureExtractor
) -> list[Prediction]:
    """Predict the landmarks of faces: from the whole face, and after each round of look-back.

    Args:
        probe: the fitted probe.
        faces: the faces; their points are not used.
        extractor: the one that the probe was fitted with.

    Returns:
        One prediction for the whole face and one for each round; the last is the final one.

    Raises:
        InputError: a frame does not overlap its image.
    """
    frames = _squares(faces.frames)
    predictions = [
        Prediction(_predict_region(faces, frames, probe.face, extractor), {"face": frames})
    ]
    for regions in probe.rounds:
        previous = _clip_to_frames(predictions[-1].points, frames)
        squares = {
            region.name: squares_around(previous, region.members, margin=region.margin)
            for region in regions
        }
        points = [
            _predict_region(faces, squares[region.name], region, extractor) for region in regions
        ]
        predictions.append(Prediction(_merge(previous, regions, points), squares))
    return predictions


def _squares(boxes: Sequence[coords.Box]) -> tuple[coords.Box, ...]:
    return tuple(coords.square(box) for box in boxes)


def _fit_region(faces, squares, name, members, margin, extractor, folds):
    """Fit a region; return it with its predictions of held-out faces, in pixels."""
    features = _features(faces, squares, extractor)
    targets = to_fractions(faces.points[:, list(members)], squares)
    probe, _ = fit_best(features, targets, folds=folds, k=FOLDS)
    penalty = float(probe.penalty)
    predicted = cross_predict(features, targets, penalty=penalty, folds=folds, k=FOLDS)
    return Region(name, tuple(members), margin, probe), to_pixels(predicted, squares)


def _predict_region(faces, squares, region, extractor):
    features = _features(faces, squares, extractor)
    return to_pixels(np.asarray(region.probe.predict(features)), squares)


def _features(faces, squares, extractor):
    return extractor.extract(
        view(faces.load_image(number), box, sizes_px=(extractor.side_px,)).pyramid[0]
        for number, box in enumerate(squares)
    )


def _mean_distance(points, faces, members):
    return np.linalg.norm(points - faces.points[:, list(members)], axis=-1).mean()


def _merge(previous, regions, region_points):
    """Return the points of all regions, averaged where they overlap; previous points outside all regions."""
    sums, counts = np.zeros_like(previous), np.zeros(previous.shape[1])
    for region, points in zip(regions, region_points, strict=True):
        sums[:, list(region.members)] += points
        counts[list(region.members)] += 1
    merged = sums / np.maximum(counts, 1)[None, :, None]
    return np.where(counts[None, :, None] > 0, merged, previous)


def _clip_to_frames(points, frames):
    """Move points outside of their frame to its edge: a square must overlap the image."""
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
