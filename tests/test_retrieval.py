import itertools
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from convcorr_jax import retrieval
from convcorr_jax.errors import InputError
from convcorr_jax.retrieval import nearest_neighbors


def vectors(rng: np.random.Generator, count: int, length: int = 24) -> np.ndarray:
    return rng.normal(size=(count, length)).astype(np.float32)


def brute_force(queries: np.ndarray, database: np.ndarray) -> np.ndarray:
    """All cosine similarities, in double precision."""
    queries, database = (array.astype(np.float64) for array in (queries, database))
    lengths = np.linalg.norm(queries, axis=1)[:, None] * np.linalg.norm(database, axis=1)
    return queries @ database.T / np.maximum(lengths, 1e-300)


def sorted_by(similarities: np.ndarray, k: int) -> np.ndarray:
    return np.argsort(-similarities, axis=1, kind="stable")[:, :k]


# Against oracles. Random similarities differ by far more than single precision rounds (1e-7).
@pytest.mark.parametrize(
    ("m", "n", "k", "block_size"),
    [
        (7, 1000, 1, 128),
        (20, 1000, 10, 300),
        (20, 1024, 5, 128),
        (3, 100, 100, 64),
        (3, 5, 5, 2048),
        (1, 1, 1, 1),
        (1100, 300, 3, 128),
    ],
)
def test_equals_brute_force(rng, m, n, k, block_size):
    queries, database = vectors(rng, m), vectors(rng, n)
    found = nearest_neighbors(queries, database, k=k, block_size=block_size)
    similarities = brute_force(queries, database)
    expected = sorted_by(similarities, k)
    np.testing.assert_array_equal(found.indices, expected)
    np.testing.assert_allclose(
        found.similarities, np.take_along_axis(similarities, expected, axis=1), atol=1e-6
    )


def test_equals_scikit_learn(rng):
    queries, database = vectors(rng, 20), vectors(rng, 700)
    found = nearest_neighbors(queries, database, k=5, block_size=128)
    oracle = NearestNeighbors(n_neighbors=5, metric="cosine", algorithm="brute").fit(database)
    distances, indices = oracle.kneighbors(queries)
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_allclose(1 - found.similarities, distances, atol=1e-6)


@pytest.mark.parametrize("block_size", [64, 2048])
def test_equals_go_by_index(rng, block_size):
    # Copies of twenty vectors in lengths that differ by powers of two, which round alike.
    originals = vectors(rng, 20)
    copied = rng.integers(0, 20, 700)
    database = originals[copied] * 2.0 ** rng.integers(-3, 4, (700, 1)).astype(np.float32)
    queries = vectors(rng, 30)
    found = nearest_neighbors(queries, database, k=150, block_size=block_size)
    np.testing.assert_array_equal(found.indices, sorted_by(brute_force(queries, originals)[:, copied], 150))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    hot=st.lists(st.integers(0, 3), min_size=1, max_size=250),
    query=st.lists(st.integers(-2, 2), min_size=4, max_size=4),
    most=st.sampled_from([1, 40]),
    block_size=st.sampled_from([1, 100, 512]),
)
def test_any_ties_go_by_index(hot, query, most, block_size):
    # The similarity of a query to a unit vector is one of its own coordinates, without rounding.
    k = min(most, len(hot))
    database = np.eye(4, dtype=np.float32)[hot]
    queries = np.array([query], np.float32)
    found = nearest_neighbors(queries, database, k=k, block_size=block_size)
    np.testing.assert_array_equal(found.indices, sorted_by(queries[:, hot], k))


def test_parallel_vectors_go_by_index_though_products_exceed_one(rng):
    queries = vectors(rng, 8)
    lengths = rng.choice([-1, 1], (200, 1)) * rng.uniform(0.1, 9, (200, 1))
    database = queries[rng.integers(0, 8, 200)] * lengths.astype(np.float32)
    for k in (5, 200):
        found = nearest_neighbors(queries, database, k=k, block_size=64)
        assert np.abs(found.similarities).max() <= 1
        steps = np.diff(found.similarities, axis=1)
        assert (steps <= 0).all()
        assert (np.diff(found.indices, axis=1)[steps == 0] > 0).all()


def test_zero_vectors_are_similar_to_nothing(rng):
    database = vectors(rng, 200)
    database[[5, 70]] = 0
    found = nearest_neighbors(database[[5, 6]], database, k=200, block_size=64)
    np.testing.assert_array_equal(found.indices[0], np.arange(200))
    np.testing.assert_array_equal(found.similarities[0], 0)
    np.testing.assert_array_equal(found.similarities[1][np.isin(found.indices[1], [5, 70])], 0)
    assert (found.similarities[1] < 0).any()


@pytest.mark.parametrize("own", [False, True], ids=["equal labels", "itself"])
def test_equal_labels_are_no_neighbours(rng, own):
    database = vectors(rng, 300)
    # Labels that only 64 bits can tell apart.
    labels = np.arange(300) if own else rng.integers(0, 3, 300) * 2**32
    queries, of_queries = (database, labels) if own else (vectors(rng, 20), rng.integers(0, 3, 20) * 2**32)
    found = nearest_neighbors(queries, database, k=150, block_size=64, exclude_same=(of_queries, labels))
    similarities = brute_force(queries, database)
    similarities[of_queries[:, None] == labels] = -np.inf
    np.testing.assert_array_equal(found.indices, sorted_by(similarities, 150))


def test_reads_a_memory_map_once_and_in_order(rng, tmp_path):
    class Watched(np.memmap):
        read: list[slice] = []  # noqa: RUF012

        def __getitem__(self, key):  # type: ignore[override]
            Watched.read.append(key)
            return np.asarray(super().__getitem__(key))

    at_once = retrieval.BLOCKS_AT_ONCE * 32
    database = vectors(rng, 2 * at_once + 70)
    database.tofile(tmp_path / "database")
    mapped = Watched(tmp_path / "database", np.float32, "r", shape=database.shape)
    queries = vectors(rng, 20)
    found = nearest_neighbors(queries, mapped, k=5, block_size=32)
    np.testing.assert_array_equal(found.indices, sorted_by(brute_force(queries, database), 5))
    starts = [0, at_once, 2 * at_once, 2 * at_once + 64]
    assert [(one.start, one.stop) for one in Watched.read] == [*itertools.pairwise(starts), (starts[-1], None)]


def test_compiles_once_and_once_more_for_the_rest(rng):
    queries = vectors(rng, 11)
    compiled: Any = retrieval._updated
    before = compiled._cache_size()
    for n in (640, 1280, 700, 710):
        nearest_neighbors(queries, vectors(rng, n), k=2, block_size=128)
    assert compiled._cache_size() == before + 2


@pytest.mark.parametrize("kind", [np.float64, np.float16, np.asfortranarray, jnp.asarray])
def test_blocks_of_any_floating_array_are_read(rng, kind):
    # Halves are exact in every precision.
    queries, database = vectors(rng, 20), np.round(vectors(rng, 300) * 8) / 2
    for found, expected in zip(
        nearest_neighbors(queries, kind(database), k=5, block_size=128),
        nearest_neighbors(queries, database, k=5, block_size=128),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)


# In single precision 1e300 overflows.
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30, 1e300])
@pytest.mark.parametrize("row", [0, 130, 299])
def test_database_rows_that_are_not_finite_are_refused(rng, row, value):
    database = vectors(rng, 300).astype(np.float64 if value == 1e300 else np.float32)
    database[row, 3] = value
    with pytest.raises(InputError, match=f"database row {row} holds NaN, infinity or"):
        nearest_neighbors(vectors(rng, 20), database, k=5, block_size=128)
