"""Labellings of a grid: decoding, energy, and refinement by iterated conditional modes.

Arrays are laid out as in `convcorr_jax.flow.messages`: data costs and beliefs are ``[h_t, w_t, h_s, w_s]``.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int


class Labelling(NamedTuple):
    """The target cell of every source cell: its column x and row y."""

    x: Int[Array, "h_s w_s"]
    y: Int[Array, "h_s w_s"]


class Energy(NamedTuple):
    """The two terms of the energy of one labelling, or of one labelling per round."""

    data: Float[Array, "*rounds"]
    """The sum of the data costs."""
    smoothness: Float[Array, "*rounds"]
    """The sum over neighbours of the squared differences of displacements, times the smoothness factor."""

    @property
    def total(self) -> Float[Array, "*rounds"]:
        """The sum of both terms, which belief propagation minimises."""
        return self.data + self.smoothness


def decode(belief: Float[Array, "h_t w_t h_s w_s"]) -> Labelling:
    """Return the label with the lowest belief for every source cell, the first one if several tie."""
    height, width = belief.shape[:2]
    index = jnp.arange(height * width).reshape(height, width, 1, 1)
    # Two plain reductions, because a reduction that carries an index along would not vectorise.
    least = belief.min(axis=(0, 1), keepdims=True)
    first = jnp.where(belief <= least, index, height * width - 1).min(axis=(0, 1))
    return Labelling(first % width, first // width)


def evaluate(
    data: Float[Array, "h_t w_t h_s w_s"],
    labels: Labelling,
    smoothness: Float[Array, ""],
    *,
    origins: Labelling | None = None,
) -> Energy:
    """Compute both energy terms of a labelling; ``origins`` are the target cells of each cell's label 0."""
    rows, columns = jnp.mgrid[: data.shape[2], : data.shape[3]]
    cells = labels if origins is None else shifted(labels, origins)
    # Not whole numbers, the sum of whose squares exceeds 32 bits on long grids.
    u, v = ((a - b).astype(data.dtype) for a, b in ((cells.x, columns), (cells.y, rows)))
    roughness = sum((jnp.diff(part, axis=axis) ** 2).sum() for part in (u, v) for axis in (0, 1))
    return Energy(data[labels.y, labels.x, rows, columns].sum(), smoothness * roughness)


def shifted(labels: Labelling, origins: Labelling) -> Labelling:
    """Return the target cells of labels that each source cell counts from an origin of its own."""
    return Labelling(labels.x + origins.x, labels.y + origins.y)


def window_tilt(
    shape: tuple[int, ...], origins: Labelling, smoothness: Float[Array, ""]
) -> Float[Array, "h_t w_t h_s w_s"]:
    """Compute the costs by which labels of windows at different origins keep the smoothness term of one grid.

    If label i of cell p is the target cell ``o_p + i``, the smoothness term of neighbours p and q,
    ``|o_p + i - o_q - j + q - p|^2``, is ``|i - j + q - p|^2 + 2 (i - j) (o_p - o_q)`` and a constant: the term
    of windows at one origin, plus one cost of each label alone, ``2 i sum_q (o_p - o_q)`` times the smoothness.
    ``shape`` is that of the windows. Labels are counted from the window's centre, which changes a constant.
    """
    count = _sum_of_neighbours(jnp.ones_like(origins.x))
    x, y = ((count * part - _sum_of_neighbours(part)).astype(smoothness.dtype) for part in origins)
    rows, columns = (jnp.arange(length, dtype=smoothness.dtype) - length // 2 for length in shape)
    return (
        2
        * smoothness
        * (rows[:, None, None, None] * y[None, None] + columns[None, :, None, None] * x[None, None])
    )


def iterated_conditional_modes(
    data: Float[Array, "h_t w_t h_s w_s"], labels: Labelling, smoothness: Float[Array, ""]
) -> Labelling:
    """Give each cell its best label for its neighbours' labels, until no label changes.

    The two colours of the checkerboard take turns, so that the energy does not increase by more than rounding.
    After as many turns of both as there are cells it ends, even if labels still change.
    """
    label_height, label_width, height, width = data.shape
    rows, columns = jnp.mgrid[:height, :width]
    y = jnp.arange(label_height, dtype=data.dtype).reshape(-1, 1, 1, 1)
    x = jnp.arange(label_width, dtype=data.dtype).reshape(1, -1, 1, 1)

    # The smoothness term of cell p is sum_q |t - a_q|^2 over the neighbours q, where a_q = t_q + p - q is the
    # label that would give p the displacement of q. Expanded, without what does not depend on t, it needs only
    # the sum of the a_q.
    neighbours = _sum_of_neighbours(jnp.ones((height, width), data.dtype))
    own = data + smoothness * neighbours[None, None] * (x**2 + y**2)

    def update(colour, labels):
        flow = ((labels.x - columns, columns), (labels.y - rows, rows))
        sum_x, sum_y = (
            (_sum_of_neighbours(part.astype(data.dtype)) + neighbours * position)[None, None]
            for part, position in flow
        )
        best = decode(own - 2 * smoothness * (x * sum_x + y * sum_y))
        changes = (rows + columns) % 2 == colour
        return jax.tree.map(lambda new, old: jnp.where(changes, new, old), best, labels)

    def sweep(state):
        _, before, count = state
        after = lax.fori_loop(0, 2, update, before)
        return before, after, count + 1

    def is_changing(state):
        before, after, count = state
        # The bound on the count ends an alternation between two labellings of equal energy.
        return (count < height * width) & ((before.x != after.x) | (before.y != after.y)).any()

    different = jax.tree.map(lambda part: part - 1, labels)
    return lax.while_loop(is_changing, sweep, (different, labels, 0))[1]


def _sum_of_neighbours(values):
    """Sum the values of each cell's 4-neighbours."""
    padded = jnp.pad(values, 1)
    return padded[1:-1, :-2] + padded[1:-1, 2:] + padded[:-2, 1:-1] + padded[2:, 1:-1]
