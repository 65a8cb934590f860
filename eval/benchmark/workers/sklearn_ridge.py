"""scikit-learn: RidgeCV, with its own leave-one-out or with folds."""

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import PredefinedSplit

from eval.benchmark.workers.serving import Arrays, Task, serve


def prepare(inputs: Arrays) -> Task:
    """Set up leave-one-out if ``k`` is 0, folds otherwise; both score by the mean squared error."""
    if inputs["k"]:
        folds = PredefinedSplit(inputs["folds"])
        model = RidgeCV(inputs["penalties"], cv=folds, scoring="neg_mean_squared_error")
    else:
        model = RidgeCV(inputs["penalties"])

    def run():
        return model.fit(inputs["features"], inputs["targets"])

    def arrays(model):
        return {
            "error": np.array(-model.best_score_),
            "penalty": np.array(model.alpha_),
            "weights": model.coef_.T,
        }

    return Task(run, arrays)


if __name__ == "__main__":
    serve(prepare, packages=("scikit-learn",))
