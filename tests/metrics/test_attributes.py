import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from convcorr_jax.errors import InputError
from convcorr_jax.metrics import (
    correlation_interval,
    graded_scores,
    mean_ratios,
    two_valued_scores,
    two_valued_sums,
)


def test_two_values_are_scored_as_by_the_reference(rng):
    truth = np.where(rng.random(200) < 0.2, 1.0, 2.0)
    read = truth + rng.normal(0, 0.6, 200)
    found = two_valued_scores(read, truth, values=(1.0, 2.0), threshold=1.6)
    classes = np.where(read > 1.6, 2.0, 1.0)
    assert found.accuracy == pytest.approx(accuracy_score(truth, classes))
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(truth, classes))
    assert found.commoner == pytest.approx((truth == 2).mean())


@pytest.mark.parametrize("truth", [[1.0, 1.0, 1.0], [1.0, 2.0, 3.0], [2.0, 3.0, 3.0]])
def test_other_values_are_refused(truth):
    with pytest.raises(InputError, match=r"exactly \[1.0, 2.0\] are expected"):
        two_valued_scores(np.zeros(3), np.array(truth), values=(1.0, 2.0), threshold=0.0)


def test_grades_are_scored_by_correlation_and_side(rng):
    truth = rng.integers(1, 6, 100).astype(float)
    read = truth + rng.normal(0, 1, 100)
    found = graded_scores(read, truth, middle=3.0)
    assert found.correlation == pytest.approx(pearsonr(read, truth).statistic)
    sides = [(a > 3) == (b > 3) for a, b in zip(read, truth, strict=True) if b != 3]
    assert found.side_accuracy == pytest.approx(np.mean(sides))
    assert np.isnan(graded_scores(read, truth).side_accuracy)


def test_what_cannot_correlate_is_refused():
    with pytest.raises(InputError, match="all equal; a correlation needs different ones"):
        graded_scores(np.arange(3.0), np.ones(3))
    with pytest.raises(InputError, match="all equal; a correlation needs different ones"):
        graded_scores(np.ones(3), np.arange(3.0))


def test_images_add_up_to_the_scores(rng):
    truth = np.where(rng.random(50) < 0.3, 2.0, 1.0)
    predicted = truth + rng.normal(size=50)
    options = {"values": (1.0, 2.0), "threshold": 1.4}
    scores = two_valued_scores(predicted, truth, **options)
    for name, sums in two_valued_sums(predicted, truth, **options).items():
        assert mean_ratios(sums) == pytest.approx([getattr(scores, name)])


def test_the_interval_of_a_correlation_is_that_of_scipy(rng):
    truth = rng.normal(size=40)
    predicted = truth + rng.normal(size=40)
    expected = pearsonr(truth, predicted)
    found = correlation_interval(expected.statistic, n=40)
    np.testing.assert_allclose(found, expected.confidence_interval(0.95), rtol=1e-9)
    assert correlation_interval(1.0, n=40).high == pytest.approx(1)
    with pytest.raises(InputError, match="3 images has no interval"):
        correlation_interval(0.5, n=3)


def test_numbers_that_would_pass_for_others_are_refused():
    values, two = np.array([1.0, 2.0]), np.array([0.0, 1.0])
    for call, sentence in (
        (lambda: graded_scores(np.array([1.0, np.inf]), two), "infinity"),
        (lambda: two_valued_sums(two, values, values=(1.0, 3.0), threshold=0.5), "are expected"),
        (lambda: two_valued_scores(two, values, values=(1.0, 2.0), threshold=np.nan), "NaN"),
        (lambda: correlation_interval(1.5, n=9), "from -1 to 1"),
    ):
        with pytest.raises(InputError, match=sentence):
            call()
