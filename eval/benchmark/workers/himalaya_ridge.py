"""himalaya: RidgeCV, one penalty for all targets."""

import numpy as np
from himalaya.ridge import RidgeCV  # pyrefly: ignore[missing-import]
from sklearn.model_selection import PredefinedSplit

from eval.benchmark.workers.serving import Arrays, Task, serve


def prepare(inputs: Arrays) -> Task:
    """Set up the task with NumPy, the fastest backend without a GPU; scores are negative squared errors."""

    def run():
        model = RidgeCV(
            alphas=inputs["penalties"],
            fit_intercept=True,
            solver_params={"local_alpha": False},
            cv=PredefinedSplit(inputs["folds"]),
        )
        return model.fit(inputs["features"], inputs["targets"])

    def arrays(model):
        return {
            "error": np.array(-model.cv_scores_.mean()),
            "penalty": np.asarray(model.best_alphas_).mean(),
            "weights": model.coef_,
        }

    return Task(run, arrays)


if __name__ == "__main__":
    serve(prepare, packages=("himalaya",))
