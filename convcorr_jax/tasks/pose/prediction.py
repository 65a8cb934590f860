"""Predicting the joints of people with a pose cascade, and PCK of the predictions."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from convcorr_jax.arrays import padded_batches
from convcorr_jax.errors import InputError
from convcorr_jax.metrics import joint_errors
from convcorr_jax.pose import Architecture, Batch, cascade
from convcorr_jax.runtime import devices
from convcorr_jax.tasks.pose.people import People

ALPHAS = (0.05, 0.1, 0.2)
"""Thresholds of PCK in validation, as fractions of the data set's normalizer."""


class PredictedJoints(NamedTuple):
    """Predicted joints (x, y) of all people, in pixels of their photographs."""

    cascade: Float[np.ndarray, "n j 2"]
    """Of the fine net, the last part of the cascade."""
    coarse: Float[np.ndarray, "n j 2"]
    """Predictions of the coarse net and the spatial model."""
    coarse_alone: Float[np.ndarray, "n j 2"]
    """Predictions of the coarse net, before the spatial model."""


class Scores(NamedTuple):
    """PCK over all joints of all people at each threshold of `ALPHAS`, between 0 and 1."""

    cascade: tuple[float, ...]
    coarse: tuple[float, ...]


def predict_joints(
    params: cascade.Params,
    people: People,
    *,
    architecture: Architecture,
    batch: int,
    mirrored: bool = True,
    rotated: bool = True,
    subcell: bool = True,
) -> PredictedJoints:
    """Predict the joints of all people; see `PredictionOptions`."""
    nets: dict[str, list[np.ndarray]] = {net: [] for net in PredictedJoints._fields}
    predict = _on_all_devices(architecture, mirrored, rotated, subcell)
    for rows, own in padded_batches(len(people.records), size=devices.round_up(batch)):
        prediction = predict(params, people.batch(rows))
        found = (prediction.points, prediction.coarse, prediction.coarse_alone)
        for batches, points in zip(nets.values(), found, strict=True):
            batches.append(np.asarray(points, float)[:own])
    return PredictedJoints(*(people.to_photographs(np.concatenate(batches)) for batches in nets.values()))


@functools.cache
def _on_all_devices(
    architecture: Architecture, mirrored: bool, rotated: bool, subcell: bool
) -> Callable[[cascade.Params, Batch], cascade.Prediction]:
    def predict(params: cascade.Params, batch: Batch) -> cascade.Prediction:
        return cascade.predict(
            params,
            batch.images,
            batch.torso,
            architecture=architecture,
            mirrored=mirrored,
            rotated=rotated,
            subcell=subcell,
        )

    return devices.on_local_devices(predict)


def prediction_errors(
    points: Float[np.ndarray, "n j 2"], people: People, joints: Sequence[str]
) -> Float[np.ndarray, "n j"]:
    """Compute distances from the annotation in the data set's normalizer; NaN where either is missing."""
    errors = _errors(points, people, joints)
    _check_known(int((~np.isnan(errors)).sum()))
    return errors


def _errors(
    points: Float[np.ndarray, "n j 2"], people: People, joints: Sequence[str]
) -> Float[np.ndarray, "n j"]:
    columns = [people.records[0].names.index(joint) for joint in joints]
    truth = np.stack([record.points[columns] for record in people.records])
    normalizers = np.array([record.normalizer_px or np.nan for record in people.records])
    return joint_errors(points, truth, normalizers)


def _check_known(count: int) -> None:
    if not count:
        raise InputError("no person has both an annotated joint and a length by which errors are divided")


def score(predicted: PredictedJoints, people: People, joints: Sequence[str]) -> Scores:
    """Compute PCK of predictions over all joints of all people, those of all hosts together."""

    def pck(points: Float[np.ndarray, "n j 2"]) -> tuple[float, ...]:
        errors = _errors(points, people, joints)
        counts = [(~np.isnan(errors)).sum(), *((errors <= alpha).sum() for alpha in ALPHAS)]
        known, *correct = devices.from_all_hosts(np.array([counts], np.int32)).sum(axis=0).tolist()
        _check_known(known)
        return tuple(count / known for count in correct)

    return Scores(pck(predicted.cascade), pck(predicted.coarse))


def validate(params: cascade.Params, people: People, *, architecture: Architecture, batch: int) -> Scores:
    """Compute PCK of a cascade on people, without mirrored and rotated copies."""
    predicted = predict_joints(
        jax.device_get(params), people, architecture=architecture, batch=batch, mirrored=False, rotated=False
    )
    return score(predicted, people, architecture.joints)
