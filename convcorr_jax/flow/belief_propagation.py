"""Loopy belief propagation for a smooth flow between two grids of cells.

Every cell p of an h_s x w_s source grid takes as its label t_p one cell of an h_t x w_t target grid.
With the displacement w(p) = t_p - p the energy is

    E(w) = sum_p data_cost[p, t_p] + smoothness * sum_(p,q) |w(p) - w(q)|^2,

the second sum over the edges of the 4-connected source grid. A label is a target cell, not a
displacement, so that there are h_t w_t of them and none is forbidden; the pair term, ``smoothness *
|t_p - t_q + (q - p)|^2``, is a parabola shifted by the neighbour's offset, and a message a generalised
distance transform.

Data costs are ``[h_s, w_s, h_t, w_t]`` and finite; labels and flow are (x, y) in cells; ``smoothness`` is in
units of data cost per squared cell. Batches of pairs: on an accelerator `jax.vmap`, on a CPU `jax.lax.map`,
which keeps one pair in cache and lets it stop when it is done.

Source: J. Long, N. Zhang and T. Darrell, "Do convnets learn correspondence?", NIPS 2014, section 3;
P. F. Felzenszwalb and D. P. Huttenlocher, "Efficient belief propagation for early vision", IJCV 70
(2006). Differs from the papers: labels are target cells; messages are also passed along whole rows and
columns ("sweeps"); the labelling returned is the best one met, after a last descent.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from convcorr_jax.errors import InputError
from convcorr_jax.flow import pyramid
from convcorr_jax.flow.distance_transform import penalty_matrix
from convcorr_jax.flow.labelling import Energy, Labelling, decode, descend, evaluate
from convcorr_jax.flow.messages import Schedule, wire
from convcorr_jax.flow.min_plus import min_plus, soft_min_plus

# Rounds on each coarser grid. Its messages are only where the finer grid's start: after 3, 5 or 10 rounds
# the finer grid ended at the same energy.
COARSE_ROUNDS = 5


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
    """Rounds of message passing on the full grid."""
    converged: Bool[Array, ""]
    """Whether the messages came to rest within ``max_rounds``."""
    min_marginals: Float[Array, "h_s w_s h_t w_t"]
    """Data cost plus the last messages, less the least: 0 at the label a cell would choose by itself (nearly
    always that of ``labels``). On a tree, how much the energy must rise for the cell to take each label."""


class _Search(NamedTuple):
    round: Int[Array, ""]
    messages: Any
    change: Float[Array, ""]
    best: Labelling
    best_energy: Energy
    trace: Energy


@functools.partial(jax.jit, static_argnames=("schedule", "coarse_levels", "max_rounds"))
def min_sum(
    data_cost: Float[Array, "h_s w_s h_t w_t"],
    *,
    smoothness: float | Float[Array, ""],
    schedule: Schedule = "checkerboard",
    coarse_levels: int = 2,
    max_rounds: int = 30,
    tolerance: float | Float[Array, ""] = 1e-3,
    damping: float | Float[Array, ""] = 0.0,
) -> MinSum:
    """Minimise the energy of the module's text by min-sum belief propagation.

    Exact on a single row or column of cells once the messages rest. Both the best labelling met on the way
    and the cheapest label of each cell by itself descend in the end (`convcorr_jax.flow.labelling.descend`),
    and the lower of the two is returned: the energy is never above that of iterated conditional modes.

    >>> costs = 1 - jnp.eye(12).reshape(3, 4, 3, 4)  # every cell matches its namesake,
    >>> shifted = jnp.roll(costs, 1, axis=3)  # or rather the cell to the right of that
    >>> min_sum(shifted, smoothness=0.1).flow[1, 1].tolist()
    [1.0, 0.0]

    Args:
        data_cost: the cost of matching each source cell with each target cell.
        smoothness: cost of a difference of one cell between neighbours' displacements.
        schedule: the order in which messages are passed (`convcorr_jax.flow.messages.wire`).
        coarse_levels: grids of half, quarter, ... size from which the first messages come.
        max_rounds: a round passes every message once.
        tolerance: the rounds end when no message changes by more than this fraction of the data cost's range.
        damping: the share of its old value that a message keeps in each round.

    Raises:
        InputError: ``max_rounds`` is below 1, or ``coarse_levels`` below 0.
    """
    if max_rounds < 1 or coarse_levels < 0:
        raise InputError(
            f"max_rounds must be at least 1 and coarse_levels at least 0, not {max_rounds} and {coarse_levels}"
        )
    data = jnp.transpose(data_cost, (2, 3, 0, 1))
    smoothness = jnp.asarray(smoothness, data.dtype)
    wiring = wire(data, _message_transform(data.shape, smoothness), schedule)
    at_rest = tolerance * (data.max() - data.min())

    def one_round(search: _Search) -> _Search:
        messages = _damped(search.messages, wiring.round(search.messages), damping)
        changes = jax.tree.map(lambda old, new: jnp.abs(new - old).max(), search.messages, messages)
        labels = decode(wiring.belief(messages))
        energy = evaluate(data, labels, smoothness)
        better = energy.total < search.best_energy.total
        best, best_energy = jax.tree.map(
            lambda new, old: jnp.where(better, new, old),
            (labels, energy),
            (search.best, search.best_energy),
        )
        return _Search(
            search.round + 1,
            messages,
            jax.tree.reduce(jnp.maximum, changes),
            best,
            best_energy,
            jax.tree.map(lambda trace, now: trace.at[search.round].set(now), search.trace, energy),
        )

    first = decode(data)
    messages = _coarse_messages(data, smoothness, schedule, damping, coarse_levels, spacing=1)
    infinite = jnp.asarray(jnp.inf, data.dtype)
    not_yet = jnp.full(max_rounds, jnp.nan, data.dtype)
    search = lax.while_loop(
        lambda search: (search.round < max_rounds) & (search.change > at_rest),
        one_round,
        _Search(
            jnp.int32(0),
            wiring.start(messages),
            infinite,
            first,
            Energy(infinite, infinite),
            Energy(not_yet, not_yet),
        ),
    )

    def finish(labels: Labelling) -> tuple[Labelling, Energy]:
        labels = descend(data, labels, smoothness)
        return labels, evaluate(data, labels, smoothness)

    ends = lax.map(finish, jax.tree.map(lambda *pair: jnp.stack(pair), search.best, first))
    lower = jnp.argmin(ends[1].total)
    best, energy = jax.tree.map(lambda pair: pair[lower], ends)
    labels = jnp.stack(best, axis=-1)
    belief = jnp.transpose(wiring.belief(search.messages), (2, 3, 0, 1))
    return MinSum(
        labels=labels,
        flow=(labels - _cells(data_cost.shape[:2])).astype(data.dtype),
        energy=energy,
        trace=search.trace,
        rounds=search.round,
        converged=search.change <= at_rest,
        min_marginals=belief - belief.min(axis=(2, 3), keepdims=True),
    )


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

    Exact on a single row or column; as the temperature falls the flow tends to that of `min_sum`. The number
    of rounds is fixed, so that gradients can pass back through them; "sweeps" need the fewest.

    Args:
        data_cost: the cost of matching each source cell with each target cell.
        smoothness: cost of a difference of one cell between neighbours' displacements.
        temperature: in units of the energy, above 0.
        rounds: a round passes every message once.
        schedule: the order in which messages are passed (`convcorr_jax.flow.messages.wire`).
        damping: the share of its old value that a message keeps in each round.
    """
    data = jnp.transpose(data_cost, (2, 3, 0, 1))
    smoothness = jnp.asarray(smoothness, data.dtype)
    wiring = wire(
        data, _message_transform(data.shape, smoothness, temperature=temperature), schedule
    )

    def one_round(messages, _):
        return _damped(messages, wiring.round(messages), damping), None

    start = wiring.start(jnp.zeros((4, *data.shape), data.dtype))
    messages, _ = lax.scan(one_round, start, length=rounds)
    belief = jnp.transpose(wiring.belief(messages), (2, 3, 0, 1))
    marginals = jax.nn.softmax(-belief / temperature, axis=(2, 3))
    target_cells = _cells(data_cost.shape[2:]).astype(data.dtype)
    expected = jnp.einsum("hwyx,yxd->hwd", marginals, target_cells, precision=lax.Precision.HIGHEST)
    return SoftMinSum(expected - _cells(data_cost.shape[:2]), marginals)


def _coarse_messages(data, smoothness, schedule, damping, levels, spacing):
    """First messages for a grid whose cells lie ``spacing`` apart."""
    height, width = data.shape[-2:]
    if levels == 0 or max(height, width) == 1:
        return jnp.zeros((4, *data.shape), data.dtype)
    blocks = pyramid.coarsen(data)
    apart = 2 * spacing
    wiring = wire(blocks, _message_transform(data.shape, smoothness, spacing=apart), schedule)
    start = _coarse_messages(blocks, smoothness, schedule, damping, levels - 1, apart)
    messages = lax.fori_loop(
        0,
        COARSE_ROUNDS,
        lambda _, messages: _damped(messages, wiring.round(messages), damping),
        wiring.start(start),
    )
    return pyramid.refine(wiring.finish(messages), (height, width))


def _message_transform(shape, smoothness, *, spacing=1, temperature=None):
    """What senders say of their labels, as receivers hear it; see `convcorr_jax.flow.messages`."""
    height, width = shape[:2]
    step = float(spacing)
    # Directions: right, left, down, up. Going right shifts the parabola along x, going down along y.
    rows = jnp.stack([penalty_matrix(height, smoothness, dy) for dy in (0.0, 0.0, step, -step)])
    columns = jnp.stack([penalty_matrix(width, smoothness, dx) for dx in (step, -step, 0.0, 0.0)])

    def transform(said, directions):
        lanes = said.reshape(*said.shape[:3], -1)
        matrices = rows[directions], columns[directions]
        if temperature is None:
            heard = min_plus(lanes, matrices, axes=(1, 2))
        else:
            heard = soft_min_plus(lanes, matrices, axes=(1, 2), temperature=temperature)
        # Only differences between labels count; unchecked, the messages would grow round by round.
        heard = heard - heard.min(axis=(1, 2), keepdims=True)
        return heard.reshape(said.shape)

    return transform


def _damped(old, new, damping):
    return jax.tree.map(lambda a, b: damping * a + (1 - damping) * b, old, new)


def _cells(size):
    rows, columns = jnp.mgrid[: size[0], : size[1]]
    return jnp.stack([columns, rows], axis=-1)
