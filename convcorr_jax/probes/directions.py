"""Semantic directions: attributes predicted from an image's feature vector, and the vector moved along them.

A ridge regression predicts an attribute from the feature vector f of an image: ``v . f + b``. Along its
direction, scaled to unit length, ``w = v / |v|``, the features change in this attribute alone:

    f~ = f - (w . f) w        f' = f~ + lambda w,

and ``w . f' = lambda``. A probe of colours (`convcorr_jax.probes.rgb`) shows the image of f'.

How visible the change is depends on the penalty. With the penalty that predicts best, w cancels whatever else
varies with the attribute, and images hardly change along it. With a larger penalty, w approaches ``X'y``, the
difference between the mean feature vectors of both classes, along which images change visibly: for LFW's
training faces from about 25 times the mean eigenvalue of X'X, while the best penalty for prediction is about 1.
So there is one probe for prediction (`fit_attributes`) and another for directions (`fit_directions`). Differs
from the paper: it has one probe, and states no other penalty for directions.

Source: Sharif Razavian et al. 2014, section 4, equations 6 and 7. They hold only for a w of unit length, which
the paper does not say.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax.errors import InputError
from convcorr_jax.linear.ridge import FoldSums, Ridge, fold_sums
from convcorr_jax.metrics import check_names


class AttributeProbe(NamedTuple):
    """Linear functions of a feature vector that predict attributes."""

    probe: Ridge
    """Each attribute has the penalty that is best for it."""
    held_out: Float[np.ndarray, "n t"]
    """Predictions for each training row by regressions fitted without its fold, with the same penalties."""
    thresholds: Float[np.ndarray, " t"]
    """Of an attribute with two values, a greater prediction means the higher one; NaN for others."""


class Directions(NamedTuple):
    """Directions in feature space along which attributes vary."""

    units: Float[np.ndarray, "t d"]
    """w, of unit length; the attribute rises along them."""
    low: Float[np.ndarray, " t"]
    """The least ``w . f`` of the training rows; ``high`` is the greatest."""
    high: Float[np.ndarray, " t"]


def fit_attributes(
    features: Float[np.ndarray, "n d"],
    values: Float[np.ndarray, "n t"],
    *,
    names: Sequence[str],
    folds: Int[np.ndarray, " n"],
    k: int,
) -> AttributeProbe:
    """Fit a probe to every attribute, each with its own penalty, which k folds choose.

    The threshold of an attribute with two values is half-way between the mean predictions for the rows of
    either value while they are held out. This predicts the rarer value, which regression underestimates, as
    well as the commoner one, without any use of test rows.

    Raises:
        InputError: an attribute has only one value, the folds are invalid, or a number is NaN or infinite.
    """
    values = values.astype(features.dtype)
    sums = fold_sums(features, values, folds=folds, k=k)
    return fit_attributes_sums(sums, [features], values, names=names, folds=folds)


def fit_attributes_sums(
    sums: FoldSums,
    blocks: Iterable[Float[np.ndarray, "_ d"]],
    values: Float[np.ndarray, "n t"],
    *,
    names: Sequence[str],
    folds: Int[np.ndarray, " n"],
) -> AttributeProbe:
    """Fit a probe to every attribute like `fit_attributes`, to rows that were summed up block by block.

    ``blocks`` are the features of the same images in their order, block by block, to predict those held out.
    """
    check_names(names, count=values.shape[1], what="attributes")
    for name, column in zip(names, values.T, strict=True):
        if len(np.unique(column)) < 2:
            raise InputError(f"attribute {name!r} has the one value {column[0]:g}; at least two are expected")
    penalty = sums.cross_validate(sums.penalty_grid()).best_of_each()
    models = [sums.without(fold, penalty) for fold in range(sums.k)]
    held_out, start = np.array(values), 0
    for block in blocks:
        of_block = folds[start : start + len(block)]
        for fold in np.unique(of_block):
            rows = np.flatnonzero(of_block == fold)
            held_out[start + rows] = np.asarray(models[fold].predict(block[rows]))
        start += len(block)
    return AttributeProbe(
        sums.solve(penalty),
        held_out,
        np.array([_threshold(*columns) for columns in zip(held_out.T, values.T, strict=True)]),
    )


def _threshold(predicted: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"]) -> float:
    distinct = np.unique(values)
    if len(distinct) != 2:
        return np.nan
    return float(np.mean([predicted[values == value].mean() for value in distinct]))


def fit_directions(
    features: Float[np.ndarray, "n d"], values: Float[np.ndarray, "n t"], *, penalty: float | None = None
) -> Directions:
    """Compute the directions along which attributes vary, and the range of the training rows along them.

    Args:
        penalty: of the ridge regression; by default the greatest of `convcorr_jax.linear.ridge.penalty_grid`, a
            hundred times the mean eigenvalue, along whose directions images change visibly.

    Raises:
        InputError: an attribute has only one value or no feature varies with it, the penalty is not positive,
            or a number is NaN or infinite.
    """
    values = values.astype(features.dtype)
    # Folds play no part here.
    sums = fold_sums(features, values, folds=np.arange(len(values)) % 2, k=2)
    return fit_directions_sums(sums, [features], values, penalty=penalty)


def fit_directions_sums(
    sums: FoldSums,
    blocks: Iterable[Float[np.ndarray, "_ d"]],
    values: Float[np.ndarray, "n t"],
    *,
    penalty: float | None = None,
) -> Directions:
    """Compute directions like `fit_directions`, from rows that were summed up block by block.

    ``blocks`` are the features of the same images, block by block, to find their range along the directions.
    """
    if not np.ptp(values, axis=0).all():
        raise InputError("an attribute has one value only; there is no direction along which it varies")
    fitted = sums.solve(float(sums.penalty_grid()[-1]) if penalty is None else penalty)
    weights = np.asarray(fitted.weights).T
    lengths = np.linalg.norm(weights, axis=1, keepdims=True)
    if not lengths.all():
        raise InputError("no feature varies with one of the attributes; it has no direction")
    units = weights / lengths
    along = [block @ units.T for block in blocks]
    low = np.min([values.min(axis=0) for values in along], axis=0)
    return Directions(units, low, np.max([values.max(axis=0) for values in along], axis=0))


def move_along(
    features: Float[np.ndarray, "n d"], unit: Float[np.ndarray, " d"], amounts: Float[np.ndarray, " s"]
) -> Float[np.ndarray, "n s d"]:
    """Replace the component of every feature vector along a direction by each amount: equations 6 and 7.

    >>> move_along(np.array([[3.0, 4.0]]), np.array([0.0, 1.0]), np.array([-1.0, 2.0])).tolist()
    [[[3.0, -1.0], [3.0, 2.0]]]
    """
    orthogonal = features - (features @ unit)[:, None] * unit[None]
    return orthogonal[:, None] + amounts[None, :, None] * unit[None, None]
