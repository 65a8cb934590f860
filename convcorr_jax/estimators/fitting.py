"""Checks and precision of data, and folds from scikit-learn's splitters."""

import contextlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int, Shaped
from sklearn.utils import check_array

# pyrefly's stubs of scikit-learn are older than this function.
from sklearn.utils.validation import (
    validate_data as validate_data,  # pyrefly: ignore[missing-module-attribute]
)

from convcorr_jax.errors import InputError

PRECISIONS = (np.float64, np.float32)
"""The precisions of features, as `sklearn.utils.check_array` takes them: others become the first of them."""


class Folds(NamedTuple):
    """The fold that holds out each row, and the number of folds."""

    numbers: Int[np.ndarray, " n"]
    k: int


def precision_of(features: Shaped[np.ndarray, "n d"]) -> contextlib.AbstractContextManager[Any]:
    """Let JAX compute in the precision of the features while the context is open.

    Args:
        features: in single or double precision.
    """
    return jax.enable_x64(features.dtype == np.float64)


def check_number(value: Any, name: str, *, kinds: str = "iuf", most_axes: int = 0) -> None:
    """Refuse an option that is no number.

    Args:
        value: the option.
        name: its name.
        kinds: the kinds of numbers that are allowed, in NumPy's letters; truth values are of another kind.
        most_axes: 1 if a sequence of numbers is allowed, too.

    Raises:
        InputError: the option is another.
    """
    try:
        array = np.asarray(value)
    except ValueError:  # sequences of several lengths
        array = np.array(None)
    if array.dtype.kind not in kinds or array.ndim > most_axes:
        expected = "a number" if "f" in kinds else "a whole number"
        sequence = " or a sequence of numbers" if most_axes else ""
        raise InputError(f"{name} is {value!r}; {expected}{sequence} is expected")


def folds_of(
    cv: Any, X: Shaped[np.ndarray, "n d"], y: Shaped[np.ndarray, "..."], *, classifier: bool
) -> Folds:
    """Convert scikit-learn's ways to state folds to the number of the fold that holds out each row.

    Args:
        cv: a number of folds, a splitter, or a list of pairs of row numbers (train, test).
        X: one row a sample.
        y: the targets.
        classifier: whether a number of folds means stratified ones.

    Raises:
        InputError: ``cv`` states no folds, or they do not hold out every row exactly once or train on fewer
            rows than all others.
    """
    # Importing it takes as long as importing scikit-learn's base classes.
    from sklearn.model_selection import check_cv

    try:
        splitter = check_cv(cv, y, classifier=classifier)
    except ValueError as error:
        raise InputError(
            f"cv is {cv!r}; at least 2 folds, a splitter, or a list of pairs of row numbers is expected"
        ) from error
    splits: Iterable[tuple[np.ndarray, np.ndarray]] = splitter.split(X, y)
    numbers, times, k = np.zeros(len(X), np.int32), np.zeros(len(X), np.int32), 0
    for train, test in splits:
        if len(np.union1d(train, test)) < len(X):
            raise InputError(
                f"fold {k} of cv neither trains on nor holds out some of {len(X)} rows"
            )
        numbers[test] = k
        times[test] += 1
        k += 1
    if (times != 1).any():
        raise InputError(
            f"cv holds out {(times == 0).sum()} of {len(X)} rows never and {(times > 1).sum()} more than "
            "once; folds that hold out each row once, such as those of KFold, are expected"
        )
    return Folds(numbers, k)


def sample_weights_of(
    sample_weight: Any, X: Shaped[np.ndarray, "n d"]
) -> Float[np.ndarray, " n"] | None:
    """Return the weights of samples in the precision of the features; None if there are none.

    Args:
        sample_weight: one number for each row, or None.
        X: one row a sample.

    Raises:
        ValueError: the weights are not one finite number for each row, are negative, or are all 0.
    """
    if sample_weight is None:
        return None
    weights = check_array(sample_weight, ensure_2d=False, input_name="sample_weight").astype(
        X.dtype
    )
    if weights.shape != X.shape[:1] or (weights < 0).any():
        raise InputError(
            f"sample_weight has shape {weights.shape} and a least value of {weights.min():.3g}; "
            f"{X.shape[:1]} and numbers of at least 0 are expected"
        )
    if not weights.any():
        raise InputError("all values of sample_weight are zero; one above 0 is expected")
    return weights
