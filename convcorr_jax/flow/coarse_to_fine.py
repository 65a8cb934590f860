"""Belief propagation on large grids: on a coarser grid first, then among the target cells of windows.

Messages over all target cells are four arrays of as many numbers as there are matches, and a round takes as
many steps times the sides of the target grid. On large grids each source cell therefore has the labels of a
window alone, a square of target cells around what a coarser grid has found. The energy is the full one: the
smoothness term compares cells of the target grid, whatever their windows (`labelling.window_tilt`).

In the coarser grid a cell is a block of 2 x 2 cells that move together, as in `convcorr_jax.flow.pyramid`,
and a label is a block of 2 x 2 target cells, with the least of their costs. A displacement of one block is one
of two cells, so that the smoothness is four times the finer grid's. Windows are placed anew around the best
flow while its energy falls.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from convcorr_jax.errors import InputError
from convcorr_jax.flow import pyramid
from convcorr_jax.flow.belief_propagation import MinSum, Schedule, min_sum

# Messages over all matches of larger grids fill hundreds of megabytes, and 60 x 60 cells, about six times as
# many as 25 x 25, take about a hundred times as long.
MOST_MATCHES = 40**4
# Energies on 30 pairs of PF-WILLOW with 25 x 25 cells, smoothness 0.05, above those of all labels: on average
# 0.03 %, at most 1.7 % with 11 cells; 0.13 % and 2.0 % with 17, which take twice as long.
WINDOW = 11
# Placed a second time, windows lower the energy by up to 0.9 %; after the fourth time, by less than 0.1 %.
PLACEMENTS = 4


class Windowed(NamedTuple):
    """The result of belief propagation over windows, all of one size."""

    solved: MinSum
    """Its min-marginals are over the window of each source cell."""
    origins: Int[Array, "h_s w_s 2"]
    """The target cell (x, y) of each window's first row and column."""


def window_shape(shape: tuple[int, ...], window: int | None) -> tuple[int, int]:
    """Return the height and width of the windows in which costs of this shape are aligned.

    Raises:
        InputError: the window is not a whole number of at least 3.
    """
    if window is None:
        window = WINDOW if np.prod(shape, dtype=float) > MOST_MATCHES else max(shape[2:], default=0)
    elif not isinstance(window, int | np.integer) or window < 3:
        raise InputError(f"window is {window!r}; a whole number of at least 3 target cells is expected")
    return min(int(window), shape[2]), min(int(window), shape[3])


def min_sum_in_windows(
    costs: Float[Array, "h_s w_s h_t w_t"],
    *,
    window: int | None,
    smoothness: float | Float[Array, ""],
    schedule: Schedule,
    max_rounds: int,
) -> Windowed:
    """Minimise the energy by `min_sum`, in windows where they do not cover the target grid.

    The rounds, their energies and the convergence are those of the placement of the windows whose flow has the
    lowest energy.
    """
    side = window_shape(costs.shape, window)
    smoothness = jnp.asarray(smoothness, costs.dtype)
    if side == costs.shape[2:]:
        solved = min_sum(costs, smoothness=smoothness, schedule=schedule, max_rounds=max_rounds)
        return Windowed(solved, jnp.zeros_like(solved.labels))
    # A cost that is not finite may lie outside all windows.
    costs = jnp.where(jnp.isfinite(costs).all(), costs, jnp.nan)
    coarse = _pooled(costs)
    limit = None if coarse.size <= MOST_MATCHES else window
    blocks = min_sum_in_windows(
        coarse, window=limit, smoothness=4 * smoothness, schedule=schedule, max_rounds=max_rounds
    ).solved.labels

    def place(labels):
        origins = _origins(labels, side, costs.shape[2:])
        found = min_sum(
            _cut(costs, origins, side),
            smoothness=smoothness,
            schedule=schedule,
            max_rounds=max_rounds,
            origins=origins,
        )
        return Windowed(found, origins)

    return _placed(place, _finer(blocks, costs.shape[:2]))


def _placed(place, labels) -> Windowed:
    """Place windows around labels, and around the result again while its energy falls."""

    def again(state):
        count, best, _ = state
        found = place(jnp.where(count == 0, labels, best.solved.labels))
        better = (count == 0) | (found.solved.energy.total < best.solved.energy.total)
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), found, best)
        return count + 1, best, better

    nothing = jax.tree.map(lambda part: jnp.zeros(part.shape, part.dtype), jax.eval_shape(place, labels))
    start = jnp.int32(0), nothing, jnp.bool_(True)
    return lax.while_loop(lambda state: (state[0] < PLACEMENTS) & state[2], again, start)[1]


def _pooled(costs):
    """Return the costs of blocks of 2 x 2 source cells with blocks of 2 x 2 target cells."""
    data = jnp.transpose(costs, (2, 3, 0, 1))
    return jnp.transpose(pyramid.pool_targets(pyramid.coarsen(data)), (2, 3, 0, 1))


def _finer(labels, size):
    """Return the target cell to which each cell of a grid of this size moves with its block."""
    rows, columns = jnp.mgrid[: size[0], : size[1]]
    return 2 * labels[rows // 2, columns // 2] + jnp.stack([columns % 2, rows % 2], axis=-1)


def _origins(labels, side, size):
    """Return where windows around labels begin, within a target grid of this size."""
    half = jnp.array([side[1] // 2, side[0] // 2], labels.dtype)
    last = jnp.array([size[1] - side[1], size[0] - side[0]], labels.dtype)
    return jnp.clip(labels - half[None, None], 0, last[None, None])


def _cut(costs, origins, side):
    """Return the costs ``[h_s, w_s, *side]`` of each source cell's window."""
    cut = jax.vmap(lambda one, origin: lax.dynamic_slice(one, (origin[1], origin[0]), side))
    return jax.vmap(cut)(costs, origins)
