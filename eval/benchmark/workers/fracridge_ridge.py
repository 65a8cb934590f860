"""fracridge: all fractions from one decomposition for each fold, then the best one for all rows."""

import numpy as np
from fracridge import fracridge  # pyrefly: ignore[missing-import]

from eval.benchmark.workers.serving import Arrays, Task, serve


def prepare(inputs: Arrays) -> Task:
    """Set up the task; fracridge has no bias, so rows are centred first."""
    features, targets = inputs["features"], inputs["targets"]
    folds, fractions = inputs["folds"], inputs["fractions"]

    def fit(rows, fractions):
        feature_mean, target_mean = features[rows].mean(axis=0), targets[rows].mean(axis=0)
        weights, _ = fracridge(features[rows] - feature_mean, targets[rows] - target_mean, fractions)
        return weights, feature_mean, target_mean

    def run():
        errors = np.zeros(len(fractions))
        for fold in range(int(inputs["k"])):
            held_out = folds == fold
            weights, feature_mean, target_mean = fit(~held_out, fractions)
            x, y = features[held_out] - feature_mean, targets[held_out] - target_mean
            for i in range(len(fractions)):
                errors[i] += ((x @ weights[:, i] - y) ** 2).sum() / targets.size
        best = fractions[errors.argmin()]
        return errors.min(), fit(slice(None), np.array([best]))[0][:, 0]

    def arrays(result):
        error, weights = result
        return {"error": np.array(error), "weights": weights}

    return Task(run, arrays)


if __name__ == "__main__":
    serve(prepare, packages=("fracridge",))
