"""Exact nearest neighbours by cosine, in blocks of the database, with bounded memory.

The similarity of a query q and a database row d is ``q . d / (|q| |d|)`` in single precision; a
vector of length zero has similarity 0 with everything. Neighbours come in the order of falling
similarity, equals in the order of rising index, as a stable sort of all similarities would put them.

How. The similarities of one block are a matrix product. The greatest of every 32 is found at once;
from these maxima the block's best row is drawn, then the next, for all queries together, for as long
as a draw improves on some query's k best so far. After the first blocks few draws do, and selection
costs little beside the product. (`jax.lax.top_k` of every block costs as much as the product, on a
CPU.)
"""

import functools
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float32, Int, Int32, Shaped

from convcorr_jax.errors import InputError

# Rows of a block: enough for a product at full speed, few enough for its result to stay in the cache.
BLOCK_SIZE = 2048
# Blocks that are read from a database on the host, and compared, in one call.
BLOCKS_AT_ONCE = 8
QUERIES_AT_ONCE = 1024
# Rows that share a maximum. A draw searches the maxima of a block, then the rows of one group.
GROUP = 32


class Neighbors(NamedTuple):
    """The k nearest database rows of every query, the nearest first."""

    indices: Int32[np.ndarray, "m k"]
    similarities: Float32[np.ndarray, "m k"]


class _Vectors(NamedTuple):
    rows: Float[Array, "n d"]
    labels: Int32[Array, " n"] | None


class _Best(NamedTuple):
    """The k best rows so far of every query, in order; a place not yet taken holds minus infinity."""

    similarities: Float32[Array, "m k"]
    indices: Int32[Array, "m k"]


class _Left(NamedTuple):
    """What every query has not yet drawn from a block: all that comes after its last draw.

    Draws fall in similarity and, among equals, rise in row, so the last draw tells what is left, and
    nothing needs to be crossed out.
    """

    last_similarity: Float32[Array, "m 1"]
    last_row: Int32[Array, "m 1"]
    maxima: Float32[Array, "m groups"]
    """Of what is left in each group."""
    maximum: Float32[Array, "m 1"]


def nearest_neighbors(
    queries: Float[Array, "m _"] | Float[np.ndarray, "m _"],
    database: Float[Array, "n _"] | Float[np.ndarray, "n _"],
    *,
    k: int,
    block_size: int = BLOCK_SIZE,
    exclude_same: tuple[Int[np.ndarray, " _"], Int[np.ndarray, " _"]] | None = None,
) -> Neighbors:
    """The k database rows of greatest cosine similarity to every query, exactly.

    Cannot be traced by `jax.jit`. The database may be a NumPy memory map, which is read once, in
    order; one on the device is searched where it lies, which is faster. Beside queries, database and
    result this takes about ``4 * block_size * (2 * min(m, 1024) + 20 * d)`` bytes, however large the
    database.

    >>> database = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])
    >>> nearest_neighbors(np.array([[0.0, 1.0]]), database, k=2).indices
    array([[1, 2]], dtype=int32)

    Args:
        queries: vectors ``[m, d]`` of any length; one shorter than 1e-19 counts as zero.
        database: vectors ``[n, d]``, likewise; they become single precision a block at a time.
        k: how many neighbours.
        block_size: how many database rows are compared at once. The default suits a CPU; an
            accelerator wants more, 65536 say.
        exclude_same: labels of the queries and of the database rows; vectors of equal labels are
            never neighbours. When a set is searched for its own members,
            ``(np.arange(n), np.arange(n))`` keeps each from itself, and the numbers of their images
            keep out neighbours in the same image.

    Raises:
        InputError: a vector holds NaN, infinity, or numbers too large to be squared; the vectors or
            labels do not agree in length or number; there are no queries; k or block_size is not
            positive; or a query has fewer than k rows to choose from.
    """
    _check_options(queries, database, k, block_size)
    query_labels, row_labels = _common_labels(queries, database, k, exclude_same)
    unit_queries, finite = jax.jit(_unit_rows)(jax.device_put(queries))
    _check_finite("query", 0, finite)
    share = -(-len(queries) // -(-len(queries) // QUERIES_AT_ONCE))
    parts = [slice(i, i + share) for i in range(0, len(queries), share)]
    chunks = [
        _Vectors(unit_queries[part], None if query_labels is None else query_labels[part])
        for part in parts
    ]
    best = [_none_yet(len(chunk.rows), k) for chunk in chunks]

    size = -(-min(block_size, len(database)) // GROUP) * GROUP
    before = None
    for run in _runs(database, size):
        labels = None
        if row_labels is not None:
            labels = _padded(row_labels[run.start : run.start + len(run.rows)], len(run.rows))
        vectors = _Vectors(run.rows, labels)
        for i, chunk in enumerate(chunks):
            best[i], finite = _absorbed(
                best[i], chunk, vectors, run.start, run.blocks, run.filled, size=size
            )
        # While this run is computed the next is read, once the run before is done with.
        if before is not None:
            _finish(*before)
        before = (run, finite, tuple(best))
    if before is not None:
        _finish(*before)
    return Neighbors(
        np.concatenate([so_far.indices for so_far in best]),
        np.concatenate([so_far.similarities for so_far in best]),
    )


class _Run(NamedTuple):
    """Consecutive blocks of the database, compared in one call."""

    start: int
    """The database's row that comes first."""
    rows: Float[Array, "n d"]
    blocks: int
    """How many blocks of the rows are the run's; others hold anything."""
    filled: int | None
    """In a single block that is not full: how many of its rows are the database's."""


def _finish(run: _Run, finite: Bool[Array, ""], best: tuple[_Best, ...]) -> None:
    jax.block_until_ready(best)
    if not finite:
        _check_finite("database row", run.start, _unit_rows(run.rows)[1])


def _runs(database: Float[Array, "n d"] | Float[np.ndarray, "n d"], size: int) -> Iterator[_Run]:
    """The database's full blocks, and a block filled up with zeros for what is left.

    A run's rows may be overwritten when the next but one is asked for.
    """
    whole = len(database) // size
    if isinstance(database, jax.Array):
        if whole:
            yield _Run(0, database, whole, None)
    else:
        # Fresh memory for every run would cost several times what copying into old memory does.
        shape = BLOCKS_AT_ONCE * size, database.shape[1]
        buffers = itertools.cycle([_aligned_buffer(*shape) for _ in range(2)])
        for first, buffer in zip(range(0, whole, BLOCKS_AT_ONCE), buffers, strict=False):
            blocks = min(BLOCKS_AT_ONCE, whole - first)
            start = first * size
            # What is too large for single precision becomes infinite, and is refused as such.
            with np.errstate(over="ignore"):
                buffer[: blocks * size] = database[start : start + blocks * size]
            yield _Run(start, jax.device_put(buffer), blocks, None)
    left = len(database) - whole * size
    if left:
        with np.errstate(over="ignore"):
            rows = jnp.asarray(database[whole * size :], jnp.float32)
        yield _Run(whole * size, _padded(rows, size), 1, left)


def _aligned_buffer(rows: int, columns: int) -> Float32[np.ndarray, "rows columns"]:
    """Memory that begins at a multiple of 64 bytes, which JAX on a CPU uses as it is."""
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


def _unit_rows(
    vectors: Float[Array, "n d"],
) -> tuple[Float32[Array, "n d"], Bool[Array, " n"]]:
    """The vectors at unit length (or zero), and whether each is finite."""
    vectors = vectors.astype(jnp.float32)
    squared = (vectors**2).sum(1, keepdims=True)
    inverse = jnp.where(squared > 0, jax.lax.rsqrt(squared), 0)
    return vectors * inverse, jnp.isfinite(squared[:, 0])


def _none_yet(m: int, k: int) -> _Best:
    return _Best(jnp.full((m, k), -jnp.inf, jnp.float32), jnp.zeros((m, k), jnp.int32))


@functools.partial(jax.jit, static_argnames=("size",))
def _absorbed(
    best: _Best,
    queries: _Vectors,
    run: _Vectors,
    start: int | Int[Array, ""],
    blocks: int | Int[Array, ""],
    filled: int | Int[Array, ""] | None,
    *,
    size: int,
) -> tuple[_Best, Bool[Array, ""]]:
    """The k best after the run that begins at ``start``, and whether all its rows are finite."""

    def absorb(block: Int[Array, ""], state: tuple[_Best, Bool[Array, ""]]):
        best, finite = state
        first = block * size
        rows, labels = jax.tree.map(
            lambda array: jax.lax.dynamic_slice_in_dim(array, first, size), run
        )
        rows, finite_rows = _unit_rows(rows)
        similarities = jnp.matmul(queries.rows, rows.T, precision=jax.lax.Precision.HIGHEST)
        if filled is not None:
            similarities = jnp.where(jnp.arange(size)[None] < filled, similarities, -jnp.inf)
        if queries.labels is not None and labels is not None:
            same = queries.labels[:, None] == labels[None]
            similarities = jnp.where(same, -jnp.inf, similarities)
        return _with_best_of(best, similarities, start + first), finite & finite_rows.all()

    return jax.lax.fori_loop(0, blocks, absorb, (best, jnp.bool_(True)))


def _with_best_of(best: _Best, similarities: Float32[Array, "m n"], start: Int[Array, ""]) -> _Best:
    """The k best after the similarities of a block that begins at ``start``."""
    m, size = similarities.shape
    groups = similarities.reshape(m, size // GROUP, GROUP)

    def improves(state: tuple[_Left, _Best]) -> Bool[Array, ""]:
        left, best = state
        return (left.maximum > best.similarities[:, -1:]).any()

    def draw_once(state: tuple[_Left, _Best]) -> tuple[_Left, _Best]:
        left, best = state
        left = _draw(left, groups)
        return left, _inserted(best, left.last_similarity, start + left.last_row)

    # Without the barrier XLA takes the maximum of maxima from all similarities once more.
    maxima = jax.lax.optimization_barrier(groups.max(-1))
    everything = _Left(
        jnp.full((m, 1), jnp.inf, jnp.float32),
        jnp.full((m, 1), -1, jnp.int32),
        maxima,
        maxima.max(1, keepdims=True),
    )
    return jax.lax.while_loop(improves, draw_once, (everything, best))[1]


def _draw(left: _Left, groups: Float32[Array, "m groups members"]) -> _Left:
    """What is left after every query has drawn its best row."""
    count, members = groups.shape[1:]
    numbers = jnp.arange(count, dtype=jnp.int32)[None]
    # This is argmax, several times as fast as XLA's own on a CPU.
    group = jnp.where(left.maxima == left.maximum, numbers, count).min(1, keepdims=True)
    candidates = jnp.take_along_axis(groups, group[:, :, None], axis=1)[:, 0]
    rows = group * members + jnp.arange(members, dtype=jnp.int32)[None]
    there = (candidates < left.last_similarity) | (
        (candidates == left.last_similarity) & (rows > left.last_row)
    )
    drawable = there & (candidates == left.maximum)
    row = jnp.where(drawable, rows, count * members).min(1, keepdims=True)
    still_there = there & ((candidates < left.maximum) | (rows > row))
    rest = jnp.where(still_there, candidates, -jnp.inf).max(1, keepdims=True)
    maxima = jnp.where(numbers == group, rest, left.maxima)
    return _Left(left.maximum, row, maxima, maxima.max(1, keepdims=True))


def _inserted(best: _Best, similarity: Float32[Array, "m 1"], index: Int32[Array, "m 1"]) -> _Best:
    """The best with one candidate more, put behind its equals, which have lower indices."""
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
    """Both sets of labels as small integers, once it is sure that they leave k rows to every query."""
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
    left = n - np.bincount(labels[m:], minlength=len(distinct))[labels[:m]]
    if (left < k).any():
        worst = int(left.argmin())
        raise InputError(
            f"query {worst} has only {left[worst]} database rows of another label; k is {k}"
        )
    return jnp.asarray(labels[:m]), labels[m:]
