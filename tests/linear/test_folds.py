import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convcorr_jax.errors import InputError
from convcorr_jax.linear import grouped_folds, stratified_folds


@settings(max_examples=60, deadline=None, derandomize=True)
@given(labels=st.lists(st.integers(-2, 3), min_size=7, max_size=60), k=st.integers(2, 7))
def test_every_label_is_spread_evenly(labels: list[int], k: int) -> None:
    folds = stratified_folds(np.array(labels), k=k)
    counts = [np.bincount(folds[np.array(labels) == label], minlength=k) for label in set(labels)]
    for of_one in (*counts, np.bincount(folds, minlength=k)):
        assert len(of_one) == k
        assert of_one.max() - of_one.min() <= 1


@settings(max_examples=60, deadline=None, derandomize=True)
@given(sizes=st.lists(st.integers(1, 9), min_size=5, max_size=30), k=st.integers(2, 5))
def test_groups_are_kept_together_and_folds_about_equal(sizes: list[int], k: int) -> None:
    rng = np.random.default_rng(len(sizes))
    groups = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    folds = grouped_folds(groups, k=k)
    assert all(len(set(folds[groups == group])) == 1 for group in range(len(sizes)))
    filled = np.bincount(folds, minlength=k)
    assert filled.min() > 0
    # The last group of the fullest fold went where there was least.
    assert filled.max() - filled.min() <= max(sizes)


def test_folds_keep_the_samples_own_order() -> None:
    labels = np.array(["b", "a", "b", "a", "a"])
    assert stratified_folds(labels, k=2).tolist() == [1, 0, 0, 1, 0]
    assert grouped_folds(labels, k=2).tolist() == [1, 0, 1, 0, 0]


def test_columns_are_refused_and_nan_is_one_group() -> None:
    for folds in (stratified_folds, grouped_folds):
        with pytest.raises(InputError, match=r"shape \(4, 1\)"):
            folds(np.arange(4)[:, None], k=2)
    assert grouped_folds(np.array([np.nan, 1.0, np.nan, 2.0]), k=2).tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("folds", "given", "k", "sentence"),
    [
        (stratified_folds, [0, 1, 1], 1, "k is 1; at least 2"),
        (stratified_folds, [0, 1, 1], 4, "there are 3 samples; at least one for each of 4 folds"),
        (grouped_folds, [0, 1, 1], 3, "there are 2 groups; at least one for each of 3 folds"),
        (grouped_folds, [], 2, "there are 0 groups"),
    ],
)
def test_what_cannot_be_parted_is_refused(folds, given, k: int, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        folds(np.array(given, int), k=k)
