"""Labellings of a grid: their energy, and the descent that ends every search for a good one.

Arrays are laid out as in `convcorr_jax.flow.messages`: data costs and beliefs are ``[h_t, w_t, h_s, w_s]``.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int


class Labelling(NamedTuple):
    """The target cell of every source cell."""

    x: Int[Array, "h_s w_s"]
    y: Int[Array, "h_s w_s"]


class Energy(NamedTuple):
    """The two terms of the energy; the smoothness term includes its factor."""

    data: Float[Array, "*rounds"]
    smoothness: Float[Array, "*rounds"]

    @property
    def total(self) -> Float[Array, "*rounds"]:
        """What is minimised."""
        return self.data + self.smoothness


def decode(belief: Float[Array, "h_t w_t h_s w_s"]) -> Labelling:
    """The least label of every cell, the first one where several tie."""
    height, width = belief.shape[:2]
    index = jnp.arange(height * width).reshape(height, width, 1, 1)
    # Two plain reductions: one that carries an index along would not vectorise.
    least = belief.min(axis=(0, 1), keepdims=True)
    first = jnp.where(belief <= least, index, height * width - 1).min(axis=(0, 1))
    return Labelling(first % width, first // width)


def evaluate(
    data: Float[Array, "h_t w_t h_s w_s"], labels: Labelling, smoothness: Float[Array, ""]
) -> Energy:
    """Both energy terms of a labelling."""
    rows, columns = jnp.mgrid[: data.shape[2], : data.shape[3]]
    u, v = labels.x - columns, labels.y - rows
    roughness = sum((jnp.diff(part, axis=axis) ** 2).sum() for part in (u, v) for axis in (0, 1))
    return Energy(data[labels.y, labels.x, rows, columns].sum(), smoothness * roughness)


def descend(
    data: Float[Array, "h_t w_t h_s w_s"], labels: Labelling, smoothness: Float[Array, ""]
) -> Labelling:
    """Iterated conditional modes: each cell takes its best label given its neighbours', until none moves.

    The two colours of the checkerboard take turns, so that the energy never rises.
    """
    label_height, label_width, height, width = data.shape
    rows, columns = jnp.mgrid[:height, :width]
    even = (rows + columns) % 2 == 0
    y = jnp.arange(label_height, dtype=data.dtype).reshape(-1, 1, 1, 1)
    x = jnp.arange(label_width, dtype=data.dtype).reshape(1, -1, 1, 1)

    # sum_q |t - a_q|^2 over the neighbours q, which would have p at a_q = t_q + p - q. Multiplied out,
    # with what does not depend on t left away, it needs of the neighbours only their sum.
    neighbours = _from_neighbours(jnp.ones((height, width), data.dtype))
    own = data + smoothness * neighbours[None, None] * (x**2 + y**2)

    def turn(labels, whose):
        flow = ((labels.x - columns, columns), (labels.y - rows, rows))
        drawn_x, drawn_y = (
            (_from_neighbours(part.astype(data.dtype)) + neighbours * place)[None, None]
            for part, place in flow
        )
        best = decode(own - 2 * smoothness * (x * drawn_x + y * drawn_y))
        return jax.tree.map(lambda new, old: jnp.where(whose, new, old), best, labels)

    def sweep(state):
        _, before, count = state
        after = turn(turn(before, even), ~even)
        return before, after, count + 1

    def moving(state):
        before, after, count = state
        # A float tie could let two labellings alternate for ever.
        return (count < height * width) & ((before.x != after.x) | (before.y != after.y)).any()

    nowhere = jax.tree.map(lambda part: part - 1, labels)
    return lax.while_loop(moving, sweep, (nowhere, labels, 0))[1]


def _from_neighbours(values):
    """The sum of each cell's 4-neighbours."""
    padded = jnp.pad(values, 1)
    return padded[1:-1, :-2] + padded[1:-1, 2:] + padded[:-2, 1:-1] + padded[2:, 1:-1]
