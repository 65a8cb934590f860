"""The fit from one kernel matrix against the separate choice of the penalty, fit and cross-prediction."""

import numpy as np
import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.linear import ridge


def rows(n, d):
    rng = np.random.default_rng(n)
    features = rng.normal(3, 1, (n, d)).astype(np.float32)
    targets = features[:, :4] @ rng.normal(size=(4, 3)) + rng.normal(0, 0.5, (n, 3))
    return features, targets.astype(np.float32)


@pytest.mark.parametrize(("n", "d"), [(40, 90), (90, 20)])
def test_it_agrees_with_separate_steps(n, d):
    features, targets = rows(n, d)
    folds = np.arange(n) % 3
    found = ridge.fit_held_out(features, targets, folds=folds, k=3)
    expected, curve = ridge.fit_best(features, targets, folds=folds, k=3)
    predicted = ridge.cross_predict(features, targets, penalty=float(expected.penalty), folds=folds, k=3)
    assert found.curve.best() == pytest.approx(curve.best(), rel=1e-5)
    tried = np.isin(curve.penalties, found.curve.penalties)
    assert tried.sum() == len(found.curve.penalties) >= 7
    np.testing.assert_allclose(found.curve.errors, curve.errors[tried], rtol=1e-3)
    np.testing.assert_allclose(found.predicted, predicted, atol=2e-3)
    for name in ("weights", "bias", "residual", "penalty"):
        here, there = (np.asarray(getattr(one, name)) for one in (found.ridge, expected))
        np.testing.assert_allclose(here, there, rtol=2e-3, atol=2e-3)


def test_a_row_is_predicted_without_its_fold():
    features, targets = rows(30, 60)
    folds = np.arange(30) % 2
    before = ridge.fit_held_out(features, targets, folds=folds, k=2)
    changed = targets.copy()
    changed[folds == 0] += np.random.default_rng(1).normal(0, 1e-3, (15, 3)).astype(np.float32)
    after = ridge.fit_held_out(features, changed, folds=folds, k=2)
    assert after.curve.best() == before.curve.best()
    np.testing.assert_array_equal(after.predicted[folds == 0], before.predicted[folds == 0])
    assert not np.array_equal(after.predicted[folds == 1], before.predicted[folds == 1])


@pytest.mark.parametrize(
    ("folds", "sentence"), [(np.arange(29) % 2, "29"), (np.zeros(30, int), "fold"), (np.arange(30) % 3, "fold")]
)
def test_bad_folds_are_refused(folds, sentence):
    features, targets = rows(30, 60)
    with pytest.raises(InputError, match=sentence):
        ridge.fit_held_out(features, targets, folds=folds, k=2)


def test_a_penalty_too_small_for_the_precision_is_refused(monkeypatch):
    features, targets = rows(30, 60)
    monkeypatch.setattr(ridge.held_out, "penalty_grid", lambda x: np.array([1e-80, 1e-79]))
    with pytest.raises(InputError, match="is too small for float64"):
        ridge.fit_held_out(
            np.repeat(features, 2, axis=0)[:50],
            np.repeat(targets, 2, axis=0)[:50],
            folds=np.arange(50) % 2,
            k=2,
        )
