"""Loopy belief propagation for a smooth flow between two grids of cells.

Every cell p of an h_s x w_s source grid takes as its label t_p one cell of an h_t x w_t target grid. With the
displacement w(p) = t_p - p the energy is

    E(w) = sum_p data_cost[p, t_p] + smoothness * sum_(p,q) |w(p) - w(q)|^2,

the second sum over the edges of the 4-connected source grid. A label is a target cell, not a displacement, so
there are h_t w_t of them and none is forbidden; the pair term ``smoothness * |t_p - t_q + (q - p)|^2`` is a
parabola shifted by the neighbour's offset, so that a message is a generalised distance transform.

Data costs are ``[h_s, w_s, h_t, w_t]``; labels and flow are (x, y) in cells. ``smoothness`` is in units of data
cost per squared cell.

Source: J. Long, N. Zhang and T. Darrell, "Do convnets learn correspondence?", NIPS 2014, section 3; P. F.
Felzenszwalb and D. P. Huttenlocher, "Efficient belief propagation for early vision", IJCV 70 (2006).
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from convcorr_jax.flow import labelling
from convcorr_jax.flow.distance_transform import penalty_matrix
from convcorr_jax.flow.min_plus import min_plus, soft_min_plus
from convcorr_jax.flow.labelling import Energy
from convcorr_jax.flow.messages import Schedule, wire


class MinSum(NamedTuple):
    """The best labelling found, and how it was found."""

    labels: Int[Array, "h_s w_s 2"]
    """Target cell (x, y) of every source cell."""
    flow: Float[Array, "h_s w_s 2"]
    """Displacement (x, y) in cells: ``labels`` less the source cell."""
    energy: Energy
    """Of ``labels``."""
    trace: Energy
    """Of the labels decoded after each round, ``[max_rounds]``; NaN after the last round."""
    rounds: Int[Array, ""]
    """Rounds of message passing that were run."""
    converged: Bool[Array, ""]
    """Whether the messages came to rest within ``max_rounds``."""
    min_marginals: Float[Array, "h_s w_s h_t w_t"]
    """Data cost plus messages, less its minimum: 0 at each cell's best label. The steeper, the surer."""


@functools.partial(jax.jit, static_argnames=("schedule", "max_rounds"))
def min_sum(
    data_cost: Float[Array, "h_s w_s h_t w_t"],
    *,
    smoothness: float | Float[Array, ""],
    schedule: Schedule = "sweeps",
    max_rounds: int = 50,
    tolerance: float | Float[Array, ""] = 1e-3,
    damping: float | Float[Array, ""] = 0.0,
) -> MinSum:
    """Minimise the energy of the module's text by min-sum belief propagation.

    Args:
        data_cost: the cost of matching each source cell with each target cell.
        smoothness: cost of one cell of difference, squared, between neighbours' displacements.
        schedule: the order in which messages are passed.
        max_rounds: a round passes every message once.
        tolerance: rounds end when no message changes by more than this fraction of the data cost's range.
        damping: the share of its old value that a message keeps in each round.
    """
    data = jnp.transpose(data_cost, (2, 3, 0, 1))
    smoothness = jnp.asarray(smoothness, data.dtype)
    wiring = wire(data, _message_transform(_pair_costs(data.shape[:2], smoothness), None), schedule)
    at_rest = tolerance * (data.max() - data.min())

    def one_round(state):
        count, messages, _, best, best_energy, trace = state
        sent = wiring.round(messages)
        sent = jax.tree.map(lambda old, new: damping * old + (1 - damping) * new, messages, sent)
        changes = jax.tree.map(lambda old, new: jnp.abs(new - old).max(), messages, sent)
        labels = labelling.decode(wiring.belief(sent))
        energy = labelling.evaluate(data, labels, smoothness)
        better = energy.total < best_energy.total
        best, best_energy = jax.tree.map(
            lambda new, old: jnp.where(better, new, old), (labels, energy), (best, best_energy)
        )
        trace = jax.tree.map(lambda whole, one: whole.at[count].set(one), trace, energy)
        return count + 1, sent, jax.tree.reduce(jnp.maximum, changes), best, best_energy, trace

    # Descent from the labels that look best alone is what there is to beat.
    start = labelling.descend(data, labelling.decode(data), smoothness)
    blank = jnp.full(max_rounds, jnp.nan, data.dtype)
    rounds, messages, change, best, _, trace = lax.while_loop(
        lambda state: (state[0] < max_rounds) & (state[2] > at_rest),
        one_round,
        (
            0,
            wiring.start(jnp.zeros((4, *data.shape), data.dtype)),
            jnp.asarray(jnp.inf, data.dtype),
            start,
            labelling.evaluate(data, start, smoothness),
            Energy(blank, blank),
        ),
    )
    best = labelling.descend(data, best, smoothness)
    marginals = wiring.belief(messages)
    marginals = marginals - marginals.min(axis=(0, 1), keepdims=True)
    labels = jnp.stack(best, axis=-1)
    return MinSum(
        labels=labels,
        flow=(labels - cells(data_cost.shape[:2])).astype(data.dtype),
        energy=labelling.evaluate(data, best, smoothness),
        trace=trace,
        rounds=jnp.asarray(rounds),
        converged=change <= at_rest,
        min_marginals=jnp.transpose(marginals, (2, 3, 0, 1)),
    )


def cells(size: tuple[int, ...]) -> Int[Array, "h w 2"]:
    """The cell (x, y) of every place of a grid."""
    rows, columns = jnp.mgrid[: size[0], : size[1]]
    return jnp.stack([columns, rows], axis=-1)


def _pair_costs(label_size, smoothness):
    """Penalty matrices along label rows and label columns for messages going right, left, down, up."""
    height, width = label_size
    rows = [penalty_matrix(height, smoothness, shift) for shift in (0.0, 0.0, 1.0, -1.0)]
    columns = [penalty_matrix(width, smoothness, shift) for shift in (1.0, -1.0, 0.0, 0.0)]
    return jnp.stack(rows), jnp.stack(columns)


class SoftMinSum(NamedTuple):
    """Where each cell is expected to go, differentiable in the data cost and the smoothness."""

    flow: Float[Array, "h_s w_s 2"]
    """Expected displacement (x, y) in cells under ``marginals``."""
    marginals: Float[Array, "h_s w_s h_t w_t"]
    """Probability of each target cell; sums to 1 for each source cell."""


@functools.partial(jax.jit, static_argnames=("schedule", "rounds"))
def soft_min_sum(
    data_cost: Float[Array, "h_s w_s h_t w_t"],
    *,
    smoothness: float | Float[Array, ""],
    temperature: float | Float[Array, ""],
    rounds: int,
    schedule: Schedule = "sweeps",
    damping: float | Float[Array, ""] = 0.0,
) -> SoftMinSum:
    """Belief propagation with soft minima: approximate marginals of ``exp(-E(w) / temperature)``.

    A fixed number of rounds, so that gradients pass through them.
    """
    data = jnp.transpose(data_cost, (2, 3, 0, 1))
    matrices = _pair_costs(data.shape[:2], jnp.asarray(smoothness, data.dtype))
    wiring = wire(data, _message_transform(matrices, temperature), schedule)

    def one_round(messages, _):
        sent = wiring.round(messages)
        return jax.tree.map(
            lambda old, new: damping * old + (1 - damping) * new, messages, sent
        ), None

    messages = wiring.start(jnp.zeros((4, *data.shape), data.dtype))
    messages, _ = lax.scan(one_round, messages, length=rounds)
    belief = jnp.transpose(wiring.belief(messages), (2, 3, 0, 1))
    marginals = jax.nn.softmax(-belief / temperature, axis=(2, 3))
    expected = jnp.einsum("hwyx,yxd->hwd", marginals, cells(data_cost.shape[2:]).astype(data.dtype))
    return SoftMinSum(expected - cells(data_cost.shape[:2]), marginals)


def _message_transform(matrices, temperature):
    def transform(said, directions):
        flat = said.reshape(*said.shape[:3], -1)
        chosen = [matrix[directions] for matrix in matrices]
        if temperature is None:
            heard = min_plus(flat, chosen, axes=(1, 2))
        else:
            heard = soft_min_plus(flat, chosen, axes=(1, 2), temperature=temperature)
        # Only differences between labels matter; without this the messages would grow round by round.
        heard = heard - heard.min(axis=(1, 2), keepdims=True)
        return heard.reshape(said.shape)

    return transform
