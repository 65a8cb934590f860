"""Fold assignments for cross-validation, the same in every run, and the product that linear models share.

An assignment is one array, ``[n]``: for each sample the number, from 0 to k - 1, of the fold that holds it out.
"""

import warnings

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, Int32, Shaped

from convcorr_jax.errors import InputError


def stratified_folds(labels: Shaped[np.ndarray, "..."], *, k: int) -> Int32[np.ndarray, " n"]:
    """Assign samples to folds of equal size that hold out equally many samples of each label.

    Both hold to within one sample. Samples are dealt out to the folds in turn, in their own order within each
    label. Use `grouped_folds` where neighboring samples resemble each other, as those of one image do. A label
    with fewer than k samples is absent from some folds. Labels are of any type that can be sorted.

    >>> stratified_folds(np.array(["cat", "cat", "dog", "cat", "dog", "dog"]), k=3)
    array([0, 1, 0, 2, 1, 2], dtype=int32)

    Raises:
        InputError: k is below 2, there are fewer than k samples, or the labels are not one of each sample.
    """
    _check(k, len(labels), "samples", labels)
    folds = np.empty(len(labels), np.int32)
    folds[np.argsort(labels, kind="stable")] = np.arange(len(labels)) % k
    return folds


def grouped_folds(groups: Shaped[np.ndarray, "..."], *, k: int) -> Int32[np.ndarray, " n"]:
    """Assign samples to folds of about equal size that keep each group together.

    Groups are assigned from the largest to the smallest (those of equal size in sorted order), each to the fold
    that has the fewest samples so far. Groups are of any type that can be sorted.

    >>> grouped_folds(np.array([7, 7, 7, 8, 9, 9, 8]), k=2)
    array([0, 0, 0, 1, 1, 1, 1], dtype=int32)

    Raises:
        InputError: k is below 2, there are fewer than k groups, or the groups are not one of each sample.
    """
    distinct, group_of_sample, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    _check(k, len(distinct), "groups", groups)
    fold_sizes = np.zeros(k, np.int64)
    fold_of_group: Int[np.ndarray, " groups"] = np.empty(len(distinct), np.int32)
    for group in np.argsort(-sizes, kind="stable"):
        fold_of_group[group] = fold_sizes.argmin()
        fold_sizes[fold_of_group[group]] += sizes[group]
    return fold_of_group[group_of_sample]


def warn_of_absent_labels(labels: Shaped[np.ndarray, " n"], folds: Int[np.ndarray, " n"], *, k: int) -> None:
    """Warn of labels whose samples one fold holds out all: its classifiers never predict them.

    Warns:
        UserWarning: a label is absent from a fold's training samples; each fold and label is named.
    """
    absent = {fold: np.setdiff1d(labels, labels[folds != fold]).tolist() for fold in range(k)}
    if named := [f"fold {fold} trains on no {lacking}" for fold, lacking in absent.items() if lacking]:
        warnings.warn(
            f"{', '.join(named)}: accuracies count these samples as wrong at every cost; folds that "
            "train on every class are expected",
            stacklevel=3,
        )


def _check(k: int, count: int, name: str, of_samples: Shaped[np.ndarray, "..."]) -> None:
    if np.ndim(of_samples) != 1:
        raise InputError(
            f"the labels or groups have shape {np.shape(of_samples)}; one of each sample is expected"
        )
    if k < 2:
        raise InputError(f"k is {k}; at least 2 folds are expected")
    if count < k:
        raise InputError(f"there are {count} {name}; at least one for each of {k} folds is expected")


def full_precision_matmul(a: Float[Array, "..."], b: Float[Array, "..."]) -> Float[Array, "..."]:
    """Compute ``a b`` in the full precision of both."""
    # By default, accelerators multiply single-precision numbers in fewer bits.
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)
