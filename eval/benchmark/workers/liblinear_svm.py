"""liblinear-multicore: one class against the rest, on one thread or on all cores, whichever is faster."""

import time

import numpy as np
from liblinear import liblinear, liblinearutil  # pyrefly: ignore[missing-import]

from eval.benchmark.workers.serving import Arrays, Task, serve


def prepare(inputs: Arrays) -> Task:
    """Convert the features to liblinear's sparse rows, with a column for the bias."""
    features, labels = inputs["features"], inputs["labels"]
    problem = liblinear.problem(labels.astype(float).tolist(), features.astype(float).tolist(), 1)

    def train(threads):
        options = f"-s {inputs['solver']} -c 1 -B 1 -m {threads} -q"
        return liblinearutil.train(problem, liblinear.parameter(options))

    # The dual solver's threads wait for each other, and on a busy machine one thread is faster.
    seconds = {}
    for threads in (1, int(inputs["threads"])):
        began = time.perf_counter()
        train(threads)
        seconds[threads] = time.perf_counter() - began
    fastest = min(seconds, key=seconds.__getitem__)

    def run():
        return train(fastest)

    def arrays(model):
        length, classes = features.shape[1] + 1, model.nr_class
        values = np.array(model.w[: length * classes]).reshape(length, classes)
        # liblinear orders classes by their first occurrence.
        values = values[:, np.argsort(model.get_labels())]
        return {"weights": values[:-1].T, "bias": values[-1]}

    return Task(run, arrays)


if __name__ == "__main__":
    serve(prepare, packages=("liblinear-multicore",))
