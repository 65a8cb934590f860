"""Landmark probes of faces and the regression that finds a face: their training, and cached predictions."""

import dataclasses
import itertools
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from convcorr_jax import coords, probes
from convcorr_jax.datasets import Record, fingerprint, load_image
from convcorr_jax.descriptors import view
from convcorr_jax.errors import InputError
from convcorr_jax.linear import grouped_folds
from convcorr_jax.linear.ridge import LowRankRidge, fit_held_out, prediction_subspace, reduce_rank
from convcorr_jax.probes.landmarks import FOLDS, Cache, compute_uncached
from convcorr_jax.probes.search import SMALLEST
from convcorr_jax.runtime import progress, stage
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.landmarks.faces import FRAME_MARGIN, FaceSet, frame_of

LANDMARK_LAYER = "conv3"
"""The default layer: conv3 and conv4 leave a fifth less error than pool5 on held-out training faces of LFPW."""
RGB_PX = 32
"""Side of the square whose colours are the features of the baseline."""
_FRAMES_OF_BACKGROUND = 1
# Of this many backgrounds one is held out of the fit, to choose the threshold.
_HELD_OUT = 40
# Misplaced frames: parts of a face of these sizes, and frames of a face's size displaced by these distances,
# both in sides of the frame in place. Nearer frames move to the face.
_PARTS = (0.35, 0.65)
_DISPLACEMENTS = (0.3, 0.6)
# The threshold lies midway between these quantiles: of the presence of held-out faces, and of the highest
# presence of every held-out background. Some backgrounds show faces.
_FACE_QUANTILE, _BACKGROUND_QUANTILE = 0.05, 0.9


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
    """Edges x0, y0, x1, y1 of the test faces' squares, for the whole face and for each round's regions."""

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
    train: FaceSet,
    extractor: probes.FeatureExtractor,
    options: LandmarkOptions,
    *,
    cache: Cache = compute_uncached,
) -> probes.LandmarkFit:
    """Fit a landmark probe to faces.

    Its predictions of the held-out training faces are without mirror images and further copies.
    """
    options.check()
    markup, count = train.records[0], len(train.records)
    faces = train.faces(margin=options.margin)
    if options.mirrored:
        widths = [record.size.width for record in train.records]
        faces = probes.add_mirrored(faces, widths=widths, left_right_pairs=markup.left_right_pairs)
    if options.copies != 1 or options.shift or options.scale:
        faces = probes.jitter_frames(faces, copies=options.copies, shift=options.shift, scale=options.scale)
    sets = {}
    if options.rounds:
        sets = probes.look_back_sets(markup.part_sets, left_right_pairs=markup.left_right_pairs)
    fitted = probes.fit_landmarks(
        faces,
        extractor,
        names=markup.names,
        people=np.tile(np.arange(count), len(faces) // count),
        sets=sets,
        rounds=options.rounds,
        share=options.share,
        rank=options.rank,
        cache=cache,
    )
    return probes.LandmarkFit(
        fitted.probe,
        [points[:count] for points in fitted.held_out],
        [points[:count] for points in fitted.held_out_full_rank],
    )


def predict_rounds(
    train: FaceSet,
    test: FaceSet,
    extractor: probes.FeatureExtractor,
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
            predictions = probes.predict_landmarks(fitted.probe, faces, extractor)
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
    mean = probes.to_fractions(train.points, tuple(map(frame_of, train.records))).mean(axis=0)
    frames = test.faces(boxes=boxes).frames
    return probes.to_pixels(np.tile(mean, (len(frames), 1)), frames)


def random_faces(
    train: FaceSet, test: FaceSet, *, boxes: Sequence[coords.Box], seed: int = 0
) -> Float[np.ndarray, "faces n 2"]:
    """Return the landmarks of a random training face in each test face's square, in pixels of its image."""
    drawn = np.random.default_rng(seed).integers(len(train.points), size=len(test.points))
    fractions = probes.to_fractions(train.points, tuple(map(frame_of, train.records)))[drawn]
    return probes.to_pixels(fractions, test.faces(boxes=boxes).frames)


class FinderFit(NamedTuple):
    """A fitted finder, and the scores that chose its threshold."""

    finder: probes.FaceFinder
    faces: Float[np.ndarray, " faces"]
    """Presence of every training face, by a regression that was fitted without the face's fold."""
    backgrounds: Float[np.ndarray, " held_out"]
    """Highest presence in every held-out background."""


def fit_finder(
    train: FaceSet,
    backgrounds: Sequence[Record],
    probe: probes.LandmarkProbe,
    extractor: probes.FeatureExtractor,
    options: LandmarkOptions,
    *,
    cache: Cache,
    seed: int = 0,
) -> FinderFit:
    """Fit the regression of a face's presence, and choose its threshold.

    The targets are 1 for frames of the training faces, displaced and scaled as the landmark probe's, and 0 for
    parts of these faces, for frames beside them, and for random frames of backgrounds, most of which show no
    face.
    """
    if len(backgrounds) < _HELD_OUT:
        raise InputError(f"{len(backgrounds)} backgrounds are passed; at least {_HELD_OUT} are expected")
    learning = [record for number, record in enumerate(backgrounds) if number % _HELD_OUT]
    held_out = backgrounds[::_HELD_OUT]

    def fit() -> dict[str, np.ndarray]:
        rng, faces = np.random.default_rng(seed), len(train.records)
        side = extractor.side_px
        squares = itertools.chain(
            _in_place(train, options, rng, side),
            _misplaced(train, options, rng, side),
            _random_frames(learning, rng, side),
        )
        features = extractor.extract(squares)
        targets = (np.arange(len(features)) < faces).astype(np.float32)[:, None]
        # A face and its misplaced frame have the same group; so have the frames of one background.
        others = faces + np.repeat(np.arange(len(learning)), _FRAMES_OF_BACKGROUND)
        folds = grouped_folds(np.concatenate([np.tile(np.arange(faces), 2), others]), k=FOLDS)
        full, _, presence = fit_held_out(features, targets, folds=folds, k=FOLDS)
        subspace = prediction_subspace(np.asarray(full.predict(features)), rank=1)
        low_rank = reduce_rank(full, subspace)
        arrays = {name: np.asarray(value) for name, value in low_rank._asdict().items()}
        return arrays | {"faces": presence[:faces, 0]}

    arrays = cache("presence", fit)
    presence = LowRankRidge(*(jnp.asarray(arrays[name]) for name in LowRankRidge._fields))

    def search() -> dict[str, np.ndarray]:
        finder, margin = probes.FaceFinder(presence, -np.inf), options.margin
        mosaics = (
            probes.mosaic(load_image(record), extractor)
            for record in progress(held_out, description="backgrounds")
        )
        found = (probes.find_faces([one], probe.face, finder, extractor, margin=margin) for one in mosaics)
        return {"backgrounds": np.array([best.presence for ((best, *_),) in found])}

    highest = cache("backgrounds", search)["backgrounds"]
    threshold = (np.quantile(arrays["faces"], _FACE_QUANTILE) + np.quantile(highest, _BACKGROUND_QUANTILE)) / 2
    return FinderFit(probes.FaceFinder(presence, float(threshold)), arrays["faces"], highest)


def _in_place(
    train: FaceSet, options: LandmarkOptions, rng: np.random.Generator, side_px: int
) -> Iterator[Image]:
    for face, frame in _frames(train, options):
        shift = rng.normal(0, options.shift, 2) * frame.longer_side
        yield _square(face, frame, shift, np.exp(rng.normal(0, options.scale)), side_px)


def _misplaced(
    train: FaceSet, options: LandmarkOptions, rng: np.random.Generator, side_px: int
) -> Iterator[Image]:
    for number, (face, frame) in enumerate(_frames(train, options)):
        if number % 2:
            scale = rng.uniform(*_PARTS)
            shift = rng.uniform(-0.5, 0.5, 2) * (1 - scale)
        else:
            angle, scale = rng.uniform(0, 2 * np.pi), 1.0
            shift = rng.uniform(*_DISPLACEMENTS) * np.array([np.cos(angle), np.sin(angle)])
        yield _square(face, frame, shift * frame.longer_side, scale, side_px)


def _frames(train: FaceSet, options: LandmarkOptions) -> Iterator[tuple[Image, coords.Box]]:
    faces = train.faces(margin=options.margin)
    for number, frame in enumerate(faces.frames):
        yield faces.load_image(number), frame


def _random_frames(records: Sequence[Record], rng: np.random.Generator, side_px: int) -> Iterator[Image]:
    for record in records:
        photograph = load_image(record)
        height, width = photograph.shape[:2]
        for _ in range(_FRAMES_OF_BACKGROUND):
            side = min(height, width) * np.exp(rng.uniform(np.log(SMALLEST), 0))
            x, y = rng.uniform(0, (width - side, height - side)) - 0.5
            box = coords.Box(x, y, x + side, y + side)
            yield view(photograph, box, sizes_px=(side_px,)).pyramid[0]


def _square(
    photograph: Image, frame: coords.Box, shift: np.ndarray, scale: float, side_px: int
) -> UInt8[np.ndarray, "side side 3"]:
    """Return the square around a displaced and scaled frame, resampled."""
    middle, half = np.array(frame.center) + shift, frame.longer_side * scale / 2
    box = coords.Box(*(middle - half).tolist(), *(middle + half).tolist())
    return view(photograph, box, sizes_px=(side_px,)).pyramid[0]
