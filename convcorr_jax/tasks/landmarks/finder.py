"""Training of the regression that finds a face in a photograph, beside a landmark probe."""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from convcorr_jax import coords
from convcorr_jax.datasets import Record, load_image
from convcorr_jax.descriptors import view
from convcorr_jax.errors import InputError
from convcorr_jax.linear import grouped_folds
from convcorr_jax.linear.ridge import LowRankRidge, fit_held_out, prediction_subspace, reduce_rank
from convcorr_jax.probes import FaceFinder, FeatureExtractor, LandmarkProbe, find_face
from convcorr_jax.probes.landmarks import FOLDS, Cache
from convcorr_jax.probes.search import SMALLEST
from convcorr_jax.runtime import progress
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.landmarks.faces import FaceSet
from convcorr_jax.tasks.landmarks.fitting import LandmarkOptions

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


class FinderFit(NamedTuple):
    """A fitted finder, and the scores that chose its threshold."""

    finder: FaceFinder
    faces: Float[np.ndarray, " faces"]
    """Presence of every training face, by a regression that was fitted without the face's fold."""
    backgrounds: Float[np.ndarray, " held_out"]
    """Highest presence in every held-out background."""


def fit_finder(
    train: FaceSet,
    backgrounds: Sequence[Record],
    probe: LandmarkProbe,
    extractor: FeatureExtractor,
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
    is_held_out = np.arange(len(backgrounds)) % _HELD_OUT == 0
    learning = [record for record, out in zip(backgrounds, is_held_out, strict=True) if not out]
    held_out = [record for record, out in zip(backgrounds, is_held_out, strict=True) if out]

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
        finder = FaceFinder(presence, 0.0)
        found = [
            find_face(load_image(record), probe.face, finder, extractor, margin=options.margin)
            for record in progress(held_out, description="backgrounds")
        ]
        return {"backgrounds": np.array([one.presence for one in found])}

    highest = cache("backgrounds", search)["backgrounds"]
    threshold = (np.quantile(arrays["faces"], _FACE_QUANTILE) + np.quantile(highest, _BACKGROUND_QUANTILE)) / 2
    return FinderFit(FaceFinder(presence, float(threshold)), arrays["faces"], highest)


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
