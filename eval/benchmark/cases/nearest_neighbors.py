"""Exact nearest neighbours by cosine: 729 queries (a grid of 27 x 27) among 100,000 and a million vectors.

The vectors have unit length, so that faiss's inner product equals our cosine. Both receive the database in
advance: faiss in its index, ours as an array on the device.

Quality: the same indices, except where the similarities in double precision are equal within 1e-6.
"""

from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from convcorr_jax.retrieval import nearest_neighbors
from eval.benchmark.comparison import Arrays, Case, Comparison, Quality

QUERIES = 729
# Rows, values in each, neighbours; the last is a layer of the patch database.
SEARCHES = ((100_000, 256, 1), (100_000, 256, 5), (100_000, 256, 10), (1_000_000, 384, 5))
TIE = 1e-6


def comparisons() -> Iterator[Comparison]:
    """Yield searches of random directions, the hardest database: its similarities are close together."""
    for rows, length, k in SEARCHES:
        rng = np.random.default_rng(0)
        queries, database = (directions(rng, count, length) for count in (QUERIES, rows))
        yield Comparison(
            name=f"{QUERIES} among {rows} x {length}, k = {k}",
            unit="search",
            inputs={"queries": queries, "database": database, "k": np.array(k)},
            ours=_search(queries, database, k),
            check=_same_neighbors(queries, database),
            required_ratio=1.0,
        )


def directions(rng: np.random.Generator, count: int, length: int) -> np.ndarray:
    """Draw random vectors of unit length."""
    vectors = rng.standard_normal((count, length), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _search(queries, database, k):
    on_device = jnp.asarray(database)
    return lambda: {"indices": nearest_neighbors(queries, on_device, k=k).indices}


def _same_neighbors(queries, database):
    def check(ours: Arrays, peer: Arrays) -> Quality:
        query, rank = np.nonzero(ours["indices"] != peer["indices"])
        similarities = [
            np.einsum(
                "nd,nd->n",
                queries[query].astype(np.float64),
                database[arrays["indices"][query, rank]].astype(np.float64),
            )
            for arrays in (ours, peer)
        ]
        differences = np.abs(similarities[0] - similarities[1])
        return Quality(
            bool((differences <= TIE).all()),
            f"the same indices, but for similarities equal within {TIE:g}",
            {"ties": float(len(query)), "largest gap of a tie": float(differences.max(initial=0.0))},
        )

    return check


CASE = Case("faiss-cpu", "eval.benchmark.workers.faiss_search", comparisons)
