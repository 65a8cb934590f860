"""Random data for linear regression, and scikit-learn's predictions of rows that it was not fitted to."""

import numpy as np
from sklearn.linear_model import Ridge


def draw(rng, n, d, t=3):
    """Draw rows with unequal deviations about a mean that is not zero, and noisy linear targets."""
    features = rng.standard_normal((n, d)) * rng.uniform(0.1, 2, d) + rng.uniform(-1, 3, d)
    targets = features @ rng.standard_normal((d, t)) + rng.standard_normal((n, t)) + 5
    return features.astype(np.float32), targets.astype(np.float32)


def predict_held_out(features, targets, folds, penalty, *, solver="auto"):
    """Predict the targets of each fold by ridge regression without its rows, in double precision."""
    x, y = features.astype(np.float64), targets.astype(np.float64)
    predicted = np.empty_like(y)
    for fold in np.unique(folds):
        out = folds == fold
        predicted[out] = Ridge(alpha=penalty, solver=solver).fit(x[~out], y[~out]).predict(x[out])
    return predicted


def held_out_errors(features, targets, folds, penalties, *, solver="auto"):
    """Compute the mean squared errors of held-out rows, a row for each penalty."""
    found = [predict_held_out(features, targets, folds, penalty, solver=solver) for penalty in penalties]
    return np.array([((predicted - targets) ** 2).mean(axis=0) for predicted in found])
