"""How messages travel over a 4-connected grid: three schedules of belief propagation.

Arrays have their label axes first and their pixels last, ``[h_t, w_t, h_s, w_s]``: a message is then computed
by minima over long contiguous runs. Messages are ``[4, h_t, w_t, h_s, w_s]``: entry d is what has *arrived* at
each pixel travelling right, left, down and up; it is 0 where there is no neighbour to send it.

A transform turns what senders would say of their own labels into what it means for the receivers' labels.
It takes ``[k, h_t, w_t, pixels, ...]`` and a slice that says which k of the four directions these are.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float

Schedule = Literal["parallel", "checkerboard", "sweeps"]
Transform = Callable[[Array, slice], Array]

ALL = slice(0, 4)
HORIZONTAL = slice(0, 2)
VERTICAL = slice(2, 4)


class Wiring(NamedTuple):
    """One schedule on one grid; its messages may be laid out as it likes between ``start`` and ``finish``."""

    start: Callable[[Float[Array, "4 h_t w_t h_s w_s"]], Any]
    round: Callable[[Any], Any]
    finish: Callable[[Any], Float[Array, "4 h_t w_t h_s w_s"]]
    belief: Callable[[Any], Float[Array, "h_t w_t h_s w_s"]]


def wire(data: Float[Array, "h_t w_t h_s w_s"], transform: Transform, schedule: Schedule) -> Wiring:
    """One round of a schedule as a function of messages alone.

    - "parallel": every pixel sends to its four neighbours at once.
    - "checkerboard": the pixels of one colour send, then those of the other, who have heard them.
    - "sweeps": through the columns to the right and to the left, then through the rows down and up, each
      step using what the step before it sent.
    """
    if schedule == "checkerboard":
        return _checkerboard(data, transform)
    one_round = _parallel_round if schedule == "parallel" else _sweeps_round
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
    """What each pixel would say: its belief, less what the receiver itself has told it."""
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


def _sweeps_round(data, messages, transform):
    _, _, down, up = messages
    right, left = _sweep_columns(data + down + up, transform, HORIZONTAL)
    down, up = _sweep_columns(jnp.swapaxes(data + right + left, -1, -2), transform, VERTICAL)
    return jnp.stack([right, left, jnp.swapaxes(down, -1, -2), jnp.swapaxes(up, -1, -2)])


def _sweep_columns(said, transform, directions):
    """Messages through the columns of ``said``, forwards and backwards at the same time."""
    columns = jnp.moveaxis(said, -1, 0)

    def step(arrived, column_pair):
        return transform(arrived + jnp.stack(column_pair), directions), arrived

    nothing = jnp.zeros((2, *columns.shape[1:]), said.dtype)
    _, arrived = lax.scan(step, nothing, (columns, columns[::-1]))
    return jnp.moveaxis(arrived[:, 0], 0, -1), jnp.moveaxis(arrived[::-1, 1], 0, -1)


def _checkerboard(data, transform):
    height, width = data.shape[-2:]
    first, second = _pack(data, 0), _pack(data, 1)
    sent = jnp.asarray(has_sender(height, width), data.dtype)
    to_first, to_second = (_pack(sent, colour)[:, None, None] for colour in (0, 1))

    def one_round(messages):
        at_first, _ = messages
        at_second = to_second * _half_round(first, at_first, transform, 0)
        at_first = to_first * _half_round(second, at_second, transform, 1)
        return at_first, at_second

    return Wiring(
        start=lambda messages: (_pack(messages, 0), _pack(messages, 1)),
        round=one_round,
        finish=lambda messages: _unpack(messages[0], messages[1], width),
        belief=lambda messages: _unpack(
            _belief(first, messages[0]), _belief(second, messages[1]), width
        ),
    )


def _half_round(data, messages, transform, colour):
    """What the packed pixels of one colour send to those of the other (borders wrap around)."""
    right, left, down, up = transform(_outgoing(data, messages), ALL)
    stands_second = _odd_rows(data) if colour == 0 else ~_odd_rows(data)
    return jnp.stack(
        [
            jnp.where(stands_second, jnp.roll(right, 1, -1), right),
            jnp.where(stands_second, left, jnp.roll(left, -1, -1)),
            jnp.roll(down, 1, -2),
            jnp.roll(up, -1, -2),
        ]
    )


def _pack(grid, colour):
    """The pixels of one colour of the checkerboard, ``[..., h, w] -> [..., h, ceil(w / 2)]``.

    In an even row colour 0 stands first in each pair of pixels, in an odd row second.
    """
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


def has_sender(height: int, width: int) -> Bool[np.ndarray, "4 height width"]:
    """Whether there is a neighbour from whom a message can arrive travelling right, left, down, up."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns > 0, columns < width - 1, rows > 0, rows < height - 1])
