"""Three message-passing schedules of belief propagation on a 4-connected grid.

Arrays have their label axes first and their cells last, ``[h_t, w_t, h_s, w_s]``, so that a message is computed
by minima over long contiguous runs. Messages are ``[4, h_t, w_t, h_s, w_s]``: entry d holds the *incoming*
message of each cell that travels right, left, down or up. It is 0 where no neighbour sends it.

A transform maps outgoing messages, over the labels of the senders, to incoming messages, over the labels of the
receivers. It takes ``[k, h_t, w_t, cells, ...]`` and an index that selects which k of the four directions these
are.
"""

import functools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float

from convcorr_jax.errors import InputError

Transform = Callable[[Array, slice | Array | np.ndarray], Array]


def sweeps(
    data: Float[Array, "h_t w_t h_s w_s"],
    messages: Float[Array, "4 h_t w_t h_s w_s"],
    transform: Transform,
    *,
    size: tuple[ArrayLike, ArrayLike] | None = None,
) -> Float[Array, "4 h_t w_t h_s w_s"]:
    """Pass messages through the columns to the right and to the left, then through the rows down and up.

    If ``size``, the height and width of the grid, is smaller than the arrays, their other cells are padding,
    whose messages are finite and mean nothing. It may be traced, so that one program serves grids of several
    sizes.
    """
    swap = functools.partial(jnp.swapaxes, axis1=-1, axis2=-2)
    # Horizontal and vertical: the arrays of the latter have the two axes of cells swapped.
    costs = data, swap(data)
    pairs = messages[:2], swap(messages[2:])
    lengths = None if size is None else size[::-1]

    def pass_along(axis, costs, others, length):
        forwards, backwards = swap(others)
        directions = 2 * axis + np.arange(2)
        return _along_columns(costs + forwards + backwards, lambda sent: transform(sent, directions), length)

    if data.shape[-1] == data.shape[-2]:
        # Both axes share one program, because compiling it takes longer than running it.
        costs, pairs = jnp.stack(costs), jnp.stack(pairs)
        lengths = None if lengths is None else jnp.stack(lengths)

        def update(axis, pairs):
            length = None if lengths is None else lengths[axis]
            return pairs.at[axis].set(pass_along(axis, costs[axis], pairs[1 - axis], length))

        horizontal, vertical = lax.fori_loop(0, 2, update, pairs)
    else:
        width, height = (None, None) if lengths is None else lengths
        horizontal = pass_along(0, costs[0], pairs[1], width)
        vertical = pass_along(1, costs[1], horizontal, height)
    return jnp.concatenate([horizontal, swap(vertical)])


def _along_columns(costs, transform, count):
    """Pass messages through the first ``count`` columns of ``costs``, forwards and backwards at once."""
    columns = jnp.moveaxis(costs, -1, 0)

    def reverse(arrays):
        """Reverse the order of the first columns; padding stays behind them."""
        return arrays[::-1] if count is None else jnp.roll(arrays[::-1], count, axis=0)

    def step(incoming, column_pair):
        return transform(incoming + jnp.stack(column_pair)), incoming

    nothing = jnp.zeros((2, *columns.shape[1:]), costs.dtype)
    _, incoming = lax.scan(step, nothing, (columns, reverse(columns)))
    return jnp.moveaxis(jnp.stack([incoming[:, 0], reverse(incoming[:, 1])]), 1, -1)


Schedule = Literal["parallel", "checkerboard", "sweeps"]
ALL = slice(0, 4)


class Wiring(NamedTuple):
    """A schedule on a grid as functions of messages, which have the schedule's own layout in between."""

    start: Callable[[Float[Array, "4 h_t w_t h_s w_s"]], Any]
    """Converts messages to that layout."""
    round: Callable[[Any], Any]
    finish: Callable[[Any], Float[Array, "4 h_t w_t h_s w_s"]]
    """Converts them back."""
    belief: Callable[[Any], Float[Array, "h_t w_t h_s w_s"]]
    """Computes the data cost plus all incoming messages of every cell."""


def wire(data: Float[Array, "h_t w_t h_s w_s"], transform: Transform, schedule: Schedule) -> Wiring:
    """Prepare one round of a schedule as a function of messages alone.

    "parallel": every cell sends to its four neighbours at once. "checkerboard": the cells of one colour send
    first; those of the other colour then use these messages. "sweeps": messages pass through the columns to the
    right and to the left, then through the rows down and up; each step uses the messages of the step before it.
    """
    if schedule not in get_args(Schedule):
        raise InputError(f"schedule {schedule!r} is not one of {get_args(Schedule)}")
    if schedule == "checkerboard":
        return _checkerboard(data, transform)
    one_round = _parallel_round if schedule == "parallel" else sweeps
    return Wiring(
        start=lambda messages: messages,
        round=lambda messages: one_round(data, messages, transform),
        finish=lambda messages: messages,
        belief=lambda messages: _belief(data, messages),
    )


def _belief(data, messages):
    right, left, down, up = messages
    return data + right + left + down + up


def _outgoing(data, messages):
    """Compute what each cell sends: its belief minus the message that it has received from the receiver."""
    right, left, down, up = messages
    belief = _belief(data, messages)
    return jnp.stack([belief - left, belief - right, belief - up, belief - down])


def _parallel_round(data, messages, transform):
    right, left, down, up = transform(_outgoing(data, messages), ALL)
    other_axes = [(0, 0)] * (data.ndim - 1)
    rows = other_axes[1:]
    return jnp.stack(
        [
            jnp.pad(right[..., :-1], [*other_axes, (1, 0)]),
            jnp.pad(left[..., 1:], [*other_axes, (0, 1)]),
            jnp.pad(down[..., :-1, :], [*rows, (1, 0), (0, 0)]),
            jnp.pad(up[..., 1:, :], [*rows, (0, 1), (0, 0)]),
        ]
    )


def _checkerboard(data, transform):
    height, width = data.shape[-2:]
    first, second = _pack(data, 0), _pack(data, 1)
    senders = has_sender((height, width)).astype(data.dtype)
    to_first, to_second = (_pack(senders, colour)[:, None, None] for colour in (0, 1))

    def one_round(messages):
        at_first, _ = messages
        at_second = to_second * _half_round(first, at_first, transform, 0)
        at_first = to_first * _half_round(second, at_second, transform, 1)
        return at_first, at_second

    return Wiring(
        start=lambda messages: (_pack(messages, 0), _pack(messages, 1)),
        round=one_round,
        finish=lambda messages: _unpack(messages[0], messages[1], width),
        belief=lambda messages: _unpack(_belief(first, messages[0]), _belief(second, messages[1]), width),
    )


def _half_round(data, messages, transform, colour):
    """Pass messages from the packed cells of one colour to those of the other (borders wrap around)."""
    right, left, down, up = transform(_outgoing(data, messages), ALL)
    is_second = _odd_rows(data) if colour == 0 else ~_odd_rows(data)
    return jnp.stack(
        [
            jnp.where(is_second, jnp.roll(right, 1, -1), right),
            jnp.where(is_second, left, jnp.roll(left, -1, -1)),
            jnp.roll(down, 1, -2),
            jnp.roll(up, -1, -2),
        ]
    )


def _pack(grid, colour):
    """Select one colour, ``[..., h, ceil(w / 2)]``; colour 0 is the first of each pair in an even row."""
    even_width = jnp.pad(grid, [(0, 0)] * (grid.ndim - 1) + [(0, grid.shape[-1] % 2)])
    pairs = even_width.reshape(*grid.shape[:-1], -1, 2)
    return jnp.where(_odd_rows(grid), pairs[..., 1 - colour], pairs[..., colour])


def _unpack(first, second, width):
    odd = _odd_rows(first)
    pairs = jnp.stack([jnp.where(odd, second, first), jnp.where(odd, first, second)], axis=-1)
    return pairs.reshape(*first.shape[:-1], -1)[..., :width]


def _odd_rows(grid):
    height = grid.shape[-2]
    return (np.arange(height) % 2 == 1).reshape((1,) * (grid.ndim - 2) + (height, 1))


def has_sender(
    shape: tuple[int, int], *, size: tuple[ArrayLike, ArrayLike] | None = None
) -> Bool[Array, "4 height width"]:
    """Return whether each cell has a neighbour that sends it a message travelling right, left, down, up.

    ``size`` is the number of rows and columns of the grid if it is smaller than the arrays; it may be traced.
    """
    height, width = shape if size is None else size
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return jnp.stack([columns > 0, columns < width - 1, rows > 0, rows < height - 1])
