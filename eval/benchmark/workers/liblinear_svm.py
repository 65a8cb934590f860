"""liblinear-multicore: one class against the rest, with a thread or one a core, whichever is faster."""

import time

import numpy as np
from liblinear import liblinear, liblinearutil  # pyrefly: ignore[missing-import]

from eval.benchmark.workers.serving import Arrays, Task, serve


def prepare(inputs: Arrays) -> Task:
    """Write the features as liblinear's sparse rows, with a column for the bias."""
    features, labels = inputs["features"], inputs["labels"]
    problem = liblinear.problem(labels.astype(float).tolist(), features.astype(float).tolist(), 1)

    def train(threads):
        options = f"-s {inputs['solver']} -c 1 -B 1 -m {threads} -q"
        return liblinearutil.train(problem, liblinear.parameter(options))

    # The dual solver's threads wait for one another, and on a busy machine lose more than they win.
    taken = {}
    for threads in (1, int(inputs["threads"])):
        began = time.perf_counter()
        train(threads)
        taken[threads] = time.perf_counter() - began
    fastest = min(taken, key=taken.__getitem__)

    def run():
        return train(fastest)

    def arrays(model):
        length, classes = features.shape[1] + 1, model.nr_class
        values = np.array(model.w[: length * classes]).reshape(length, classes)
        # Classes come in the order in which they are met.
        values = values[:, np.argsort(model.get_labels())]
        return {"weights": values[:-1].T, "bias": values[-1]}

    return Task(run, arrays)


if __name__ == "__main__":
    serve(prepare, packages=("liblinear-multicore",))
