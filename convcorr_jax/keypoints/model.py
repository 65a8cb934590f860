"""A keypoint model: the detectors of a category's keypoints, and everything that prediction needs besides.

The model does not contain the network's weights, only their fingerprint.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, get_type_hints

import numpy as np
from jaxtyping import Float, Float16

from convcorr_jax import coords
from convcorr_jax.backbone import find_network
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.descriptors import feature_count, global_features, view
from convcorr_jax.errors import InputError
from convcorr_jax.io import Expected, Fitted, check_fields
from convcorr_jax.keypoints.candidates import Cells, ConvCells, SiftCells, Square
from convcorr_jax.keypoints.detection import Detectors, best_candidates, score_candidates
from convcorr_jax.keypoints.prior import Calibration, Positive, combine_with_prior, log_scores, neighbor_points
from convcorr_jax.shapes import Image

# The layer by which training objects are compared with a new box; the paper's.
PRIOR_LAYER = "pool5"
FACE = Path(__file__).with_name("face.npz")
"""The keypoint model of faces that ships with the package; ``face.md`` beside it describes its training."""


@dataclasses.dataclass(frozen=True, eq=False)
class KeypointModel:
    """Detectors of a category's keypoints, and the training objects for the prior.

    `convcorr_jax.io.save_fitted` and `load_fitted` write and read it.

    Attributes:
        category: the category of the objects.
        names: names of the n keypoints.
        cells: the candidates and their descriptors.
        network: name of the network that computes pool5 and, for `ConvCells`, the descriptors.
        fingerprint: fingerprint of the network's weights.
        detectors: the detectors, one for every keypoint.
        calibration: the calibration of the detectors' scores.
        features: pool5 of every training object, at unit length; its coordinates in ``basis``, if there is one.
        points: keypoints (x, y) of every training object, in pixels of the square with its margin; NaN where
            absent.
        positive: how scores become positive; see `convcorr_jax.keypoints.log_scores`.
        eta: the weight of the prior, from 0 to 1.
        training: facts about the training, as JSON holds them.
        basis: orthonormal directions of pool5 in which objects are compared; None to compare all of pool5.
    """

    category: str
    names: tuple[str, ...]
    cells: Cells
    network: str
    fingerprint: str
    detectors: Detectors
    calibration: Calibration
    features: Float16[np.ndarray, "objects e"]
    points: Float[np.ndarray, "objects n 2"]
    positive: Positive
    eta: float
    training: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    basis: Float16[np.ndarray, "pool5 e"] | None = None

    kind: ClassVar[str] = "keypoint model"

    def to_fitted(self) -> Fitted:
        """Return the model's arrays and facts as they are stored."""
        arrays = {
            "weights": np.asarray(self.detectors.weights, np.float32),
            "bias": np.asarray(self.detectors.bias, np.float32),
            "slope": self.calibration.slope,
            "offset": self.calibration.offset,
            "features": self.features,
            "points": self.points,
        }
        if self.basis is not None:
            arrays["basis"] = self.basis
        facts = {
            "category": self.category,
            "names": list(self.names),
            "network": self.network,
            "fingerprint": self.fingerprint,
            "layers": list(self.cells.layers) if isinstance(self.cells, ConvCells) else None,
            "square": dataclasses.asdict(self.cells.square),
            "positive": self.positive,
            "eta": self.eta,
            "has_basis": self.basis is not None,
            "training": dict(self.training),
        }
        return Fitted(arrays, facts)

    @classmethod
    def expected_arrays(cls, facts: Mapping[str, Any]) -> Mapping[str, Expected]:
        """Return the element kind and shape of every stored array.

        Raises:
            InputError: a fact is missing or of another type, names no network or layer, or is out of range.
        """
        # Files of earlier versions have no basis, and do not say so.
        check_fields(dict(facts), _FACTS, name="model", optional=("has_basis", "training"))
        check_fields(facts["square"], get_type_hints(Square), name="square")
        cells = _cells(facts)
        network = find_network(facts["network"])
        has_basis = facts.get("has_basis", False)
        pool5 = feature_count(network, PRIOR_LAYER, side_px=network.image_side)
        arrays: dict[str, tuple[int | str, ...]] = {
            "weights": (len(facts["names"]), cells.window, cells.window, cells.dimensions),
            "features": ("objects", "e" if has_basis else pool5),
            **dict.fromkeys(("bias", "slope", "offset"), (len(facts["names"]),)),
        }
        if has_basis:
            arrays["basis"] = (pool5, "e")
        return {"points": Expected(np.floating, ("objects", len(facts["names"]), 2))} | {
            name: Expected(np.floating, shape, finite=True) for name, shape in arrays.items()
        }

    @classmethod
    def from_fitted(cls, fitted: Fitted) -> "KeypointModel":
        """Rebuild a model from its stored arrays and facts.

        Raises:
            InputError: the box is too small for a cell, names repeat, eta is out of range, or a point is
                infinite or half absent.
        """
        arrays, facts = fitted
        cells, names, eta = _cells(facts), tuple(facts["names"]), float(facts["eta"])
        if not (names and len(set(names)) == len(names) and cells.centers.size and 0 <= eta <= 1):
            raise InputError("its names, cells or eta do not fit a model")
        absent = np.isnan(arrays["points"])
        if np.isinf(arrays["points"]).any() or (absent[..., 0] != absent[..., 1]).any():
            raise InputError("its points are not finite or absent")
        return cls(
            category=facts["category"],
            names=names,
            cells=cells,
            network=facts["network"],
            fingerprint=facts["fingerprint"],
            detectors=Detectors(arrays["weights"], arrays["bias"]),
            calibration=Calibration(arrays["slope"], arrays["offset"]),
            features=arrays["features"],
            points=arrays["points"],
            positive=facts["positive"],
            eta=eta,
            training=dict(facts.get("training", {})),
            basis=arrays.get("basis"),
        )


_FACTS = {
    "category": str,
    "names": tuple[str, ...],
    "network": str,
    "fingerprint": str,
    "layers": tuple[str, ...] | None,
    "square": dict[str, Any],
    "positive": Positive,
    "eta": float,
    "has_basis": bool,
    "training": dict[str, Any],
}


def _cells(facts: Mapping[str, Any]) -> Cells:
    network, square = find_network(facts["network"]), Square(**facts["square"])
    if facts["layers"] is None:
        return SiftCells(square)
    if not facts["layers"]:
        raise InputError("it has no layers; at least one is expected")
    return ConvCells(network, tuple(facts["layers"]), square)


class Prediction(NamedTuple):
    """Scores and neighbors of boxes, from which `decode` computes keypoints."""

    scores: Float[np.ndarray, "b h w n"]
    neighbor_points: Float[np.ndarray, "b n 2"]
    """Each keypoint in the most similar training object that shows it, in the square; NaN where none does."""
    to_photograph_px: tuple[coords.Transform, ...]
    """From pixels of each box's square."""


class Detections(NamedTuple):
    """The detected keypoints of boxes."""

    points: Float[np.ndarray, "b n 2"]
    """(x, y) in pixels of each box's photograph."""
    confidence: Float[np.ndarray, "b n"]
    """The calibrated probability, from 0 to 1, that the best candidate shows the keypoint; without the
    prior."""


def prior_features(
    photographs: Sequence[Image], boxes: Sequence[coords.Box], *, weights: Weights
) -> Float[np.ndarray, "b e"]:
    """Compute the features by which objects are compared for the prior: pool5 of every box, at unit length.

    Each box, in pixels of its photograph, is warped to the network's input square.
    """
    sides = (weights.network.image_side,)
    squares = (
        view(photograph, box, sizes_px=sides).pyramid[0]
        for photograph, box in zip(photographs, boxes, strict=True)
    )
    return global_features(squares, weights=weights, layer=PRIOR_LAYER)


def predict(
    model: KeypointModel, photographs: Sequence[Image], boxes: Sequence[coords.Box], *, weights: Weights
) -> Prediction:
    """Score every candidate of every box, and find the most similar training objects.

    Raises:
        InputError: the model was trained with other weights.
    """
    if (weights.network.name, weights.fingerprint) != (model.network, model.fingerprint):
        raise InputError(
            f"the model of {model.category!r} was trained with {model.network} and other weights than "
            f"these of {weights.network.name} ({weights.source})"
        )
    views = [
        model.cells.square.warp(photograph, box) for photograph, box in zip(photographs, boxes, strict=True)
    ]
    maps = model.cells.describe(np.stack([view.pyramid[0] for view in views]), weights.params)
    features = prior_features(photographs, boxes, weights=weights)
    if model.basis is not None:
        features = features @ model.basis.astype(np.float32)
    return Prediction(
        np.asarray(score_candidates(maps, model.detectors)),
        neighbor_points(features, model.features, model.points),
        tuple(view.to_photograph_px for view in views),
    )


def decode(
    model: KeypointModel,
    prediction: Prediction,
    *,
    eta: float | None = None,
    positive: Positive | None = None,
    refine: bool = False,
) -> Detections:
    """Choose the best candidate of every keypoint by its score and the prior.

    Args:
        refine: move each point to the vertex of the parabola through the combined scores of the best
            candidate and its neighbors, on each axis independently, by at most half a cell.
    """
    centers = model.cells.centers
    combined = combine_with_prior(
        prediction.scores,
        prediction.neighbor_points,
        model.calibration,
        centers=centers,
        eta=model.eta if eta is None else eta,
        positive=positive or model.positive,
    )
    best = best_candidates(combined, centers, refine=refine)
    log_probability = log_scores(prediction.scores, model.calibration, positive="calibrated")
    flat = log_probability.reshape(len(combined), -1, len(model.names))
    chosen = np.take_along_axis(flat, best.candidates[:, None], axis=1)[:, 0]
    transforms = zip(prediction.to_photograph_px, best.points, strict=True)
    return Detections(
        np.stack([to_photograph_px(points) for to_photograph_px, points in transforms]), np.exp(chosen)
    )
