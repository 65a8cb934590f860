"""Loopy belief propagation for a smooth flow between two grids of cells.

Every cell p of an h_s x w_s source grid takes as its label t_p one cell of an h_t x w_t target grid.
With the displacement w(p) = t_p - p the energy is

    E(w) = sum_p data_cost[p, t_p] + smoothness * sum_(p,q) |w(p) - w(q)|^2,

the second sum over the edges of the 4-connected source grid. A label is a target cell, not a displacement, so
there are h_t w_t labels and none is forbidden. The pair term, ``smoothness * |t_p - t_q + (q - p)|^2``, is a
parabola shifted by the neighbour's offset, and a message is a generalised distance transform.

Data costs are ``[h_s, w_s, h_t, w_t]`` and finite; labels and flow are (x, y) in cells; ``smoothness`` is in
units of data cost per squared cell. For a batch of pairs use `jax.vmap` on an accelerator and `jax.lax.map` on
a CPU: the latter keeps one pair in cache and stops each pair as soon as its messages converge.

Source: J. Long, N. Zhang and T. Darrell, "Do convnets learn correspondence?", NIPS 2014, section 3;
P. F. Felzenszwalb and D. P. Huttenlocher, "Efficient belief propagation for early vision", IJCV 70
(2006). Differs from the papers: labels are target cells; messages can also be passed along whole rows and
columns ("sweeps"); the returned labelling is the best one that the search visited, refined by iterated
conditional modes.
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
from convcorr_jax.flow.labelling import (
    Energy,
    Labelling,
    decode,
    evaluate,
    iterated_conditional_modes,
    shifted,
    window_tilt,
)
from convcorr_jax.flow.messages import Schedule, Wiring, sweeps, wire
from convcorr_jax.flow.min_plus import min_plus, soft_min_plus

# Rounds of sweeps on each coarser grid, whose messages only initialise those of the finer grid: after 3, 5 or
# 10 rounds the finer grid ended at the same energy.
COARSE_ROUNDS = 5


class MinSum(NamedTuple):
    """The result of min-sum belief propagation, with diagnostics."""

    labels: Int[Array, "h_s w_s 2"]
    """Target cell (x, y) of every source cell."""
    flow: Float[Array, "h_s w_s 2"]
    """Displacement (x, y) in cells: ``labels`` minus the position of the source cell."""
    energy: Energy
    """That of ``labels``."""
    trace: Energy
    """That of the labels decoded after each round, ``[max_rounds]``; NaN for rounds that did not run."""
    rounds: Int[Array, ""]
    """Rounds of message passing on the full grid."""
    converged: Bool[Array, ""]
    min_marginals: Float[Array, "h_s w_s h_t w_t"]
    """Data cost plus the last messages, minus their minimum over the labels of the source cell. It is 0 at the
    label that minimises the cell's own belief (nearly always that of ``labels``). On a tree it is the increase
    of the least energy when the cell is forced to take each label."""


class _Search(NamedTuple):
    """The state of the search after a round."""

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
    origins: Int[Array, "h_s w_s 2"] | None = None,
    messages: Float[Array, "4 h_t w_t h_s w_s"] | None = None,
) -> MinSum:
    """Minimise the energy of a flow by min-sum belief propagation.

    On a single row or column of cells, messages that converged to a tolerance of 0 give the exact
    min-marginals, and the labelling of least energy if a single one has it; if several have it, cells may take
    labels of different ones. Iterated conditional modes, on one colour of the checkerboard after the other,
    start both from the best labelling of all rounds and from the cheapest label of each cell; the result with
    the lower energy is returned, so the energy never exceeds that of these modes alone. If a cost is NaN or
    infinite, the smoothness negative, NaN or infinite, or the damping not at least 0 and less than 1, flow,
    energy and min-marginals are NaN and it has not converged; its labels mean nothing.

    >>> costs = 1 - jnp.eye(12).reshape(3, 4, 3, 4)  # every cell matches the cell at its own position;
    >>> shifted = jnp.roll(costs, 1, axis=3)  # after the shift, the cell to the right of it
    >>> min_sum(shifted, smoothness=0.1).flow[1, 1].tolist()
    [1.0, 0.0]

    Args:
        coarse_levels: the number of coarser grids, of half, a quarter, ... of the size, that initialise the
            messages. On these, messages are passed by sweeps, whatever the schedule.
        tolerance: the search stops when no message changes by more than this fraction of the range of the
            data costs.
        damping: the weight of a message's old value in each round, between 0 and 1.
        origins: the target cell (x, y) of the first cost of each source cell, whose costs are then those of a
            window of a larger target grid; `MinSum.labels` are cells of the target grid, and
            `MinSum.min_marginals` are over the window. By default every cell has the costs of all target cells.
        messages: initial messages that each cell receives from its left, right, upper and lower neighbour, 0
            where there is none; by default those of the coarser grids.

    Raises:
        InputError: ``max_rounds`` < 1, ``coarse_levels`` < 0, the schedule is unknown, or a grid has no cell.
    """
    check_cells(data_cost)
    if max_rounds < 1 or coarse_levels < 0:
        raise InputError(
            f"max_rounds must be at least 1 and coarse_levels at least 0, not {max_rounds} and {coarse_levels}"
        )
    data = jnp.transpose(data_cost, (2, 3, 0, 1))
    smoothness = jnp.asarray(smoothness, data.dtype)
    corners = None if origins is None else Labelling(origins[..., 0], origins[..., 1])
    costs = data if corners is None else data + window_tilt(data.shape[:2], corners, smoothness)
    energy_of = functools.partial(evaluate, data, smoothness=smoothness, origins=corners)
    wiring = wire(costs, _message_transform(data.shape, smoothness), schedule)
    threshold = tolerance * (data.max() - data.min())
    first = decode(data)
    if messages is None:
        messages = coarse_messages(costs, smoothness, damping, coarse_levels)
    search = lax.while_loop(
        lambda search: (search.round < max_rounds) & (search.change > threshold),
        lambda search: _one_round(search, wiring, energy_of, damping),
        _initial_search(first, wiring, messages, max_rounds),
    )
    best, energy = _best_refined((search.best, first), costs, smoothness, energy_of)
    labels = jnp.stack(best if corners is None else shifted(best, corners), axis=-1)
    belief = jnp.transpose(wiring.belief(search.messages), (2, 3, 0, 1))
    valid = _is_valid(data, smoothness, damping)

    def where_valid(values):
        return jnp.where(valid, values, jnp.nan)

    return MinSum(
        labels=labels,
        flow=where_valid((labels - _cells(data_cost.shape[:2])).astype(data.dtype)),
        energy=jax.tree.map(where_valid, energy),
        trace=search.trace,
        rounds=search.round,
        converged=(search.change <= threshold) & valid,
        min_marginals=where_valid(belief - belief.min(axis=(2, 3), keepdims=True)),
    )


def check_cells(data_cost: Float[Array, "h_s w_s h_t w_t"]) -> None:
    """Check that both grids have a cell."""
    if 0 in data_cost.shape:
        raise InputError(f"the costs have the shape {data_cost.shape}; grids of at least one cell are expected")


def _is_valid(data, smoothness, damping):
    """Return whether all costs are finite, the smoothness is finite and at least 0, the damping in [0, 1)."""
    is_smooth = jnp.isfinite(smoothness) & (smoothness >= 0)
    return jnp.isfinite(data).all() & is_smooth & (damping >= 0) & (damping < 1)


def _initial_search(first: Labelling, wiring: Wiring, messages, max_rounds: int) -> _Search:
    infinite = jnp.asarray(jnp.inf, messages.dtype)
    missing = jnp.full(max_rounds, jnp.nan, messages.dtype)
    return _Search(
        jnp.int32(0),
        wiring.start(messages),
        infinite,
        first,
        Energy(infinite, infinite),
        Energy(missing, missing),
    )


def _one_round(search: _Search, wiring: Wiring, energy_of, damping) -> _Search:
    """Pass every message once, and keep the decoded labelling if it is the best so far."""
    messages = _damped(search.messages, wiring.round(search.messages), damping)
    changes = jax.tree.map(lambda old, new: jnp.abs(new - old).max(), search.messages, messages)
    labels = decode(wiring.belief(messages))
    energy = energy_of(labels)
    better = energy.total < search.best_energy.total
    best, best_energy = jax.tree.map(
        lambda new, old: jnp.where(better, new, old), (labels, energy), (search.best, search.best_energy)
    )
    return _Search(
        search.round + 1,
        messages,
        jax.tree.reduce(jnp.maximum, changes),
        best,
        best_energy,
        jax.tree.map(lambda trace, now: trace.at[search.round].set(now), search.trace, energy),
    )


def _best_refined(candidates: tuple[Labelling, ...], costs, smoothness, energy_of) -> tuple[Labelling, Energy]:
    """Refine labellings by iterated conditional modes, and return the one with the lowest energy."""

    def refine(labels: Labelling) -> tuple[Labelling, Energy]:
        labels = iterated_conditional_modes(costs, labels, smoothness)
        return labels, energy_of(labels)

    refined = lax.map(refine, jax.tree.map(lambda *parts: jnp.stack(parts), *candidates))
    lowest = jnp.argmin(refined[1].total)
    return jax.tree.map(lambda parts: parts[lowest], refined)


class SoftMinSum(NamedTuple):
    """The expected flow, differentiable in the data cost and the smoothness."""

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
    """Approximate the marginals of ``exp(-E(w) / temperature)`` by belief propagation with soft minima.

    The energy E is that of `min_sum`. On a single row or column of n cells, without damping, the marginals are
    exact after one round of "sweeps", or n - 1 rounds of the other schedules; there, as the temperature goes to
    0, the flow tends to that of the labelling of least energy if a single one has it. The number of rounds is
    fixed, so that gradients can be propagated back through them; "sweeps" need the fewest. Flow and marginals
    are NaN if a cost, the smoothness or the temperature (in units of the energy) is not finite, the smoothness
    is negative, the temperature not above 0, or the damping not in [0, 1).

    Raises:
        InputError: ``rounds`` is negative, the schedule is unknown, or a grid has no cell.
    """
    check_cells(data_cost)
    if rounds < 0:
        raise InputError(f"rounds must be at least 0, not {rounds}")
    data = jnp.transpose(data_cost, (2, 3, 0, 1))
    smoothness = jnp.asarray(smoothness, data.dtype)
    wiring = wire(data, _message_transform(data.shape, smoothness, temperature=temperature), schedule)

    def one_round(messages, _):
        return _damped(messages, wiring.round(messages), damping), None

    start = wiring.start(jnp.zeros((4, *data.shape), data.dtype))
    messages, _ = lax.scan(one_round, start, length=rounds)
    belief = jnp.transpose(wiring.belief(messages), (2, 3, 0, 1))
    valid = _is_valid(data, smoothness, damping) & jnp.isfinite(temperature) & (temperature > 0)
    # Soft minima leave out costs that are not finite, so that NaN would reach some of the cells only.
    marginals = jnp.where(valid, jax.nn.softmax(-belief / temperature, axis=(2, 3)), jnp.nan)
    target_cells = _cells(data_cost.shape[2:]).astype(data.dtype)
    expected = jnp.einsum("hwyx,yxd->hwd", marginals, target_cells, precision=lax.Precision.HIGHEST)
    return SoftMinSum(expected - _cells(data_cost.shape[:2]), marginals)


def coarse_messages(
    data: Float[Array, "h_t w_t h_s w_s"],
    smoothness: Float[Array, ""],
    damping: float | Float[Array, ""],
    levels: int,
) -> Float[Array, "4 h_t w_t h_s w_s"]:
    """Compute initial messages from coarser grids, in arrays of one size: compiling takes longest."""
    height, width = data.shape[-2:]
    if levels == 0 or max(height, width) == 1:
        return jnp.zeros((4, *data.shape), data.dtype)
    grids = [pyramid.coarsen(data)]
    while len(grids) < levels and max(grids[-1].shape[-2:]) > 1:
        grids.append(pyramid.coarsen(grids[-1]))
    sizes = jnp.array([grid.shape[-2:] for grid in grids])
    shape = grids[0].shape[-2], grids[0].shape[-1]
    paddings = [(0, 0), (0, 0)]
    costs = jnp.stack(
        [
            jnp.pad(g, [*paddings, *((0, n - m) for m, n in zip(g.shape[-2:], shape, strict=True))])
            for g in grids
        ]
    )

    def pass_on_level(step, messages):
        level = len(grids) - 1 - step
        size = sizes[level, 0], sizes[level, 1]
        transform = _message_transform(data.shape, smoothness, spacing=2.0 ** (level + 1))
        halves = tuple((side + 1) // 2 for side in shape)
        start = pyramid.refine(messages[..., : halves[0], : halves[1]], shape, size=size)

        def one_round(_, messages):
            return _damped(messages, sweeps(costs[level], messages, transform, size=size), damping)

        return lax.fori_loop(0, COARSE_ROUNDS, one_round, start)

    nothing = jnp.zeros((4, *costs.shape[1:]), data.dtype)
    messages = lax.fori_loop(0, len(grids), pass_on_level, nothing)
    return pyramid.refine(messages, (height, width))


def _message_transform(shape, smoothness, *, spacing=1.0, temperature=None):
    """Return the function from outgoing to incoming messages; see `convcorr_jax.flow.messages`."""
    height, width = shape[:2]
    # Directions: right, left, down, up. Moving right shifts the parabola along x, moving down along y.
    rows = jnp.stack([penalty_matrix(height, smoothness, shift=dy) for dy in (0.0, 0.0, spacing, -spacing)])
    columns = jnp.stack([penalty_matrix(width, smoothness, shift=dx) for dx in (spacing, -spacing, 0.0, 0.0)])

    def transform(outgoing, directions):
        costs = outgoing.reshape(*outgoing.shape[:3], -1)
        matrices = rows[directions], columns[directions]
        if temperature is None:
            incoming = min_plus(costs, matrices, axes=(1, 2))
        else:
            incoming = soft_min_plus(costs, matrices, axes=(1, 2), temperature=temperature)
        # Only differences between labels matter; without the subtraction messages would grow in every round.
        incoming = incoming - incoming.min(axis=(1, 2), keepdims=True)
        return incoming.reshape(outgoing.shape)

    return transform


def _damped(old, new, damping):
    return jax.tree.map(lambda a, b: damping * a + (1 - damping) * b, old, new)


def _cells(size):
    rows, columns = jnp.mgrid[: size[0], : size[1]]
    return jnp.stack([columns, rows], axis=-1)
