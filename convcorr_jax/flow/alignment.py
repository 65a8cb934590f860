"""Alignment of two grids of descriptors: data cost, belief propagation, sub-cell flow, confidence.

With unit-length source descriptors f_s(p), target descriptors f_t(t) and displacement w(p) the energy is

    E(w) = sum_p cost(p, p + w(p)) + smoothness * sum_(p,q) |w(p) - w(q)|^2      (4-neighbours)

and the cost is one of

- *distance*, the paper's: ``|f_s(p) - f_t(t)|``, between 0 and 2 for unit-length descriptors up to rounding;
- *mutual*: ``-T log P(t | p) - T log P(p | t)``, with P a softmax of ``<f_s(p), f_t(t)> / T`` over the
  target cells and over the source cells. A cell that is similar to all cells costs as much as a cell that is
  similar to none, and a match has a low cost only if it is preferred in both directions.

``smoothness`` is in units of the cost per squared cell of difference between neighbours' displacements.

A cell that has no good match of its own follows its neighbours. They are cells of the source in the flow to the
target, and cells of the target in the flow back; the min-marginals of both flows, added up (``both_ways``),
follow both.

The paper leaves open: Long, Zhang and Darrell 2014, section 3, use a smoothness of 3e-3 and do not state how
features are scaled or in which unit w is measured. Our defaults were tuned on PF-WILLOW; `eval.flow_selection`
states what values that other data choose score there.
"""

import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeVar, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from convcorr_jax.errors import InputError
from convcorr_jax.flow.belief_propagation import MinSum, Schedule, check_cells
from convcorr_jax.flow.coarse_to_fine import min_sum_in_windows
from convcorr_jax.flow.labelling import Energy, decode, evaluate

AnyArray = TypeVar("AnyArray", Float[Array, "*_"], Float[np.ndarray, "*_"])


def parabola_vertex(before: AnyArray, center: AnyArray, after: AnyArray) -> AnyArray:
    """Compute where the parabola through three equally spaced samples, of any shape, has its minimum.

    With samples a, b, c at -1, 0 and +1 the vertex is ``(a - c) / (2 (a - 2 b + c))``. For a maximum, pass the
    negated samples.

    >>> parabola_vertex(np.array([4.0]), np.array([1.0]), np.array([2.0]))
    array([0.25])

    Returns:
        The vertex in sample spacings, between -0.5 and 0.5; 0 where the central sample is not a minimum, or
        where the curvature is infinite because a sample is; NaN where a sample is NaN.
    """
    # NumPy warns of the difference of two infinite samples, which is not used.
    with np.errstate(invalid="ignore"):
        return _vertex(center.__array_namespace__(), before, center, after)


def _vertex(xp, before, center, after):
    curvature = before - 2 * center + after
    lowest = (before >= center) & (after >= center) & (curvature > 0) & xp.isfinite(curvature)
    offset = xp.where(lowest, before - after, 0) / (2 * xp.where(lowest, curvature, 1))
    missing = xp.isnan(before) | xp.isnan(center) | xp.isnan(after)
    return xp.where(lowest, xp.clip(offset, -0.5, 0.5), xp.where(missing, xp.nan, 0.0))


Cost = Literal["mutual", "distance"]
Subcell = Literal["parabola", "mean"]
"""How flows are refined below one cell: by `subcell_offset` or by `mean_offset`."""

# SMOOTHNESS and TEMPERATURE were tuned on pairs of PF-WILLOW, for the mutual cost of
# `convcorr_jax.descriptors.RECIPES`. `eval.flow_selection` states what values score that other categories or
# other data choose.
# Boxes align their objects roughly; in whole photographs the objects differ in place and scale besides.
SMOOTHNESS: Mapping[str, float] = MappingProxyType({"box": 0.14, "image": 0.05})
"""The smoothness that aligns objects in boxes, and whole photographs."""
TEMPERATURE = 0.05
# Beliefs of this temperature separate matches within a tenth of the box from others best on every sixth pair of
# PF-WILLOW by box.
CONFIDENCE_TEMPERATURE = 1.0
# Of `mean_offset`. Chosen on every seventh pair of PF-WILLOW, with both ways: a temperature of 0.3 or 1 and a
# radius of 1 or 3 changed PCK at 0.1 by .007 at most.
_MEAN_TEMPERATURE, _MEAN_RADIUS = 0.6, 2


class Alignment(NamedTuple):
    """The flow from a source grid to a target grid, its confidence, and diagnostics."""

    flow: Float[Array, "h_s w_s 2"]
    """Displacement (x, y) in cells, refined below one cell."""
    confidence: Float[Array, "h_s w_s"]
    """Belief, between 0 and 1, that the match is correct to one cell: the fraction of the sum of
    ``exp(-min_marginal / CONFIDENCE_TEMPERATURE)`` that belongs to the chosen cell and its eight neighbours."""
    labels: Int[Array, "h_s w_s 2"]
    """Target cell (x, y) of every source cell, before refinement."""
    energy: Energy
    """That of ``labels``."""
    trace: Energy
    """Energy of the labels decoded after each round, ``[max_rounds]``; NaN for rounds that did not run."""
    rounds: Int[Array, ""]
    converged: Bool[Array, ""]


@functools.partial(
    jax.jit, static_argnames=("cost", "schedule", "max_rounds", "window", "both_ways", "subcell")
)
def align(
    source: Float[Array, "h_s w_s d"],
    target: Float[Array, "h_t w_t d"],
    *,
    cost: Cost = "mutual",
    smoothness: float | Float[Array, ""] = SMOOTHNESS["image"],
    temperature: float | Float[Array, ""] = TEMPERATURE,
    schedule: Schedule = "sweeps",
    max_rounds: int = 10,
    window: int | None = None,
    both_ways: bool = False,
    subcell: Subcell = "parabola",
) -> Alignment:
    """Align a source grid of unit-length descriptors with a target grid, as `align_costs` does by `data_cost`.

    It works under vmap (a batch of pairs) and jit; for gradients use `data_cost` with `soft_min_sum`. A grid
    without a cell, or a window of less than 3 cells, raises an `InputError`.
    """
    return align_costs(
        data_cost(source, target, cost=cost, temperature=temperature),
        smoothness=smoothness,
        schedule=schedule,
        max_rounds=max_rounds,
        window=window,
        both_ways=both_ways,
        subcell=subcell,
    )


@functools.partial(jax.jit, static_argnames=("schedule", "max_rounds", "window", "both_ways", "subcell"))
def align_costs(
    costs: Float[Array, "h_s w_s h_t w_t"],
    *,
    smoothness: float | Float[Array, ""] = SMOOTHNESS["image"],
    schedule: Schedule = "sweeps",
    max_rounds: int = 10,
    window: int | None = None,
    both_ways: bool = False,
    subcell: Subcell = "parabola",
) -> Alignment:
    """Align a source grid with a target grid by the costs of all matches.

    One compiled program serves all costs on grids of the same size. With the mutual cost, "sweeps" find flows
    of lower energy. If a cost is NaN or infinite, or the smoothness is negative, NaN or infinite, the flow,
    confidence and energy are NaN and it has not converged; its labels mean nothing.

    Args:
        smoothness: the cost of a squared difference of one cell between neighbours' displacements.
        window: the side, in target cells, of the square in which each source cell finds its label; the squares
            follow the flow of coarser grids (`convcorr_jax.flow.coarse_to_fine`). The energy is the full one,
            and the confidence is a fraction of the beliefs in the square. By default all target cells are
            labels up to 40^4 matches, of 40 x 40 with 40 x 40 cells, and 11 x 11 of them beyond. A window as
            large as the target grid gives the result with all labels on a grid of any size.
        both_ways: add the min-marginals of the flow from target to source, in twice the time. Each source cell
            then takes the label of least sum; the energy is that of these labels, no longer a minimum.
        subcell: refine flows by the vertex of a parabola (`subcell_offset`), whose small errors are fewer, or
            by a mean of cells (`mean_offset`), whose large errors are fewer.

    Raises:
        InputError: a grid has no cell; the window is not a whole number of at least 3, or it does not cover
            both grids though they are aligned both ways; or ``subcell`` is unknown.
    """
    check_cells(costs)
    if subcell not in get_args(Subcell):
        raise InputError(f"subcell {subcell!r} is unknown; one of {get_args(Subcell)} is expected")
    solve = functools.partial(
        min_sum_in_windows, window=window, smoothness=smoothness, schedule=schedule, max_rounds=max_rounds
    )
    solved, origins = solve(costs)
    if both_ways:
        back, _ = solve(jnp.transpose(costs, (2, 3, 0, 1)))
        solved = _both_ways(costs, solved, back, jnp.asarray(smoothness, costs.dtype))
    belief = jnp.exp(-solved.min_marginals / CONFIDENCE_TEMPERATURE)
    in_window = solved.labels - origins
    near = _at(_with_neighbors(belief), in_window)
    # Both are sums of the same beliefs where the target has up to 3 x 3 cells, rounded in another order.
    confidence = jnp.minimum(near / belief.sum(axis=(2, 3)), 1)
    offset = subcell_offset if subcell == "parabola" else mean_offset
    return Alignment(
        flow=solved.flow + offset(solved.min_marginals, in_window),
        # On a CPU, XLA's vectorized exponential of NaN may be a number.
        confidence=jnp.where(jnp.isnan(solved.energy.data), jnp.nan, confidence),
        labels=solved.labels,
        energy=solved.energy,
        trace=solved.trace,
        rounds=solved.rounds,
        converged=solved.converged,
    )


def _both_ways(costs, forward: MinSum, back: MinSum, smoothness) -> MinSum:
    """Return the labels that minimise the sum of the min-marginals of both flows."""
    if forward.min_marginals.shape != costs.shape or back.min_marginals.size != costs.size:
        raise InputError(
            f"the costs have the shape {costs.shape}, more than are aligned both ways without windows; smaller "
            "grids, or a window as large as both grids, are expected"
        )
    summed = forward.min_marginals + jnp.transpose(back.min_marginals, (2, 3, 0, 1))
    labels = decode(jnp.transpose(summed, (2, 3, 0, 1)))
    energy = evaluate(jnp.transpose(costs, (2, 3, 0, 1)), labels, smoothness)
    # Labels of NaN mean nothing, but have an energy.
    energy = jax.tree.map(lambda one, other: jnp.where(jnp.isnan(other), jnp.nan, one), energy, forward.energy)
    stacked = jnp.stack(labels, axis=-1)
    return forward._replace(
        labels=stacked,
        flow=forward.flow + (stacked - forward.labels),
        energy=energy,
        converged=forward.converged & back.converged,
        min_marginals=summed - summed.min(axis=(2, 3), keepdims=True),
    )


def data_cost(
    source: Float[Array, "h_s w_s d"],
    target: Float[Array, "h_t w_t d"],
    *,
    cost: Cost = "mutual",
    temperature: float | Float[Array, ""] = TEMPERATURE,
) -> Float[Array, "h_s w_s h_t w_t"]:
    """Compute the cost of matching each source cell with each target cell.

    "distance" is ``|f_s(p) - f_t(t)|``, rounded in its square: up to 1e-3 for equal unit-length descriptors.
    "mutual" is ``-T log P(t | p) - T log P(p | t)``, with P a softmax of ``<f_s(p), f_t(t)> / T`` over the
    target cells and over the source cells. Both are differentiable. Descriptors are of unit length for the
    mutual cost; its T is in units of cosine similarity, and the cost is NaN unless T is above 0.

    Raises:
        InputError: the cost is unknown, or a grid has no cell.
    """
    if cost not in get_args(Cost):
        raise InputError(f"cost {cost!r} is unknown; one of {get_args(Cost)} is expected")
    if 0 in (*source.shape, *target.shape):
        raise InputError(
            f"the grids have the shapes {source.shape} and {target.shape}; at least one cell is expected"
        )
    flat_source = source.reshape(-1, source.shape[-1])
    flat_target = target.reshape(-1, target.shape[-1])
    similarity = flat_source @ flat_target.T
    if cost == "distance":
        lengths = (flat_source**2).sum(axis=1)[:, None] + (flat_target**2).sum(axis=1)[None, :]
        # The lower bound keeps the gradient of the root finite where two descriptors are equal.
        costs = jnp.sqrt(jnp.maximum(lengths - 2 * similarity, 1e-12))
    else:
        temperature = jnp.where(jnp.asarray(temperature) > 0, temperature, jnp.nan)
        scaled = similarity / temperature
        to_target = jax.nn.log_softmax(scaled, axis=1)
        to_source = jax.nn.log_softmax(scaled, axis=0)
        costs = -temperature * (to_target + to_source)
    return costs.reshape(*source.shape[:2], *target.shape[:2])


def subcell_offset(
    min_marginals: Float[Array, "h_s w_s h_t w_t"], labels: Int[Array, "h_s w_s 2"]
) -> Float[Array, "h_s w_s 2"]:
    """Compute the offset (x, y) from each label to the minimum of the parabola through it and its neighbours.

    With costs a, b, c at -1, 0, +1 along an axis the offset is ``(a - c) / (2 (a - 2 b + c))``, at most half a
    cell. It is 0 at the border of the target grid and where b is not a minimum along that axis. It is NaN if
    one of the costs that it depends on is NaN.

    Raises:
        InputError: the target grid has no cell.
    """
    height, width = min_marginals.shape[2:]
    if not height * width:
        raise InputError(f"the target grid has {height} x {width} cells; at least one cell is expected")
    center = _at(min_marginals, labels)
    offsets = []
    for axis, length in ((0, width), (1, height)):
        step = jnp.zeros((1, 1, 2), labels.dtype).at[..., axis].set(1)
        before = _at(min_marginals, labels - step)
        after = _at(min_marginals, labels + step)
        position = labels[..., axis]
        inside = (position > 0) & (position < length - 1)
        offsets.append(jnp.where(inside, parabola_vertex(before, center, after), 0))
    return jnp.stack(offsets, axis=-1)


def mean_offset(
    min_marginals: Float[Array, "h_s w_s h_t w_t"], labels: Int[Array, "h_s w_s 2"]
) -> Float[Array, "h_s w_s 2"]:
    """Compute the offset (x, y) from each label to the mean of the 5 x 5 target cells around it.

    With the min-marginal m of a cell its weight is ``exp(-m / 0.6)``; cells beyond the target grid have none. A
    mean is less than the parabola's vertex at the mercy of one cell's noise, but is drawn to the middle of the
    window. It is NaN if one of the costs that it depends on is NaN.

    Raises:
        InputError: the target grid has no cell.
    """
    height, width = min_marginals.shape[2:]
    if not height * width:
        raise InputError(f"the target grid has {height} x {width} cells; at least one cell is expected")
    reach = range(-_MEAN_RADIUS, _MEAN_RADIUS + 1)
    steps = jnp.asarray([(x, y) for y in reach for x in reach], labels.dtype)
    cells = labels[None] + steps[:, None, None]
    inside = ((cells >= 0) & (cells < jnp.asarray([width, height], labels.dtype)[None, None, None])).all(
        axis=-1
    )
    near = jnp.where(inside, jax.vmap(_at, in_axes=(None, 0))(min_marginals, cells), jnp.inf)
    weights = jax.nn.softmax(-near / _MEAN_TEMPERATURE, axis=0)
    return jnp.einsum("nhw,nd->hwd", weights, steps.astype(weights.dtype), precision=lax.Precision.HIGHEST)


def _with_neighbors(volume):
    """Sum ``[h_s, w_s, h_t, w_t]`` over each target cell and its eight neighbours."""
    for axis in (2, 3):
        length = volume.shape[axis]
        padded = jnp.pad(volume, [(0, 0)] * axis + [(1, 1)] + [(0, 0)] * (3 - axis))
        before, at, after = (lax.slice_in_dim(padded, k, k + length, axis=axis) for k in range(3))
        volume = before + at + after
    return volume


def _at(volume, labels):
    """Return the entry of ``[h_s, w_s, h_t, w_t]`` at each source cell's label, clamped to the target grid."""
    height, width = volume.shape[2:]
    column = jnp.clip(labels[..., 0], 0, width - 1)
    row = jnp.clip(labels[..., 1], 0, height - 1)
    flat = volume.reshape(*volume.shape[:2], -1)
    return jnp.take_along_axis(flat, (row * width + column)[..., None], axis=2)[..., 0]


def check_descriptors(descriptors: np.ndarray | Array, *, name: str) -> None:
    """Check that all descriptors are finite, because one that is not makes the whole alignment NaN.

    Under `jax.jit` and `jax.vmap` descriptors have no values yet, and nothing is checked.

    Raises:
        InputError: a value is NaN or infinite.
    """
    if isinstance(descriptors, jax.core.Tracer):
        return
    if not np.isfinite(np.asarray(descriptors)).all():
        raise InputError(f"the {name} descriptors hold NaN or infinite values")
