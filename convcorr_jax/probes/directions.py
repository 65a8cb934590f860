"""Semantic directions: what is said of a picture, read off its description, and moved in it.

A ridge regression reads an attribute off a vector f that describes a picture: ``v . f + b``. Along its
direction, brought to unit length, ``w = v / |v|``, the picture is altered in this attribute alone:

    f~ = f - (w . f) w        f' = f~ + lambda w,

and ``w . f' = lambda``. A probe of colours (`convcorr_jax.probes.rgb`) shows what f' looks like.

How much it shows depends on the penalty. The one that reads best has w cancel whatever else varies with the
attribute, and along such a w pictures hardly change. The larger the penalty, the nearer is w to ``X'y``, the
difference between the mean descriptions of both classes, which shows: of LFW's training faces from some 25
times the mean eigenvalue of X'X, where the best for reading is about 1. So there are probes for reading
(`read_out`) and others for altering (`directions`).

Source: Sharif Razavian et al. 2014, section 4, equations 6 and 7. They hold only for a w of unit length, which
the paper does not say.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax.errors import InputError
from convcorr_jax.linear import ridge
from convcorr_jax.linear.ridge import Ridge
from convcorr_jax.linear.ridge.penalty import cross_predict, cross_validate, penalty_grid


class ReadOut(NamedTuple):
    """Attributes as linear functions of a description."""

    probe: Ridge
    """Each target with the penalty that is best for it."""
    held_out: Float[np.ndarray, "n t"]
    """What is read off each row by the probe that was fitted without its fold, with the same penalties."""
    thresholds: Float[np.ndarray, " t"]
    """Of attributes with two values: above it is the higher one. NaN for others."""


class Directions(NamedTuple):
    """Directions along which attributes vary."""

    units: Float[np.ndarray, "t d"]
    """Of unit length; the attribute rises along it."""
    low: Float[np.ndarray, " t"]
    """The least ``w . f`` of the rows it was fitted to."""
    high: Float[np.ndarray, " t"]
    """The greatest."""


def read_out(
    features: Float[np.ndarray, "n d"],
    values: Float[np.ndarray, "n t"],
    *,
    names: Sequence[str],
    folds: Int[np.ndarray, " n"],
    k: int,
) -> ReadOut:
    """Fit a probe to every attribute; each has its own penalty, chosen by k folds.

    The threshold of an attribute with two values lies half-way between the means of what is read off the rows
    of either value while they are held out. So the rarer value, to which regression does less justice, is
    told as well as the other; and the tested rows have no part in it.

    Args:
        features: of pictures.
        values: of attributes.
        names: of the attributes.
        folds: the number, 0 to k - 1, of the fold that holds each row out (`convcorr_jax.linear.folds`).
        k: number of folds.

    Raises:
        InputError: an attribute has one value only, or as `penalty.cross_validate`.
    """
    for name, column in zip(names, values.T, strict=True):
        if len(np.unique(column)) < 2:
            raise InputError(
                f"attribute {name!r} has the one value {column[0]:g}; at least two are expected"
            )
    values = values.astype(features.dtype)
    curve = cross_validate(features, values, penalties=penalty_grid(features), folds=folds, k=k)
    penalty = curve.best_of_each()
    held_out = cross_predict(features, values, penalty=penalty, folds=folds, k=k)
    return ReadOut(
        ridge.fit(features, values, penalty=penalty),
        held_out,
        np.array([_threshold(*pair) for pair in zip(held_out.T, values.T, strict=True)]),
    )


def _threshold(read: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"]) -> float:
    found = np.unique(values)
    if len(found) != 2:
        return np.nan
    return float(np.mean([read[values == one].mean() for one in found]))


def directions(
    features: Float[np.ndarray, "n d"],
    values: Float[np.ndarray, "n t"],
    *,
    penalty: float | None = None,
) -> Directions:
    """The directions along which attributes vary, and how far the rows reach along them.

    Args:
        features: of pictures.
        values: of attributes.
        penalty: as of `ridge.fit`; the greatest of `penalty_grid` by default, see the module's text.

    Raises:
        InputError: as of `ridge.fit`; or an attribute has one value only.
    """
    penalty = float(penalty_grid(features)[-1]) if penalty is None else penalty
    if not np.ptp(values, axis=0).all():
        raise InputError(
            "an attribute has one value only; there is no direction along which it varies"
        )
    found = ridge.fit(features, values.astype(features.dtype), penalty=penalty)
    weights = np.asarray(found.weights).T
    units = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    along = features @ units.T
    return Directions(units, along.min(axis=0), along.max(axis=0))


def move(
    features: Float[np.ndarray, "n d"],
    unit: Float[np.ndarray, " d"],
    amounts: Float[np.ndarray, " s"],
) -> Float[np.ndarray, "n s d"]:
    """Every feature with its part along a direction put in place of by each amount: equations 6 and 7.

    >>> move(np.array([[3.0, 4.0]]), np.array([0.0, 1.0]), np.array([-1.0, 2.0])).tolist()
    [[[3.0, -1.0], [3.0, 2.0]]]

    Args:
        features: f, one a row.
        unit: w, of unit length.
        amounts: lambda.
    """
    beside = features - (features @ unit)[:, None] * unit[None]
    return beside[:, None] + amounts[None, :, None] * unit[None, None]
