"""faiss-cpu: the exact index of inner products."""

import faiss  # pyrefly: ignore[missing-import]

from eval.benchmark.workers.serving import Arrays, Task, serve


def prepare(inputs: Arrays) -> Task:
    """Fill the index."""
    queries, k = inputs["queries"], int(inputs["k"])
    index = faiss.IndexFlatIP(queries.shape[1])
    index.add(inputs["database"])
    return Task(lambda: index.search(queries, k)[1], lambda indices: {"indices": indices})


if __name__ == "__main__":
    serve(prepare, packages=("faiss-cpu",))
