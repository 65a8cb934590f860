"""liblinear-multicore: one class against the rest, a thread a core."""

import numpy as np
from liblinear import liblinear, liblinearutil  # pyrefly: ignore[missing-import]

from eval.benchmark.workers.serving import Arrays, Task, serve


def prepare(inputs: Arrays) -> Task:
    """Write the features as liblinear's sparse rows, with a column for the bias."""
    features, labels = inputs["features"], inputs["labels"]
    problem = liblinear.problem(labels.astype(float).tolist(), features.astype(float).tolist(), 1)
    options = f"-s {inputs['solver']} -c 1 -B 1 -m {inputs['threads']} -q"

    def run():
        return liblinearutil.train(problem, liblinear.parameter(options))

    def arrays(model):
        length, classes = features.shape[1] + 1, model.nr_class
        values = np.array(model.w[: length * classes]).reshape(length, classes)
        # Classes come in the order in which they are met.
        values = values[:, np.argsort(model.get_labels())]
        return {"weights": values[:-1].T, "bias": values[-1]}

    return Task(run, arrays)


if __name__ == "__main__":
    serve(prepare, packages=("liblinear-multicore",))
