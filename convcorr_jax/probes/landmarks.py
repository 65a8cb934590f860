"""Landmarks of faces by ridge regression from one feature vector, refined by look-back.

A linear function predicts every landmark from the features of a square that shows the whole face. Each round of
look-back (`convcorr_jax.probes.look_back`) then predicts sets of landmarks anew from squares around them.

Look-back must be trained on squares like those of prediction. The training squares of a face therefore lie
where regressions that were fitted without the face's fold predict its landmarks: neither at the annotated
positions, nor at the predictions of a regression that was fitted to the face. Mirrored copies, with
left and right landmarks exchanged, double the faces; a face and its copy are in the same fold.

Differs from the paper: the first features are by default conv3 and not fc6, mirrored copies are trained on, and
there are two rounds of look-back where the paper has one.

Source: Sharif Razavian et al. 2014, section 3.1 and figure 3. The paper leaves open which six sets it uses,
whether training squares come from held-out faces, how large the margin is beyond "based on the maximum
prediction error", and which part of the image the first features describe; see
`convcorr_jax.probes.look_back`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from convcorr_jax import coords, images
from convcorr_jax.backbone import activations, preprocess, receptive_field
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.descriptors import global_features, view
from convcorr_jax.errors import InputError
from convcorr_jax.linear import grouped_folds
from convcorr_jax.linear.ridge import LowRankRidge, Ridge, fit_held_out, prediction_subspace, reduce_rank
from convcorr_jax.metrics import check_names
from convcorr_jax.probes.look_back import Region, needed_margin, squares_around, to_fractions, to_pixels
from convcorr_jax.probes.rgb import rgb_targets
from convcorr_jax.shapes import Image

FOLDS = 4
"""Number of folds that choose a penalty; the paper's."""


@dataclass(frozen=True, eq=False)
class Faces:
    """Images of faces with annotated landmarks (x, y), in pixels of each image; NaN where unknown.

    ``load_image`` takes a face's number and returns its 8-bit image. Frames are boxes around the faces,
    in pixels; features describe the smallest squares around them.
    """

    load_image: Callable[[int], Image]
    frames: tuple[coords.Box, ...]
    points: Float[np.ndarray, "faces n 2"]

    def __len__(self) -> int:
        return len(self.frames)


class FeatureMaps(NamedTuple):
    """A way to compute features everywhere in an image; those of a square are a window of these maps."""

    compute: Callable[[UInt8[np.ndarray, "b h w 3"]], Float[Array, "b h2 w2 c"]]
    stride_px: int
    unit_length: bool
    """The features of a square are scaled to unit length."""


class FeatureExtractor(NamedTuple):
    """A way to compute a row of features for every square image of a side."""

    side_px: int
    extract: Callable[[Iterable[Image]], Float[np.ndarray, "n d"]]
    maps: FeatureMaps


@dataclass(frozen=True, eq=False)
class LandmarkProbe:
    """Ridge regressions that predict a face's landmarks, and those of its regions in each round of look-back.

    The region ``face`` has all landmarks, predicted from the whole face.
    """

    names: tuple[str, ...]
    face: Region
    rounds: tuple[tuple[Region, ...], ...]


class LandmarkFit(NamedTuple):
    """A fitted probe, with its predictions of held-out training faces."""

    probe: LandmarkProbe
    held_out: list[Float[np.ndarray, "faces n 2"]]
    """In pixels, of regressions fitted without the face's fold, by the whole face and after each round."""
    held_out_full_rank: list[Float[np.ndarray, "faces n 2"]]
    """The same predictions before the rank of that round's regressions is reduced."""


Compute = Callable[[], Mapping[str, np.ndarray]]
"""Computes arrays by name."""
Cache = Callable[[str, Compute], Mapping[str, np.ndarray]]
"""Returns the arrays of a name: computed, or as an earlier run computed them."""


def compute_uncached(name: str, compute: Compute) -> Mapping[str, np.ndarray]:
    """Compute arrays, without a cache."""
    return compute()


class Prediction(NamedTuple):
    """Landmarks (x, y) predicted in one round, in pixels of each image."""

    points: Float[np.ndarray, "faces n 2"]
    squares: Mapping[str, tuple[coords.Box, ...]]
    """By region of the round, the square of each face that it was predicted from."""


def network_features(weights: Weights, *, layer: str, side_px: int | None = None) -> FeatureExtractor:
    """Return the extractor of a layer's activations.

    The default side of the squares is that for which the network was trained.
    """
    network = weights.network

    def compute(squares: UInt8[np.ndarray, "b h w 3"]) -> Float[Array, "b h2 w2 c"]:
        inputs = preprocess(squares, network=network)
        return activations(weights.params, inputs, network=network, layers=[layer])[layer]

    return FeatureExtractor(
        network.image_side if side_px is None else side_px,
        lambda squares: global_features(squares, weights=weights, layer=layer),
        FeatureMaps(compute, receptive_field(network, layer).stride_px, unit_length=True),
    )


def rgb_features(*, side_px: int) -> FeatureExtractor:
    """Return the extractor of a square's colours, between 0 and 1."""
    maps = FeatureMaps(lambda squares: jnp.float32(squares) / 255, 1, unit_length=False)
    return FeatureExtractor(side_px, lambda squares: rgb_targets(squares, side_px=side_px), maps)


def add_mirrored(faces: Faces, *, widths: Sequence[int], left_right_pairs: Sequence[tuple[int, int]]) -> Faces:
    """Return the faces, then their mirror images: face ``i`` is mirrored as face ``len(faces) + i``."""
    count = len(faces)

    def load_image(number: int) -> Image:
        if number < count:
            return faces.load_image(number)
        return images.flip(faces.load_image(number - count))

    points = [
        coords.flip_points(landmarks, width=width, left_right_pairs=left_right_pairs)
        for landmarks, width in zip(faces.points, widths, strict=True)
    ]
    frames = [coords.flip_box(box, width=width) for box, width in zip(faces.frames, widths, strict=True)]
    return Faces(load_image, (*faces.frames, *frames), np.concatenate([faces.points, np.stack(points)]))


def jitter_frames(faces: Faces, *, copies: int, shift: float, scale: float, seed: int = 0) -> Faces:
    """Return copies of the faces whose frames are displaced and scaled at random, as a detector's boxes are.

    Displacements along x and y and logarithms of scales are drawn from normal distributions. Copy ``c`` of face
    ``i`` is face ``c * len(faces) + i``.

    Args:
        shift: standard deviation of the displacement, in sides of the frame's square.
        scale: standard deviation of the logarithm of the scale.

    Raises:
        InputError: there are no copies, or a deviation is negative.
    """
    if copies < 1 or min(shift, scale) < 0:
        raise InputError(
            f"copies is {copies}, shift {shift} and scale {scale}; at least 1, 0 and 0 are expected"
        )
    count, rng = len(faces), np.random.default_rng(seed)
    frames = [
        _jittered(coords.square(box), rng.normal(0, shift, 2), rng.normal(0, scale))
        for _ in range(copies)
        for box in faces.frames
    ]
    return Faces(
        lambda number: faces.load_image(number % count), tuple(frames), np.tile(faces.points, (copies, 1, 1))
    )


def _jittered(square: coords.Box, shift: np.ndarray, log_scale: float) -> coords.Box:
    """Return a square displaced by parts of its side, and scaled around its center."""
    side = square.longer_side
    middle, half = np.array(square.center) + side * shift, side * np.exp(log_scale) / 2
    return coords.Box(*(middle - half).tolist(), *(middle + half).tolist())


def fit_landmarks(
    faces: Faces,
    extractor: FeatureExtractor,
    *,
    names: Sequence[str],
    people: Int[np.ndarray, " faces"],
    sets: Mapping[str, tuple[int, ...]],
    rounds: int = 1,
    share: float = 1.0,
    rank: int | None = None,
    cache: Cache = compute_uncached,
) -> LandmarkFit:
    """Fit a landmark probe to annotated faces; four folds choose every penalty.

    A set whose error on held-out faces does not fall in a round keeps its previous points. This happens to the
    jaw, of which a closer square shows less. (Differs from the paper, which predicts every set anew.)

    Args:
        faces: training faces with all landmarks present.
        people: a number for each face; faces with the same number stay in one fold, as a face and its mirrored
            copy must.
        sets: for each region of look-back its landmark indices; a landmark in no set keeps its first
            prediction.
        rounds: maximum number of rounds of look-back; 0 for none.
        share: fraction of the training faces whose errors the margins of the squares cover; the paper's is 1.
        rank: greatest rank of the weights of every regression; by default, that of ridge regression. Look-back
            is fitted to predictions of this rank, because prediction uses them too.

    Raises:
        InputError: a landmark is absent from a face or from all faces, there are fewer people than folds, a
            set has a landmark without a name, or the rank is not positive.
    """
    if rank is not None and rank < 1:
        raise InputError(f"rank is {rank}; at least 1 is expected")
    _check(faces, names, sets)
    folds = grouped_folds(people, k=FOLDS)
    frames = _squares(faces.frames)
    all_landmarks = tuple(range(len(names)))
    fitting = _Fitting(faces, extractor, folds, rank, cache)
    face = fitting.region(frames, "face", all_landmarks, 0.0, name="face")
    held_out, full_rank, fitted_rounds = [face.points], [face.full_rank], []
    for number in range(1, rounds + 1):
        previous = _clip_to_frames(held_out[-1], frames)
        fits = []
        for part, members in sets.items():
            margin = needed_margin(previous, faces.points, members, share=share)
            squares = squares_around(previous, members, margin=margin)
            fit = fitting.region(squares, part, members, margin, name=f"round_{number}_{part}")
            before = previous[:, list(members)]
            if _mean_distance(fit.points, faces, members) < _mean_distance(before, faces, members):
                fits.append(fit)
        if not fits:
            break
        regions = tuple(fit.region for fit in fits)
        fitted_rounds.append(regions)
        held_out.append(_merge(previous, regions, [fit.points for fit in fits]))
        full_rank.append(_merge(previous, regions, [fit.full_rank for fit in fits]))
    probe = LandmarkProbe(tuple(names), face.region, tuple(fitted_rounds))
    return LandmarkFit(probe, held_out, full_rank)


def predict_landmarks(probe: LandmarkProbe, faces: Faces, extractor: FeatureExtractor) -> list[Prediction]:
    """Predict the landmarks of faces: from the whole face, and after each round of look-back.

    The faces' points are not used; the extractor is the one that the probe was fitted with.

    Raises:
        InputError: a frame does not overlap its image.
    """
    frames = _squares(faces.frames)
    predictions = [Prediction(_predict_region(faces, frames, probe.face, extractor), {"face": frames})]
    for regions in probe.rounds:
        previous = _clip_to_frames(predictions[-1].points, frames)
        squares = {
            region.name: squares_around(previous, region.members, margin=region.margin) for region in regions
        }
        points = [_predict_region(faces, squares[region.name], region, extractor) for region in regions]
        predictions.append(Prediction(_merge(previous, regions, points), squares))
    return predictions


def _squares(boxes: Sequence[coords.Box]) -> tuple[coords.Box, ...]:
    return tuple(coords.square(box) for box in boxes)


class _RegionFit(NamedTuple):
    """A fitted region, with its predictions of held-out faces in pixels of each image."""

    region: Region
    points: Float[np.ndarray, "faces members 2"]
    full_rank: Float[np.ndarray, "faces members 2"]


class _Fitting(NamedTuple):
    """What the regressions of all regions share."""

    faces: Faces
    extractor: FeatureExtractor
    folds: Int[np.ndarray, " faces"]
    rank: int | None
    cache: Cache

    def region(self, squares, part, members, margin, *, name: str) -> _RegionFit:
        """Fit a region to the landmarks in squares; its arrays are cached under a name."""

        def compute() -> dict[str, np.ndarray]:
            features = _features(self.faces, squares, self.extractor)
            targets = to_fractions(self.faces.points[:, list(members)], squares)
            full, _, predicted = fit_held_out(features, targets, folds=self.folds, k=FOLDS)
            probe, reduced = full, predicted
            if self.rank is not None and self.rank < targets.shape[1]:
                subspace = prediction_subspace(np.asarray(full.predict(features)), rank=self.rank)
                probe, reduced = reduce_rank(full, subspace), subspace.project(predicted)
            held_out = {"held_out": reduced, "held_out_full_rank": predicted}
            return held_out | {key: np.asarray(array) for key, array in probe._asdict().items()}

        arrays = self.cache(name, compute)
        kind = LowRankRidge if "basis" in arrays else Ridge
        probe = kind(*(jnp.asarray(arrays[key]) for key in kind._fields))
        return _RegionFit(
            Region(part, tuple(members), margin, probe),
            to_pixels(arrays["held_out"], squares),
            to_pixels(arrays["held_out_full_rank"], squares),
        )


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
    check_names(names, count=faces.points.shape[1], what="landmarks")
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
