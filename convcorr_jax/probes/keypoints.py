"""An object's keypoints by ridge regression from the features of its box: one set of regressors a category.

Points are in the frame of the square to which the box is resized, measured in its sides: the centre is 0, the
edges are -0.5 and 0.5. Each keypoint is fitted to the objects that have it; a missing keypoint (NaN) does not
affect the others. Keypoints that the same objects have are fitted together, with one penalty.

Source: Sharif Razavian et al. 2014, section 3.1, "Object Keypoints".
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from convcorr_jax.errors import InputError
from convcorr_jax.linear import grouped_folds
from convcorr_jax.linear.ridge import Ridge, argmin_error, fit_best
from convcorr_jax.metrics import check_names

FOLDS = 4
"""Number of folds that choose a penalty; the paper's."""


class KeypointRegressors(NamedTuple):
    """Linear functions of a feature vector, two for each keypoint."""

    probe: Ridge
    """Predicts x and y of each keypoint in turn; each has the penalty of the keypoints it was fitted with."""
    held_out_errors: Float[np.ndarray, " n"]
    """Mean squared distance of each keypoint on held-out objects, with these penalties."""

    def predict(self, features: Float[np.ndarray, "objects d"]) -> Float[np.ndarray, "objects n 2"]:
        """Predict the keypoints (x, y) of objects, in the frame of their squares."""
        return np.asarray(self.probe.predict(features)).reshape(len(features), -1, 2)


def fit_keypoints(
    features: Float[np.ndarray, "rows d"],
    points: Float[np.ndarray, "rows n 2"],
    objects: Int[np.ndarray, " rows"],
    *,
    names: Sequence[str],
) -> KeypointRegressors:
    """Fit all keypoints of a category; four folds choose the penalties.

    Objects are numbers, one for each row; all copies of an object are held out together.

    Raises:
        InputError: a keypoint is annotated in fewer training objects than there are folds, or features are NaN
            or infinite.
    """
    present = ~np.isnan(points[..., 0])
    check_names(names, count=points.shape[1], what="keypoints")
    for name, rows in zip(names, present.T, strict=True):
        count = len(np.unique(objects[rows]))
        if count < FOLDS:
            raise InputError(
                f"keypoint {name!r} is annotated in {count} training objects; at least {FOLDS} are expected"
            )
    patterns, pattern_of = np.unique(present, axis=1, return_inverse=True)
    columns, probes, errors = [], [], np.empty(len(names))
    for number, rows in enumerate(patterns.T):
        members = np.flatnonzero(pattern_of == number)
        probe, curve = fit_best(
            features[rows],
            points[rows][:, members].reshape(rows.sum(), -1).astype(features.dtype),
            folds=grouped_folds(objects[rows], k=FOLDS),
            k=FOLDS,
        )
        probes.append(probe.for_each_target())
        columns += (2 * members[:, None] + [0, 1]).ravel().tolist()
        best = curve.errors[argmin_error(curve.errors.sum(axis=1))]
        errors[members] = best.reshape(-1, 2).sum(axis=1)
    order = np.argsort(columns)
    parts = zip(*probes, strict=True)
    joined = (jnp.concatenate(arrays, axis=-1)[..., order] for arrays in parts)
    return KeypointRegressors(Ridge(*joined), errors)


def mean_keypoints(points: Float[np.ndarray, "rows n 2"]) -> Float[np.ndarray, "n 2"]:
    """Compute the mean position of each keypoint over the objects that have it: a baseline without images.

    A keypoint that no object has is at the centre, 0.

    >>> mean_keypoints(np.array([[[0.0, 1.0], [np.nan, np.nan]], [[1.0, 1.0], [0.5, 0.5]]]))
    array([[0.5, 1. ],
           [0.5, 0.5]])
    """
    present = ~np.isnan(points)
    return np.where(present, points, 0).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
