"""Belief propagation on large grids: on coarser grids first, then among the target cells of windows.

Messages over all target cells are four arrays of as many numbers as there are matches, and a round takes as
many steps times the sides of the target grid. On large grids these messages are passed on coarser grids of
source cells alone (`convcorr_jax.flow.pyramid`). The finest grid begins with them, as `min_sum` does, but each
of its cells keeps the labels of a window alone, a square of target cells around the label that they make
cheapest. The energy is the full one: the smoothness term compares cells of the target grid, whatever their
windows (`labelling.window_tilt`).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from convcorr_jax.errors import InputError
from convcorr_jax.flow.belief_propagation import MinSum, Schedule, coarse_messages, min_sum
from convcorr_jax.flow.labelling import decode
from convcorr_jax.flow.messages import has_sender

# Messages over all matches of larger grids fill hundreds of megabytes, and 60 x 60 cells, about six times as
# many as 25 x 25, take about a hundred times as long.
MOST_MATCHES = 40**4
# On 30 pairs of PF-WILLOW with 25 x 25 cells and two values of the smoothness, and on 6 of 60 x 60 cells, the
# energies were those of all labels within 0.01 %.
WINDOW = 11
# As many coarser grids as `min_sum` has by default.
COARSE_LEVELS = 2
# Where the sender of a message that travels right, left, down, up is, from its receiver: rows, columns.
_SENDERS = np.array([[0, -1], [0, 1], [-1, 0], [1, 0]])


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
    """Minimise the energy by `min_sum`, in windows where they do not cover the target grid."""
    side = window_shape(costs.shape, window)
    smoothness = jnp.asarray(smoothness, costs.dtype)
    if side == costs.shape[2:]:
        solved = min_sum(costs, smoothness=smoothness, schedule=schedule, max_rounds=max_rounds)
        return Windowed(solved, jnp.zeros_like(solved.labels))
    # A cost that is not finite may lie outside all windows.
    costs = jnp.where(jnp.isfinite(costs).all(), costs, jnp.nan)
    data = jnp.transpose(costs, (2, 3, 0, 1))
    messages = coarse_messages(data, smoothness, 0.0, COARSE_LEVELS)
    origins = _origins(jnp.stack(decode(data + messages.sum(axis=0)), axis=-1), side, costs.shape[2:])
    solved = min_sum(
        _cut(costs, origins, side),
        smoothness=smoothness,
        schedule=schedule,
        max_rounds=max_rounds,
        origins=origins,
        messages=_cut_messages(messages, origins, side, smoothness),
    )
    return Windowed(solved, origins)


def _cut_messages(messages, origins, side, smoothness):
    """Return the messages over windows, less the part of the smoothness term that became a cost of labels."""
    height, width = origins.shape[:2]
    rows, columns = jnp.mgrid[:height, :width]
    y, x = (jnp.arange(length, dtype=messages.dtype) for length in side)
    sent = has_sender((height, width))
    cut = []
    for incoming, (down, right), is_sent in zip(messages, _SENDERS, sent, strict=True):
        of_sender = origins[jnp.clip(rows + down, 0, height - 1), jnp.clip(columns + right, 0, width - 1)]
        step_x, step_y = jnp.moveaxis((origins - of_sender).astype(messages.dtype), -1, 0)[:, None, None]
        tilt = 2 * smoothness * (y[:, None, None, None] * step_y + x[None, :, None, None] * step_x)
        window = _cut(jnp.transpose(incoming, (2, 3, 0, 1)), origins, side)
        cut.append(jnp.where(is_sent[None, None], jnp.transpose(window, (2, 3, 0, 1)) - tilt, 0))
    return jnp.stack(cut)


def _origins(labels, side, size):
    """Return where windows around labels begin, within a target grid of this size."""
    half = jnp.array([side[1] // 2, side[0] // 2], labels.dtype)
    last = jnp.array([size[1] - side[1], size[0] - side[0]], labels.dtype)
    return jnp.clip(labels - half[None, None], 0, last[None, None])


def _cut(costs, origins, side):
    """Return the costs ``[h_s, w_s, *side]`` of each source cell's window."""
    cut = jax.vmap(lambda one, origin: lax.dynamic_slice(one, (origin[1], origin[0]), side))
    return jax.vmap(cut)(costs, origins)
