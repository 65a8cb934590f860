import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from convcorr_jax.linear import grouped_folds, stratified_folds


@settings(max_examples=60, deadline=None, derandomize=True)
@given(labels=st.lists(st.integers(-2, 3), min_size=7, max_size=60), k=st.integers(2, 7))
def test_every_label_is_spread_evenly(labels, k):
    folds = stratified_folds(np.array(labels), k=k)
    counts = [np.bincount(folds[np.array(labels) == label], minlength=k) for label in set(labels)]
    for of_one in (*counts, np.bincount(folds, minlength=k)):
        assert len(of_one) == k
        assert of_one.max() - of_one.min() <= 1


@settings(max_examples=60, deadline=None, derandomize=True)
@given(sizes=st.lists(st.integers(1, 9), min_size=5, max_size=30), k=st.integers(2, 5))
def test_groups_are_kept_together_and_folds_about_equal(sizes, k):
    groups = np.random.default_rng(len(sizes)).permutation(np.repeat(np.arange(len(sizes)), sizes))
    folds = grouped_folds(groups, k=k)
    assert all(len(set(folds[groups == group])) == 1 for group in range(len(sizes)))
    filled = np.bincount(folds, minlength=k)
    assert filled.min() > 0
    # The last group of the fullest fold went where there was least.
    assert filled.max() - filled.min() <= max(sizes)


def test_folds_keep_the_samples_own_order():
    labels = np.array(["b", "a", "b", "a", "a"])
    assert stratified_folds(labels, k=2).tolist() == [1, 0, 0, 1, 0]
    assert grouped_folds(labels, k=2).tolist() == [1, 0, 1, 0, 0]


def test_nan_is_one_group():
    assert grouped_folds(np.array([np.nan, 1.0, np.nan, 2.0]), k=2).tolist() == [0, 1, 0, 1]
