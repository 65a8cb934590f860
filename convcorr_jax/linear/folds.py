"""Which fold holds out which sample, for cross-validation; the same every time.

Folds are one array, ``[n]``: the number from 0 to k - 1 of the fold that holds the sample out.
``folds == j`` are the samples held out by fold j, ``folds != j`` those it trains on.
"""

import numpy as np
from jaxtyping import Int, Int32, Shaped

from convcorr_jax.errors import InputError


def stratified_folds(labels: Shaped[np.ndarray, " n"], *, k: int) -> Int32[np.ndarray, " n"]:
    """Folds that hold out equally many samples of every label, and equally many in all, to within one.

    Samples are dealt out in turn, in their own order within each label. Where neighbours resemble each other,
    as those of one image do, use `grouped_folds`.

    >>> stratified_folds(np.array(["cat", "cat", "dog", "cat", "dog", "dog"]), k=3)
    array([0, 1, 0, 2, 1, 2], dtype=int32)

    Args:
        labels: one a sample, of any kind that can be sorted. A label with fewer than k samples is absent from
            some folds.
        k: number of folds.

    Raises:
        InputError: k is below 2, or there are fewer than k samples.
    """
    _check(k, len(labels), "samples")
    folds = np.empty(len(labels), np.int32)
    folds[np.argsort(labels, kind="stable")] = np.arange(len(labels)) % k
    return folds


def grouped_folds(groups: Shaped[np.ndarray, " n"], *, k: int) -> Int32[np.ndarray, " n"]:
    """Folds that never part the samples of a group, and are about equally large.

    The largest group comes first (of equals, the first in sorted order), and each goes to the fold that has
    the fewest samples so far.

    >>> grouped_folds(np.array([7, 7, 7, 8, 9, 9, 8]), k=2)
    array([0, 0, 0, 1, 1, 1, 1], dtype=int32)

    Args:
        groups: one a sample, of any kind that can be sorted.
        k: number of folds.

    Raises:
        InputError: k is below 2, or there are fewer than k groups.
    """
    distinct, members, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    _check(k, len(distinct), "groups")
    filled = np.zeros(k, np.int64)
    fold_of: Int[np.ndarray, " groups"] = np.empty(len(distinct), np.int32)
    for group in np.argsort(-sizes, kind="stable"):
        fold_of[group] = filled.argmin()
        filled[fold_of[group]] += sizes[group]
    return fold_of[members]


def _check(k: int, count: int, what: str) -> None:
    if k < 2:
        raise InputError(f"k is {k}; at least 2 folds are expected")
    if count < k:
        raise InputError(
            f"there are {count} {what}; at least one for each of {k} folds is expected"
        )
