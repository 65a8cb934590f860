import jax
import numpy as np
import pytest
from sklearn.linear_model import Ridge as Reference

from convcorr_jax.linear import grouped_folds
from convcorr_jax.linear.ridge import penalty_grid
from convcorr_jax.probes import fit_attributes, fit_directions, move_along
from tests.builders.regression import predict_held_out

NAMES = ("glasses", "tilt")


@pytest.fixture
def faces(rng):
    """Fewer rows than features, as flattened activations have; glasses are rare."""
    values = np.stack([1.0 + (rng.random(60) > 0.3), rng.normal(0, 5, 60)], axis=1)
    features = values @ rng.normal(size=(2, 90)) + rng.normal(0, 3, (60, 90))
    return features.astype(np.float32), values, grouped_folds(np.arange(60), k=4)


def test_predictions_and_penalties_match_scikit_learn_and_thresholds_are_half_way_between_means(faces):
    features, values, folds = faces
    fitted = fit_attributes(features, values, names=NAMES, folds=folds, k=4)
    penalties = penalty_grid(features)
    every = np.array([predict_held_out(features, values, folds, penalty) for penalty in penalties])
    for i in range(2):
        held_out = every[..., i]
        best = ((held_out - values[:, i]) ** 2).mean(axis=1).argmin()
        assert fitted.probe.penalty[i] == pytest.approx(penalties[best])
        np.testing.assert_allclose(fitted.held_out[:, i], held_out[best], rtol=0, atol=2e-3)
        reference = Reference(alpha=penalties[best]).fit(features, values[:, i])
        np.testing.assert_allclose(
            fitted.probe.predict(features)[:, i], reference.predict(features), rtol=0, atol=2e-3
        )
    glasses = values[:, 0] == 1
    means = fitted.held_out[glasses, 0].mean(), fitted.held_out[~glasses, 0].mean()
    assert fitted.thresholds[0] == pytest.approx(sum(means) / 2)
    assert means[0] < fitted.thresholds[0] < means[1]
    assert np.isnan(fitted.thresholds[1])


def test_directions_have_unit_length_and_the_range_of_the_rows(faces):
    features, values, _ = faces
    fitted = fit_directions(features, values, penalty=7.0)
    weights = Reference(alpha=7.0).fit(features, values).coef_
    units = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    np.testing.assert_allclose(fitted.units, units, rtol=0, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(fitted.units, axis=1), 1, rtol=1e-6)
    along = features @ units.T
    np.testing.assert_allclose(fitted.low, along.min(axis=0), rtol=0, atol=1e-3)
    np.testing.assert_allclose(fitted.high, along.max(axis=0), rtol=0, atol=1e-3)
    assert (fitted.low < fitted.high).all()


def test_a_large_penalty_gives_the_difference_of_the_classes_means(faces):
    features, values, _ = faces
    glasses = values[:, 0] == 1
    difference = features[~glasses].mean(axis=0) - features[glasses].mean(axis=0)
    difference /= np.linalg.norm(difference)

    def alike(penalty):
        return float(fit_directions(features, values, penalty=penalty).units[0] @ difference)

    assert alike(1e6) == pytest.approx(1, abs=1e-4)
    assert alike(1.0) < alike(None) < alike(1e6)


def test_moving_changes_only_the_component_along_the_direction(rng):
    features = rng.normal(size=(4, 6))
    unit = rng.normal(size=6)
    unit /= np.linalg.norm(unit)
    amounts = np.array([-2.0, 0.0, 5.0])
    moved = move_along(features, unit, amounts)
    assert moved.shape == (4, 3, 6)
    np.testing.assert_allclose(moved @ unit, np.broadcast_to(amounts, (4, 3)), atol=1e-12)
    # An orthogonal basis of all other directions.
    others = np.linalg.svd(unit[None])[2][1:]
    np.testing.assert_allclose(
        moved @ others.T, np.broadcast_to((features @ others.T)[:, None], (4, 3, 5)), atol=1e-12
    )
    np.testing.assert_allclose(move_along(features[:1], unit, features[0] @ unit[:, None])[0, 0], features[0])


def test_double_precision_is_kept(faces):
    features, values, folds = faces
    with jax.enable_x64(True):
        fitted = fit_attributes(features.astype(np.float64), values, names=NAMES, folds=folds, k=4)
        assert fit_directions(features.astype(np.float64), values).units.dtype == np.float64
    assert fitted.held_out.dtype == np.float64
