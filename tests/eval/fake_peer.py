"""A peer for the benchmark's tests: doubles numbers, talks too much, and falters when told to."""

from eval.benchmark.workers.serving import Task, serve


def prepare(inputs):
    """Told by an input of that name, the second run breaks off."""
    runs = []

    def run():
        print("a library's chatter")  # noqa: T201
        runs.append(1)
        if "falters" in inputs and len(runs) == 2:
            raise RuntimeError("out of steam")
        return 2 * inputs["numbers"]

    return Task(run, lambda found: {"doubled": found})


if __name__ == "__main__":
    serve(prepare, packages=("numpy",))
