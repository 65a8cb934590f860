"""Everything that predicts a category's keypoints in a new box, as one value that can be saved.

A model is two files of one name: ``.npz`` with the arrays, ``.json`` with the rest. The network's own filters
are not in it; their fingerprint is.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float16

from convcorr_jax import coords
from convcorr_jax.backbone import find_network
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.descriptors.global_features import global_features
from convcorr_jax.descriptors.views import view
from convcorr_jax.errors import InputError
from convcorr_jax.io import check_file, json_file, with_ending, write_arrays, write_json
from convcorr_jax.io.arrays import Expected, read_arrays
from convcorr_jax.keypoints import prior
from convcorr_jax.keypoints.candidates import Cells, ConvCells, SiftCells, Square
from convcorr_jax.keypoints.detection import Detectors, peaks, scores
from convcorr_jax.keypoints.prior import POSITIVES, Calibration, Positive
from convcorr_jax.shapes import Image

PRIOR_LAYER = "pool5"
_ARRAYS = {
    "weights": Expected(np.floating, ("n", "window", "window", "d")),
    "bias": Expected(np.floating, ("n",)),
    "slope": Expected(np.floating, ("n",)),
    "offset": Expected(np.floating, ("n",)),
    "features": Expected(np.floating, ("objects", "e")),
    "points": Expected(np.floating, ("objects", "n", 2)),
}


@dataclasses.dataclass(frozen=True, eq=False)
class KeypointModel:
    """Detectors of a category's keypoints, and its training objects for the prior.

    Attributes:
        category: what the boxes show.
        names: of the keypoints.
        cells: where keypoints are looked for, and by which descriptors.
        network: whose pool5 finds the neighbours, and whose columns describe, if they do.
        fingerprint: of the network's filters.
        detectors: one a keypoint.
        calibration: of their scores.
        features: pool5 of every training object, at unit length.
        points: keypoints (x, y) of every training object, in pixels of the margined square; NaN where absent.
        positive: how scores become positive, see `convcorr_jax.keypoints.prior`.
        eta: weight of the prior.
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


class Evidence(NamedTuple):
    """What is seen in boxes, before it is decided where their keypoints are."""

    scores: Float[np.ndarray, "b h w n"]
    """Of every candidate, for every keypoint."""
    neighbor_points: Float[np.ndarray, "b n 2"]
    """Each keypoint's place in the nearest training object that has it, in pixels of the margined square."""
    to_photograph_px: tuple[coords.Transform, ...]
    """Pixels of each margined square to pixels of its photograph."""


class Decision(NamedTuple):
    """Where the keypoints of boxes are, and how sure that is."""

    points: Float[np.ndarray, "b n 2"]
    """(x, y) in pixels of each box's photograph."""
    confidence: Float[np.ndarray, "b n"]
    """The calibrated probability that the chosen candidate shows the keypoint, whatever the prior says."""


def pool5(
    photographs: Sequence[Image], boxes: Sequence[coords.Box], *, weights: Weights
) -> Float[np.ndarray, "b e"]:
    """What boxes are compared by: pool5 of each, warped to the network's own square, at unit length.

    Raises:
        InputError: a box does not meet its photograph.
    """
    sides = (weights.network.image_side,)
    squares = (
        view(photograph, box, sizes_px=sides).pyramid[0]
        for photograph, box in zip(photographs, boxes, strict=True)
    )
    return global_features(squares, weights=weights, layer=PRIOR_LAYER)


def look(
    model: KeypointModel,
    photographs: Sequence[Image],
    boxes: Sequence[coords.Box],
    *,
    weights: Weights,
) -> Evidence:
    """Score every candidate of every box, and find each box's neighbours.

    Raises:
        InputError: a box does not meet its photograph, or the weights are others than the model's.
    """
    if (weights.network.name, weights.fingerprint) != (model.network, model.fingerprint):
        raise InputError(
            f"the model of {model.category!r} was trained with {model.network} and other weights than "
            f"these of {weights.network.name} ({weights.source})"
        )
    views = [
        model.cells.square.show(photograph, box)
        for photograph, box in zip(photographs, boxes, strict=True)
    ]
    maps = model.cells.describe(np.stack([one.pyramid[0] for one in views]), weights.params)
    return Evidence(
        np.asarray(scores(maps, model.detectors)),
        prior.neighbor_points(
            pool5(photographs, boxes, weights=weights), model.features, model.points
        ),
        tuple(one.to_photograph_px for one in views),
    )


def decide(
    model: KeypointModel,
    evidence: Evidence,
    *,
    eta: float | None = None,
    positive: Positive | None = None,
    refine: bool = False,
) -> Decision:
    """The best candidate of every keypoint.

    Args:
        model: the detectors'.
        evidence: of the boxes, see `look`.
        eta: weight of the prior, 0 to 1; the model's by default.
        positive: how scores become positive; the model's way by default.
        refine: as of `detection.peaks`, on the combined score.
    """
    ranked = prior.rank(
        evidence.scores,
        evidence.neighbor_points,
        model.calibration,
        centers=model.cells.centers,
        eta=model.eta if eta is None else eta,
        positive=positive or model.positive,
    )
    found = peaks(ranked, model.cells.centers, refine=refine)
    log_probability = prior.log_scores(evidence.scores, model.calibration, positive="calibrated")
    flat = log_probability.reshape(len(ranked), -1, len(model.names))
    chosen = np.take_along_axis(flat, found.candidates[:, None], axis=1)[:, 0]
    return Decision(
        np.stack(
            [
                coords.apply(to_photograph_px, points)
                for to_photograph_px, points in zip(
                    evidence.to_photograph_px, found.points, strict=True
                )
            ]
        ),
        np.exp(chosen),
    )


def save(path: Path, model: KeypointModel, *, training: Mapping[str, Any]) -> None:
    """Write a model as ``path`` with the endings ``.npz`` and ``.json``.

    Args:
        path: the files' common name.
        model: what to save.
        training: facts about its training, for the reader of the ``.json``.

    Raises:
        InputError: they cannot be written.
    """
    write_arrays(
        with_ending(path, ".npz"),
        weights=np.asarray(model.detectors.weights, np.float32),
        bias=np.asarray(model.detectors.bias, np.float32),
        slope=model.calibration.slope,
        offset=model.calibration.offset,
        features=model.features,
        points=model.points,
    )
    cells = model.cells
    # Written last: where there is a .json there is a whole model.
    write_json(
        with_ending(path, ".json"),
        {
            "category": model.category,
            "names": list(model.names),
            "network": model.network,
            "fingerprint": model.fingerprint,
            "layers": list(cells.layers) if isinstance(cells, ConvCells) else None,
            "square": dataclasses.asdict(cells.square),
            "positive": model.positive,
            "eta": model.eta,
            "training": dict(training),
        },
    )


def load_model(path: Path) -> KeypointModel:
    """Read a model by the name of either of its files, or by what they have in common.

    Raises:
        InputError: a file is missing, cut short, or not what `save` writes.
    """
    told = with_ending(path, ".json")
    check_file(told, "keypoint model")
    arrays = read_arrays(with_ending(path, ".npz"), _ARRAYS)
    with json_file(told, "keypoint model") as found:
        network, square = find_network(found["network"]), Square(**found["square"])
        layers, names, eta = found["layers"], tuple(map(str, found["names"])), float(found["eta"])
        cells = SiftCells(square) if layers is None else ConvCells(network, tuple(layers), square)
        fits = (
            len(names) == len(arrays["bias"])
            and cells.window == arrays["weights"].shape[1]
            and cells.centers.size > 0
            and found["positive"] in POSITIVES
            and 0 <= eta <= 1
        )
        if not fits:
            raise ValueError("names, cells or the prior do not fit its arrays")
        return KeypointModel(
            category=str(found["category"]),
            names=names,
            cells=cells,
            network=network.name,
            fingerprint=str(found["fingerprint"]),
            detectors=Detectors(arrays["weights"], arrays["bias"]),
            calibration=Calibration(arrays["slope"], arrays["offset"]),
            features=arrays["features"],
            points=arrays["points"],
            positive=found["positive"],
            eta=eta,
        )
