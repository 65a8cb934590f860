import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from convcorr_jax import metrics


def test_two_values_are_scored_as_by_the_reference(rng):
    truth = np.where(rng.random(200) < 0.2, 1.0, 2.0)
    read = truth + rng.normal(0, 0.6, 200)
    found = metrics.two_valued_scores(read, truth, values=(1.0, 2.0), threshold=1.6)
    classes = np.where(read > 1.6, 2.0, 1.0)
    assert found.accuracy == pytest.approx(accuracy_score(truth, classes))
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(truth, classes))
    assert found.commoner == pytest.approx((truth == 2).mean())


def test_grades_are_scored_by_correlation_and_side(rng):
    truth = rng.integers(1, 6, 100).astype(float)
    read = truth + rng.normal(0, 1, 100)
    found = metrics.graded_scores(read, truth, middle=3.0)
    assert found.correlation == pytest.approx(pearsonr(read, truth).statistic)
    sides = [(a > 3) == (b > 3) for a, b in zip(read, truth, strict=True) if b != 3]
    assert found.side_accuracy == pytest.approx(np.mean(sides))
    assert np.isnan(metrics.graded_scores(read, truth).side_accuracy)


def test_images_add_up_to_the_scores(rng):
    truth = np.where(rng.random(50) < 0.3, 2.0, 1.0)
    predicted = truth + rng.normal(size=50)
    options = {"values": (1.0, 2.0), "threshold": 1.4}
    scores = metrics.two_valued_scores(predicted, truth, **options)
    for name, sums in metrics.two_valued_sums(predicted, truth, **options).items():
        assert metrics.mean_ratios(sums) == pytest.approx([getattr(scores, name)])


def test_the_interval_of_a_correlation_is_that_of_scipy(rng):
    truth = rng.normal(size=40)
    predicted = truth + rng.normal(size=40)
    expected = pearsonr(truth, predicted)
    found = metrics.correlation_interval(expected.statistic, n=40)
    np.testing.assert_allclose(found, expected.confidence_interval(0.95), rtol=1e-9)
    assert metrics.correlation_interval(1.0, n=40).high == pytest.approx(1)
