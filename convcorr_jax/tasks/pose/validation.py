"""How well a pose cascade finds the joints of people."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from convcorr_jax.errors import InputError
from convcorr_jax.metrics.joint_table import joint_errors
from convcorr_jax.pose import cascade
from convcorr_jax.pose.architecture import Architecture
from convcorr_jax.tasks.pose.examples import People

ALPHAS = (0.05, 0.1, 0.2)
"""Thresholds of the PCK, in the lengths by which a data set divides errors."""


class Found(NamedTuple):
    """Joints of everybody, in pixels of their photographs."""

    cascade: Float[np.ndarray, "n j 2"]
    coarse: Float[np.ndarray, "n j 2"]


class Scores(NamedTuple):
    """PCK over all joints of everybody, at every one of `ALPHAS`, as shares."""

    cascade: tuple[float, ...]
    coarse: tuple[float, ...]


def find_joints(
    params: cascade.Params, people: People, *, architecture: Architecture, batch: int
) -> Found:
    """Predict everybody, so many at a time."""
    count = len(people.records)
    points, coarse = [], []
    for start in range(0, count, batch):
        # The last batch is filled up, so that one compiled program serves all.
        rows = np.minimum(np.arange(start, start + batch), count - 1)
        some = people.batch(rows)
        found = cascade.predict(params, some.images, some.torso, architecture=architecture)
        points.append(np.asarray(found.points, float))
        coarse.append(np.asarray(found.coarse, float))
    return Found(
        people.to_photographs(np.concatenate(points)[:count]),
        people.to_photographs(np.concatenate(coarse)[:count]),
    )


def errors(
    points: Float[np.ndarray, "n j 2"], people: People, joints: Sequence[str]
) -> Float[np.ndarray, "n j"]:
    """Distances from the annotation over the lengths by which the data set divides them; NaN without either.

    Args:
        points: what was found, in pixels of the photographs.
        people: who were looked at.
        joints: names of the columns of ``points``.

    Raises:
        InputError: nobody has both a joint and a length.
    """
    columns = [people.records[0].names.index(joint) for joint in joints]
    truth = np.stack([one.points[columns] for one in people.records])
    lengths = np.array([one.normalizer_px or np.nan for one in people.records])
    found = joint_errors(points, truth, lengths)
    if np.isnan(found).all():
        raise InputError("nobody has both a joint and a length to divide errors by")
    return found


def score(found: Found, people: People, joints: Sequence[str]) -> Scores:
    """Compare what was found with the annotation; see `errors`."""

    def shares(points: Float[np.ndarray, "n j 2"]) -> tuple[float, ...]:
        apart = errors(points, people, joints)
        known = apart[~np.isnan(apart)]
        return tuple(float((known <= alpha).mean()) for alpha in ALPHAS)

    return Scores(*map(shares, found))


def validate(
    params: cascade.Params, people: People, *, architecture: Architecture, batch: int
) -> Scores:
    """Predict and score everybody."""
    on_one_device = jax.device_get(params)
    found = find_joints(on_one_device, people, architecture=architecture, batch=batch)
    return score(found, people, architecture.joints)
