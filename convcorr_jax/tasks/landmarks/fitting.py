"""Landmark probes of faces: fitted to a set of faces, and their cached predictions of another set."""

import dataclasses
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords
from convcorr_jax.datasets import fingerprint
from convcorr_jax.errors import InputError
from convcorr_jax.probes import (
    FeatureExtractor,
    LandmarkFit,
    fit_landmarks,
    look_back_sets,
    predict_landmarks,
    to_fractions,
    to_pixels,
    with_jittered_frames,
    with_mirrored,
)
from convcorr_jax.probes.landmarks import Cache, computed
from convcorr_jax.runtime.stages import stage
from convcorr_jax.tasks.landmarks.faces import FRAME_MARGIN, FaceSet, frame_of

LANDMARK_LAYER = "conv3"
"""The default layer. On held-out training faces of LFPW, conv3 and conv4 leave a fifth less error than
pool5."""
RGB_PX = 32
"""Side of the square whose colours are the features of the baseline."""


@dataclass(frozen=True)
class LandmarkOptions:
    """Options of fitting a landmark probe."""

    rounds: int = 2
    """Rounds of look-back, at most."""
    share: float = 0.97
    """Fraction of the training faces whose errors the margins of look-back's squares cover; the paper's is 1.
    Chosen on held-out training faces of LFPW."""
    mirrored: bool = True
    """Train with every face and its mirror image."""
    margin: float = FRAME_MARGIN
    """Added on every side of the square around a face's landmarks, in units of its side, for the first
    features."""
    copies: int = 1
    """Frames of every face, and of every mirror image, that train."""
    shift: float = 0.0
    """Standard deviation of the training frames' displacement, in sides of the frame."""
    scale: float = 0.0
    """Standard deviation of the logarithm of the training frames' scale."""
    rank: int | None = None
    """Greatest rank of every regression's weights; by default they are not reduced."""

    def check(self) -> None:
        """Refuse options out of their range."""
        if self.rounds < 0 or not 0 < self.share <= 1:
            raise InputError(
                f"rounds is {self.rounds} and share {self.share}; at least 0, and from 0 to 1, are expected"
            )
        if self.margin < 0:
            raise InputError(f"margin is {self.margin}; at least 0 is expected")


class RoundPredictions(NamedTuple):
    """Landmarks predicted from the whole face, and after each round of look-back."""

    points: tuple[Float[np.ndarray, "faces n 2"], ...]
    """Landmarks of the test faces, in pixels of each image: for the whole face, then for each round."""
    held_out: tuple[Float[np.ndarray, "train n 2"], ...]
    """Landmarks of the training faces, predicted by regressions that were fitted without the face's fold."""
    squares: tuple[Float[np.ndarray, "regions faces 4"], ...]
    """Edges x0, y0, x1, y1 of the squares of the test faces, for the whole face and for each round's
    regions."""

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return all arrays by field and round."""
        return {
            f"{field}_{number}": array
            for field, arrays in self._asdict().items()
            for number, array in enumerate(arrays)
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "RoundPredictions":
        """Return the predictions with the arrays of `to_arrays`."""
        rounds = range(sum(name.startswith("points_") for name in arrays))
        return cls(*(tuple(arrays[f"{field}_{i}"] for i in rounds) for field in cls._fields))


def fit_faces(
    train: FaceSet, extractor: FeatureExtractor, options: LandmarkOptions, *, cache: Cache = computed
) -> LandmarkFit:
    """Fit a landmark probe to faces.

    Its predictions of the held-out training faces are without mirror images and further copies.
    """
    options.check()
    markup, count = train.records[0], len(train.records)
    faces, people = train.faces(margin=options.margin), np.arange(count)
    if options.mirrored:
        faces = with_mirrored(
            faces,
            widths=[record.size.width for record in train.records],
            left_right_pairs=markup.left_right_pairs,
        )
    if options.copies != 1 or options.shift or options.scale:
        faces = with_jittered_frames(faces, copies=options.copies, shift=options.shift, scale=options.scale)
    people = np.tile(people, len(faces) // count)
    sets = {}
    if options.rounds:
        sets = look_back_sets(markup.part_sets, left_right_pairs=markup.left_right_pairs)
    fitted = fit_landmarks(
        faces,
        extractor,
        names=markup.names,
        people=people,
        sets=sets,
        rounds=options.rounds,
        share=options.share,
        rank=options.rank,
        cache=cache,
    )
    return LandmarkFit(
        fitted.probe,
        [points[:count] for points in fitted.held_out],
        [points[:count] for points in fitted.held_out_full_rank],
    )


def predict_rounds(
    train: FaceSet,
    test: FaceSet,
    extractor: FeatureExtractor,
    options: LandmarkOptions,
    *,
    boxes: Mapping[str, Sequence[coords.Box]],
    path: Path,
    features_key: Mapping[str, Any],
) -> dict[str, RoundPredictions]:
    """Fit a probe to faces and predict others' landmarks in each kind of squares, or read the cached ones.

    ``features_key`` is everything that decides the features of a square, such as the weights' fingerprint.
    """

    def compute() -> dict[str, np.ndarray]:
        fitted = fit_faces(train, extractor, options)
        arrays = {}
        for name, of_kind in boxes.items():
            faces = test.faces(margin=options.margin, boxes=of_kind)
            predictions = predict_landmarks(fitted.probe, faces, extractor)
            rounds = RoundPredictions(
                tuple(prediction.points for prediction in predictions),
                tuple(fitted.held_out),
                tuple(np.array(list(prediction.squares.values())) for prediction in predictions),
            )
            arrays |= {f"{name}.{key}": array for key, array in rounds.to_arrays().items()}
        return arrays

    key = {
        "train": fingerprint(train.records),
        "test": fingerprint(test.records),
        "boxes": {name: zlib.crc32(np.array(each).tobytes()) for name, each in boxes.items()},
        **dataclasses.asdict(options),
        **features_key,
    }
    arrays = stage(path, key, compute)
    by_kind: dict[str, dict[str, np.ndarray]] = {name: {} for name in boxes}
    for name, values in arrays.items():
        kind, _, array = name.rpartition(".")
        by_kind[kind][array] = values
    return {kind: RoundPredictions.from_arrays(of_kind) for kind, of_kind in by_kind.items()}


def mean_face(train: FaceSet, test: FaceSet, *, boxes: Sequence[coords.Box]) -> Float[np.ndarray, "faces n 2"]:
    """Return the training faces' mean landmarks in each test face's square, in pixels of its image."""
    mean = to_fractions(train.points, tuple(map(frame_of, train.records))).mean(axis=0)
    frames = test.faces(boxes=boxes).frames
    return to_pixels(np.tile(mean, (len(frames), 1)), frames)
