"""Search for a face in a photograph by the features of a landmark probe.

Square frames of several sizes cover the photograph and overlap their neighbors. A ridge regression scores
each frame: from its features it predicts the *presence*, 1 for a face in place and 0 for anything else. The
landmarks that the probe predicts from the best frames then give new frames: the squares around these landmarks,
with the margin of training. After three such moves the frame with the highest presence is the face.

The landmark probe must be trained with displaced and scaled frames
(`convcorr_jax.probes.jitter_frames`): only then do predictions from a frame beside the face move it
towards the face.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords, images
from convcorr_jax.descriptors import view
from convcorr_jax.errors import InputError
from convcorr_jax.linear.ridge import LowRankRidge
from convcorr_jax.probes.landmarks import FeatureExtractor
from convcorr_jax.probes.look_back import Region, to_pixels
from convcorr_jax.shapes import Image

SMALLEST = 0.2
"""Side of the smallest frames, in shorter sides of the photograph."""
_SCALE_STEP = 1.35
"""Ratio of the sides of neighboring sizes."""
_STRIDE = 0.25
"""Distance of neighboring frames, in sides."""
_BEST = 16
"""Frames that are moved to their landmarks: one batch of features."""
_MOVES = 3
"""Number of moves; after them frames that show a face move by less than a twentieth of their side."""


class FaceFinder(NamedTuple):
    """A regression that scores frames, and the score from which a frame counts as a face."""

    presence: LowRankRidge
    threshold: float
    """Least presence of a face that was found with certainty."""


class FoundFace(NamedTuple):
    """The frame that most resembles a face; sure if its presence reaches the finder's threshold."""

    box: coords.Box
    """Around the predicted landmarks, in pixels of the photograph."""
    presence: float
    sure: bool


def candidate_frames(size: coords.Size, *, smallest: float = SMALLEST) -> tuple[coords.Box, ...]:
    """Return square frames of several sizes and places that cover a photograph.

    The greatest frames have the photograph's shorter side; each smaller size is 1.35 times smaller. Frames of
    one size are evenly spread from edge to edge, a quarter of their side apart or less.

    >>> len(candidate_frames(coords.Size(100, 100), smallest=1.0))
    1

    Args:
        smallest: side of the smallest frames, in shorter sides of the photograph.

    Raises:
        InputError: the fraction is not above 0 and at most 1.
    """
    if not 0 < smallest <= 1:
        raise InputError(f"smallest is {smallest}; a fraction above 0, at most 1, is expected")
    shorter = min(size)
    steps = int(np.floor(np.log(1 / smallest) / np.log(_SCALE_STEP) + 1e-9))
    frames = []
    for side in shorter / _SCALE_STEP ** np.arange(steps + 1):
        tops, lefts = (
            np.linspace(0, length - side, 1 + int(np.ceil((length - side) / (_STRIDE * side)))) - 0.5
            for length in size
        )
        frames += [coords.Box(x, y, x + side, y + side) for y in tops.tolist() for x in lefts.tolist()]
    return tuple(frames)


def find_face(
    photograph: Image, face: Region, finder: FaceFinder, extractor: FeatureExtractor, *, margin: float
) -> FoundFace:
    """Find the part of a photograph that most resembles a face.

    Args:
        face: the region of all landmarks, trained on jittered frames.
        margin: added on each side of the square around the landmarks, in units of its side, in training.

    Raises:
        InputError: a presence is NaN.
    """
    height, width = photograph.shape[:2]
    # No frame needs more pixels than its features are computed from.
    longest = extractor.side_px / SMALLEST * max(height, width) / min(height, width)
    small, to_small = photograph, coords.resize((height, width), (height, width))
    if longest < max(height, width):
        small, to_small = images.resize_longest_side(photograph, round(longest))
    frames = candidate_frames(coords.Size(*small.shape[:2]))
    features = _features(small, frames, extractor)
    presence = _presence(finder, features)
    best = np.argsort(-presence, kind="stable")[:_BEST]
    frames, features = tuple(frames[i] for i in best), features[best]
    for _ in range(_MOVES):
        points = to_pixels(np.asarray(face.probe.predict(features)), frames)
        squares = tuple(coords.square(coords.tight_box(landmarks)) for landmarks in points)
        frames = tuple(_inside(coords.grow(square, margin), small) for square in squares)
        features = _features(small, frames, extractor)
    presence = _presence(finder, features)
    winner = int(presence.argmax())
    corners = np.array(coords.grow(frames[winner], -margin / (1 + 2 * margin))).reshape(2, 2)
    edges = to_small.inverse(corners)
    return FoundFace(
        coords.Box(*edges.ravel().tolist()), float(presence[winner]), bool(presence[winner] >= finder.threshold)
    )


def _presence(finder: FaceFinder, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    presence = np.asarray(finder.presence.predict(features))[:, 0]
    if np.isnan(presence).any():
        raise InputError("the presence of a face is NaN in a frame; finite features are expected")
    return presence


def _features(
    photograph: Image, frames: tuple[coords.Box, ...], extractor: FeatureExtractor
) -> Float[np.ndarray, "n d"]:
    return extractor.extract(
        view(photograph, frame, sizes_px=(extractor.side_px,)).pyramid[0] for frame in frames
    )


def _inside(square: coords.Box, photograph: Image) -> coords.Box:
    """Return the square with its center moved into the photograph, at most twice its shorter side large."""
    height, width = photograph.shape[:2]
    half = min(square.longer_side, 2 * min(height, width)) / 2
    x, y = np.clip(square.center, 0, (width - 1, height - 1)).tolist()
    return coords.Box(x - half, y - half, x + half, y + half)
