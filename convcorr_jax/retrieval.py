"""Exact nearest neighbours by cosine similarity, in blocks of the database, with bounded memory.

The similarity of a query q and a database row d is ``q . d / (|q| |d|)`` in single precision; a
vector of length zero has similarity 0 with every vector. Neighbours are sorted by decreasing
similarity and, among equal similarities, by increasing index, as by a stable sort of all similarities.

Algorithm. The similarities of one block are a matrix product. The maximum of every group of 32 rows is
computed first. From these maxima the block's best row is drawn, then the next, for all queries together,
as long as a draw improves some query's k best so far. After the first blocks few draws do, and the
selection costs little compared with the product. (On a CPU, `jax.lax.top_k` of every block costs as much
as the product.)
"""

import functools
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float32, Int, Int32, Num, Shaped

from convcorr_jax.arrays import promote_arrays as _promote_arrays
from convcorr_jax.errors import InputError

# Rows of a block: enough for a product at full speed, few enough that its result stays in the cache.
BLOCK_SIZE = 2048
# Blocks of a database on the host that one call reads and compares.
BLOCKS_AT_ONCE = 8
# Queries of one call, which bounds the size of the similarities.
QUERIES_AT_ONCE = 1024
# Rows of a group with one maximum. A draw searches the maxima of a block, then the rows of one group.
GROUP = 32


class Neighbors(NamedTuple):
    """The k nearest database rows of every query, nearest first, by number, and their cosine similarities."""

    indices: Int32[np.ndarray, "m k"]
    similarities: Float32[np.ndarray, "m k"]


class _Vectors(NamedTuple):
    """Vectors, and labels of which equal ones exclude each other."""

    rows: Float[Array, "n d"]
    labels: Int32[Array, " n"] | None


class _Best(NamedTuple):
    """The k best rows so far of every query, in order; empty entries have similarity minus infinity."""

    similarities: Float32[Array, "m k"]
    indices: Int32[Array, "m k"]


class _Remaining(NamedTuple):
    """The rows of a block that follow every query's last draw: similarity falls, then the row number rises."""

    last_similarity: Float32[Array, "m 1"]
    last_row: Int32[Array, "m 1"]
    maxima: Float32[Array, "m groups"]
    """Over the remaining rows of each group."""
    maximum: Float32[Array, "m 1"]


def nearest_neighbors(
    queries: Float[Array, "m _"] | Float[np.ndarray, "m _"],
    database: Num[Array, "n _"] | Num[np.ndarray, "n _"],
    *,
    k: int,
    block_size: int = BLOCK_SIZE,
    exclude_same: tuple[Int[np.ndarray, " _"], Int[np.ndarray, " _"]] | None = None,
) -> Neighbors:
    """Find the k database rows with the largest cosine similarity to every query, exactly.

    The function cannot be traced by `jax.jit`. Vectors have any length; one shorter than 1e-19 counts as zero.
    The database may be a NumPy memory map, which is read once, in order. A database on the device is not
    copied, which is faster. Besides queries, database and result, the search needs about ``4 * block_size * (2
    * min(m, 1024) + 20 * d)`` bytes for a database of any size.

    >>> database = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])
    >>> nearest_neighbors(np.array([[0.0, 1.0]]), database, k=2).indices
    array([[1, 2]], dtype=int32)

    Args:
        block_size: the number of database rows that are compared at once. The default suits a CPU; a larger
            number, such as 65536, suits an accelerator.
        exclude_same: labels of the queries and of the database rows; vectors with equal labels are never
            neighbours. If the members of a set are the queries, ``(np.arange(n), np.arange(n))`` excludes each
            member from its own neighbours, and the numbers of their images exclude neighbours in the same
            image.

    Raises:
        InputError: a vector holds NaN, infinity, or numbers too large to be squared; the vectors or
            labels do not agree in length or number; there are no queries; k or block_size is not
            positive; or fewer than k rows are allowed for a query.
    """
    _check_options(queries, database, k, block_size)
    query_labels, row_labels = _common_labels(queries, database, k, exclude_same)
    unit_queries, finite = jax.jit(_unit_rows)(jax.device_put(queries))
    _check_finite("query", 0, finite)
    chunks = _chunks(_Vectors(unit_queries, query_labels))
    best = [_empty(len(chunk.rows), k) for chunk in chunks]
    size = -(-min(block_size, len(database)) // GROUP) * GROUP
    previous = None
    for run in _runs(database, size):
        vectors = _Vectors(run.rows, _run_labels(run, row_labels))
        for i, chunk in enumerate(chunks):
            best[i], finite = _updated(best[i], chunk, vectors, run.start, run.blocks, run.filled, size=size)
        # The next run is read while this one is computed, after the previous run is finished.
        if previous is not None:
            _finish(*previous)
        previous = (run, finite, tuple(best))
    if previous is not None:
        _finish(*previous)
    return Neighbors(
        np.concatenate([of_chunk.indices for of_chunk in best]),
        np.concatenate([of_chunk.similarities for of_chunk in best]),
    )


def _chunks(queries: _Vectors) -> list[_Vectors]:
    """Divide queries into chunks of nearly equal size, at most `QUERIES_AT_ONCE`."""
    count = len(queries.rows)
    size = -(-count // -(-count // QUERIES_AT_ONCE))
    parts = [slice(i, i + size) for i in range(0, count, size)]
    labels = queries.labels
    return [_Vectors(queries.rows[part], None if labels is None else labels[part]) for part in parts]


class _Run(NamedTuple):
    """Consecutive blocks of the database that are compared in one call."""

    start: int
    """The number of the first row."""
    rows: Float[Array, "n d"]
    blocks: int
    """The number of blocks of ``rows`` that belong to the run; further rows are undefined."""
    filled: int | None
    """The number of rows of a single block that is not full; None for full blocks."""


def _run_labels(run: _Run, row_labels: Int32[np.ndarray, " n"] | None) -> Shaped[Array, " rows"] | None:
    if row_labels is None:
        return None
    return _padded(row_labels[run.start : run.start + len(run.rows)], len(run.rows))


def _finish(run: _Run, finite: Bool[Array, ""], best: tuple[_Best, ...]) -> None:
    jax.block_until_ready(best)
    if not finite:
        _check_finite("database row", run.start, _unit_rows(run.rows)[1])


def _runs(database: Num[Array, "n d"] | Num[np.ndarray, "n d"], size: int) -> Iterator[_Run]:
    """Yield full blocks, then the rest padded; a run may be overwritten when the next but one is requested."""
    whole = len(database) // size
    if isinstance(database, jax.Array):
        if whole:
            yield _Run(0, database, whole, None)
    else:
        # Allocating memory for every run would cost several times as much as copying into existing memory.
        shape = BLOCKS_AT_ONCE * size, database.shape[1]
        buffers = itertools.cycle([_aligned_buffer(*shape) for _ in range(2)])
        for first, buffer in zip(range(0, whole, BLOCKS_AT_ONCE), buffers, strict=False):
            blocks = min(BLOCKS_AT_ONCE, whole - first)
            start = first * size
            # Numbers too large for single precision become infinite, which is reported as an error.
            with np.errstate(over="ignore"):
                buffer[: blocks * size] = database[start : start + blocks * size]
            yield _Run(start, jax.device_put(buffer), blocks, None)
    remaining = len(database) - whole * size
    if remaining:
        with np.errstate(over="ignore"):
            rows = jnp.asarray(database[whole * size :], jnp.float32)
        yield _Run(whole * size, _padded(rows, size), 1, remaining)


def _aligned_buffer(rows: int, columns: int) -> Float32[np.ndarray, "rows columns"]:
    """Allocate memory that begins at a multiple of 64 bytes, which JAX on a CPU uses without a copy."""
    length = 4 * rows * columns
    memory = np.empty(length + 64, np.uint8)
    first = -memory.ctypes.data % 64
    return memory[first : first + length].view(np.float32).reshape(rows, columns)


def _padded(
    array: Shaped[Array, "n ..."] | Shaped[np.ndarray, "n ..."], size: int
) -> Shaped[Array, "size ..."]:
    if len(array) == size:
        return jnp.asarray(array)
    return jnp.pad(array, [(0, size - len(array))] + [(0, 0)] * (array.ndim - 1))


def _unit_rows(vectors: Float[Array, "n d"]) -> tuple[Float32[Array, "n d"], Bool[Array, " n"]]:
    """Scale vectors to unit length (or zero), and return whether each is finite."""
    vectors = vectors.astype(jnp.float32)
    squared = (vectors**2).sum(1, keepdims=True)
    inverse = jnp.where(squared > 0, jax.lax.rsqrt(squared), 0)
    return vectors * inverse, jnp.isfinite(squared[:, 0])


def _empty(m: int, k: int) -> _Best:
    return _Best(jnp.full((m, k), -jnp.inf, jnp.float32), jnp.zeros((m, k), jnp.int32))


@functools.partial(jax.jit, static_argnames=("size",))
def _updated(
    best: _Best,
    queries: _Vectors,
    run: _Vectors,
    start: int | Int[Array, ""],
    blocks: int | Int[Array, ""],
    filled: int | Int[Array, ""] | None,
    *,
    size: int,
) -> tuple[_Best, Bool[Array, ""]]:
    """Update the k best with the run that begins at ``start``, and return whether all its rows are finite."""

    def update(block: Int[Array, ""], state: tuple[_Best, Bool[Array, ""]]):
        best, finite = state
        first = block * size
        rows, labels = jax.tree.map(lambda array: jax.lax.dynamic_slice_in_dim(array, first, size), run)
        rows, finite_rows = _unit_rows(rows)
        similarities = jnp.matmul(queries.rows, rows.T, precision=jax.lax.Precision.HIGHEST)
        if filled is not None:
            similarities = jnp.where(jnp.arange(size)[None] < filled, similarities, -jnp.inf)
        if queries.labels is not None and labels is not None:
            same = queries.labels[:, None] == labels[None]
            similarities = jnp.where(same, -jnp.inf, similarities)
        return _with_best_of(best, similarities, start + first), finite & finite_rows.all()

    return jax.lax.fori_loop(0, blocks, update, (best, jnp.bool_(True)))


def _with_best_of(best: _Best, similarities: Float32[Array, "m n"], start: Int[Array, ""]) -> _Best:
    """Update the k best with the similarities of a block that begins at ``start``."""
    m, size = similarities.shape
    groups = similarities.reshape(m, size // GROUP, GROUP)

    def improves(state: tuple[_Remaining, _Best]) -> Bool[Array, ""]:
        remaining, best = state
        return (remaining.maximum > best.similarities[:, -1:]).any()

    def draw_once(state: tuple[_Remaining, _Best]) -> tuple[_Remaining, _Best]:
        remaining, best = state
        remaining = _draw(remaining, groups)
        return remaining, _inserted(best, remaining.last_similarity, start + remaining.last_row)

    # Without the barrier XLA computes the maximum of the maxima again from all similarities.
    maxima = _bounded(jax.lax.optimization_barrier(groups.max(-1)))
    all_rows = _Remaining(
        jnp.full((m, 1), jnp.inf, jnp.float32),
        jnp.full((m, 1), -1, jnp.int32),
        maxima,
        maxima.max(1, keepdims=True),
    )
    return jax.lax.while_loop(improves, draw_once, (all_rows, best))[1]


def _draw(remaining: _Remaining, groups: Float32[Array, "m groups members"]) -> _Remaining:
    """Draw the best remaining row of every query, and return the rows that remain."""
    count, members = groups.shape[1:]
    numbers = jnp.arange(count, dtype=jnp.int32)[None]
    # The argmax, several times as fast as XLA's own on a CPU.
    is_best = remaining.maxima == remaining.maximum
    group = jnp.where(is_best, numbers, count).min(1, keepdims=True)
    candidates = _bounded(jnp.take_along_axis(groups, group[:, :, None], axis=1)[:, 0])
    rows = group * members + jnp.arange(members, dtype=jnp.int32)[None]
    undrawn = (candidates < remaining.last_similarity) | (
        (candidates == remaining.last_similarity) & (rows > remaining.last_row)
    )
    drawable = undrawn & (candidates == remaining.maximum)
    row = jnp.where(drawable, rows, count * members).min(1, keepdims=True)
    still_undrawn = undrawn & ((candidates < remaining.maximum) | (rows > row))
    group_maximum = jnp.where(still_undrawn, candidates, -jnp.inf).max(1, keepdims=True)
    maxima = jnp.where(numbers == group, group_maximum, remaining.maxima)
    return _Remaining(remaining.maximum, row, maxima, maxima.max(1, keepdims=True))


def _bounded(similarities: Float32[Array, "m n"]) -> Float32[Array, "m n"]:
    """Bound the products of unit vectors, but not minus infinity, by -1 and 1, which rounding exceeds."""
    return jnp.where(jnp.isneginf(similarities), similarities, similarities.clip(-1, 1))


def _inserted(best: _Best, similarity: Float32[Array, "m 1"], index: Int32[Array, "m 1"]) -> _Best:
    """Insert one candidate into the best, behind equal ones, which have lower indices."""
    places = jnp.arange(best.indices.shape[1])[None]
    place = (best.similarities >= similarity).sum(1, keepdims=True)

    def put(old: Shaped[Array, "m k"], new: Shaped[Array, "m 1"]) -> Shaped[Array, "m k"]:
        moved = jnp.concatenate([new, old[:, :-1]], axis=1)
        return jnp.where(places < place, old, jnp.where(places == place, new, moved))

    return _Best(put(best.similarities, similarity), put(best.indices, index))


def _check_finite(what: str, first: int, finite: Bool[Array, " n"]) -> None:
    bad = np.flatnonzero(~np.asarray(finite))
    if len(bad):
        raise InputError(
            f"{what} {first + bad[0]} holds NaN, infinity or numbers too large to be squared; "
            "finite numbers are expected"
        )


def _check_options(
    queries: Shaped[Array, "m _"] | Shaped[np.ndarray, "m _"],
    database: Shaped[Array, "n _"] | Shaped[np.ndarray, "n _"],
    k: int,
    block_size: int,
) -> None:
    if queries.shape[1] != database.shape[1]:
        raise InputError(
            f"queries have {queries.shape[1]} numbers each and database rows {database.shape[1]}; "
            "the same is expected"
        )
    if not len(queries):
        raise InputError("there are no queries; at least one is expected")
    if k < 1:
        raise InputError(f"k is {k}; at least 1 neighbour is expected")
    if k > len(database):
        raise InputError(f"k is {k}, but the database has only {len(database)} rows")
    if block_size < 1:
        raise InputError(f"block_size is {block_size}; at least 1 row is expected")


def _common_labels(
    queries: Shaped[Array, "m _"] | Shaped[np.ndarray, "m _"],
    database: Shaped[Array, "n _"] | Shaped[np.ndarray, "n _"],
    k: int,
    exclude_same: tuple[Int[np.ndarray, " _"], Int[np.ndarray, " _"]] | None,
) -> tuple[Int32[Array, " m"], Int32[np.ndarray, " n"]] | tuple[None, None]:
    """Convert both sets of labels to small integers, after checking that k rows are allowed for every query."""
    if exclude_same is None:
        return None, None
    m, n = len(queries), len(database)
    counts = tuple(len(labels) for labels in exclude_same)
    if counts != (m, n):
        raise InputError(
            f"exclude_same has {counts[0]} and {counts[1]} labels; one for each of {m} queries and "
            f"{n} database rows is expected"
        )
    distinct, labels = np.unique(np.concatenate(exclude_same), return_inverse=True)
    labels = labels.astype(np.int32)
    allowed = n - np.bincount(labels[m:], minlength=len(distinct))[labels[:m]]
    if (allowed < k).any():
        worst = int(allowed.argmin())
        raise InputError(f"query {worst} has only {allowed[worst]} database rows of another label; k is {k}")
    return jnp.asarray(labels[:m]), labels[m:]


_promote_arrays(globals())  # From here on, callers' arrays are checked and promoted (`convcorr_jax.arrays`).
