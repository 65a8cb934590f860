"""An object's keypoints by ridge regression from one description of its box: a set of regressors a category.

Points are in the frame of the square that the box is squashed to, as if it were one pixel: its centre is 0, its
edges are -0.5 and 0.5. A keypoint that an object does not have (NaN) says nothing about the others: each is
fitted to the objects that have it. Keypoints that the same objects have are fitted together, with one penalty.

Source: Sharif Razavian et al. 2014, section 3.1, "Object Keypoints".
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from convcorr_jax.errors import InputError
from convcorr_jax.linear.folds import grouped_folds
from convcorr_jax.linear.ridge import Ridge
from convcorr_jax.linear.ridge.penalty import fit_best

# The paper's number of folds.
FOLDS = 4
# Every second penalty of the grid: steps of less than 5 change errors by less than another fold does.
_PENALTIES = slice(None, None, 2)


class KeypointRegressors(NamedTuple):
    """Linear functions of a description, two a keypoint."""

    probe: Ridge
    """To x and y of each keypoint in turn, with the penalty of those that it was fitted with."""
    held_out_errors: Float[np.ndarray, " n"]
    """The mean squared distance of keypoints that were held out, with these penalties."""

    def predict(self, features: Float[np.ndarray, "objects d"]) -> Float[np.ndarray, "objects n 2"]:
        """Where the keypoints of described objects are."""
        return np.asarray(self.probe.predict(features)).reshape(len(features), -1, 2)


def fit_keypoints(
    features: Float[np.ndarray, "rows d"],
    points: Float[np.ndarray, "rows n 2"],
    objects: Int[np.ndarray, " rows"],
    *,
    names: Sequence[str],
) -> KeypointRegressors:
    """Fit all keypoints of a category; four folds choose the penalties.

    Args:
        features: of training objects, mirrored copies among them.
        points: NaN where an object does not have the keypoint.
        objects: which object each row shows; its copies are held out with it.
        names: of the keypoints.

    Raises:
        InputError: a keypoint is annotated in fewer training objects than there are folds, or as `fit_best`.
    """
    present = ~np.isnan(points[..., 0])
    for name, some in zip(names, present.T, strict=True):
        count = len(np.unique(objects[some]))
        if count < FOLDS:
            raise InputError(
                f"keypoint {name!r} is annotated in {count} training objects; at least {FOLDS} are expected"
            )
    patterns, pattern_of = np.unique(present, axis=1, return_inverse=True)
    columns, found, errors = [], [], np.empty(len(names))
    for number, rows in enumerate(patterns.T):
        members = np.flatnonzero(pattern_of == number)
        probe, curve = fit_best(
            features[rows],
            points[rows][:, members].reshape(rows.sum(), -1).astype(features.dtype),
            folds=grouped_folds(objects[rows], k=FOLDS),
            k=FOLDS,
        )
        found.append(probe.for_each_target())
        columns += (2 * members[:, None] + [0, 1]).ravel().tolist()
        best = curve.errors[curve.errors.sum(axis=1).argmin()]
        errors[members] = best.reshape(-1, 2).sum(axis=1)
    order = np.argsort(columns)
    together = (jnp.concatenate(parts, axis=-1)[..., order] for parts in zip(*found, strict=True))
    return KeypointRegressors(Ridge(*together), errors)


def mean_keypoints(points: Float[np.ndarray, "rows n 2"]) -> Float[np.ndarray, "n 2"]:
    """Where keypoints are in the mean of the objects that have them: what needs no picture.

    >>> mean_keypoints(np.array([[[0.0, 1.0], [np.nan, np.nan]], [[1.0, 1.0], [0.5, 0.5]]]))
    array([[0.5, 1. ],
           [0.5, 0.5]])
    """
    present = ~np.isnan(points)
    return np.where(present, points, 0).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
