"""The card of a keypoint model: its figures on test objects, and the terms of its data."""

import dataclasses

import numpy as np

from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets.records import load_image
from convcorr_jax.keypoints import KeypointModel, decode, predict
from convcorr_jax.metrics import LONG_2014, pck
from convcorr_jax.runtime.progress import progress
from convcorr_jax.tasks.keypoints.categories import Category

ALPHAS = (0.05, 0.1)
"""Thresholds of the card's PCK, in longer sides of the box."""
TERMS = (
    "Fitted to photographs of LFPW and Helen, of which no licence is stated, with the annotations of 300-W, "
    "which are provided for research purposes only (no commercial products). Use this model for non-commercial "
    "research only."
)
"""Terms of the data sets of faces."""
# A prediction takes a fifth of a second on one core of a CPU.
_EVERY = 4


def with_card(
    model: KeypointModel, category: Category, weights: Weights, *, command: str
) -> KeypointModel:
    """Return a model with the PCK on every fourth test object among the facts on its training.

    Args:
        model: the model.
        category: the objects, with an official split.
        weights: the network's weights.
        command: command that trains the model.

    Raises:
        InputError: an image cannot be read, or the weights differ from those of the training.
    """
    tested = category.tested[::_EVERY]
    points = []
    for number in progress(tested, description="card"):
        photograph, box = load_image(category.records[number]), category.boxes[number]
        prediction = predict(model, [photograph], [box], weights=weights)
        points.append(decode(model, prediction).points[0])
    known = [category.names.index(name) for name in model.names]
    result = pck(
        np.stack(points),
        category.points[tested][:, known],
        category.visible[tested][:, known],
        np.array([category.boxes[number].longer_side for number in tested]),
        ["all"] * len(tested),
        alphas=ALPHAS,
        protocol=LONG_2014,
    )
    card = {
        "command": command,
        "terms": TERMS,
        "bytes_of_arrays": sum(array.nbytes for array in model.to_fitted().arrays.values()),
        "tests": {
            "objects": len(tested),
            "pck": dict(zip(map(str, ALPHAS), map(float, result.mean), strict=True)),
        },
    }
    return dataclasses.replace(model, training={**model.training, "card": card})
