"""Generalised distance transforms: the lower envelope of one cone or parabola per sample.

A sampled function f and a penalty rho give ``D(q) = min_p f(p) + rho(q - p - shift)``, p and q running over
the same grid. The squared penalty is ``weight * d^2``, the absolute one ``weight * |d|``. Over several axes the
penalty is the sum of one term an axis, so that one axis is transformed after the other. Axes that are not
named are batch. A sample that is NaN or infinite counts as absent.

Source: P. F. Felzenszwalb and D. P. Huttenlocher, "Distance transforms of sampled functions", Theory of
Computing 8 (2012). Differs from the paper: a short line is compared with every sample of it, a long one
by blocks (`_by_blocks`), because both vectorise where the paper's stack of parabolas does not.
"""

import functools
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from convcorr_jax.errors import InputError
from convcorr_jax.flow.min_plus import (
    argmin_plus_once,
    min_plus_once,
    soft_min_plus,
    unfused,
)

Penalty = Literal["squared", "absolute"]
Scalar = float | Float[Array, ""]
PerAxis = Scalar | Sequence[Scalar] | Float[Array, " axes"]

# The longest line that is faster when every place is compared with every sample (measured on two CPU cores).
LONGEST_DENSE_LINE = {"squared": 192, "absolute": 64}


class DistanceTransform(NamedTuple):
    """The transform, and which sample attains it."""

    values: Float[Array, "*shape"]
    argmin: Int[Array, "*shape axes"]
    """Index of that sample along each transformed axis, in the order of ``axes``."""


@functools.partial(jax.jit, static_argnames=("axes", "penalty"))
def distance_transform(
    costs: Float[Array, "*shape"],
    *,
    weight: PerAxis = 1.0,
    axes: int | tuple[int, ...] = -1,
    penalty: Penalty = "squared",
    shift: PerAxis = 0.0,
    truncation: float | Float[Array, ""] | None = None,
) -> DistanceTransform:
    """The least, over all samples, of a sample's cost plus a penalty on the way from it.

    ``D(q) = min_p f(p) + min(sum_a rho_a(q_a - p_a - shift_a), truncation)`` over the axes a.

    >>> transform = distance_transform(jnp.array([0.0, 9.0, 9.0, 9.0, 1.0]))
    >>> transform.values.tolist(), transform.argmin[:, 0].tolist()
    ([0.0, 1.0, 4.0, 2.0, 1.0], [0, 0, 0, 4, 4])

    A binary Euclidean distance transform takes 0 on the object and infinity off it, and the root of the
    result. Gradients flow to the sample that attains the minimum, and to ``weight``, ``shift`` and
    ``truncation``.

    Args:
        costs: f, sampled at the integers.
        weight: factor of the penalty, not negative; one, or one an axis.
        axes: the axes to transform.
        penalty: "squared" or "absolute".
        shift: how far from its sample each penalty has its minimum; one, or one an axis.
        truncation: the most that the penalty, summed over the axes, can cost.

    Raises:
        InputError: an unknown penalty; an axis named twice or not there.
    """
    named = _checked(axes, penalty, costs.ndim)
    weights, shifts = _per_axis(weight, shift, named, costs.dtype)
    values, chosen = costs, []
    for axis, axis_weight, axis_shift in zip(named, weights, shifts, strict=True):
        values, argmin = _transform_axis(values, axis_weight, axis_shift, axis, penalty)
        chosen = [jnp.take_along_axis(earlier, argmin, axis) for earlier in chosen] + [argmin]
    transform = DistanceTransform(values, jnp.stack(chosen, axis=-1))
    return transform if truncation is None else _truncated(transform, costs, named, truncation)


@functools.partial(jax.jit, static_argnames=("axes", "penalty"))
def soft_distance_transform(
    costs: Float[Array, "*shape"],
    *,
    temperature: float | Float[Array, ""],
    weight: PerAxis = 1.0,
    axes: int | tuple[int, ...] = -1,
    penalty: Penalty = "squared",
    shift: PerAxis = 0.0,
) -> Float[Array, "*shape"]:
    """`distance_transform` with a soft minimum, so that every sample has a gradient.

    ``D(q) = -T log sum_p exp(-(f(p) + sum_a rho_a(q_a - p_a - shift_a)) / T)``, with T the temperature. Every
    place is compared with every sample of its line, however long.

    Raises:
        InputError: an unknown penalty; an axis named twice or not there.
    """
    named = _checked(axes, penalty, costs.ndim)
    weights, shifts = _per_axis(weight, shift, named, costs.dtype)
    matrices = [
        penalty_matrix(costs.shape[axis], axis_weight, axis_shift, penalty)
        for axis, axis_weight, axis_shift in zip(named, weights, shifts, strict=True)
    ]
    return soft_min_plus(costs, matrices, axes=named, temperature=temperature)


def penalty_matrix(
    length: int,
    weight: Float[Array, ""],
    shift: float | Float[Array, ""] = 0.0,
    penalty: Penalty = "squared",
) -> Float[Array, "length length"]:
    """``rho(q - p - shift)`` as a matrix ``[p, q]``."""
    places = jnp.arange(length, dtype=weight.dtype)
    return weight * _unit_penalty(places[None, :] - places[:, None] - shift, penalty)


def _unit_penalty(displacement, penalty):
    return displacement**2 if penalty == "squared" else jnp.abs(displacement)


def _checked(axes, penalty, ndim):
    if penalty not in get_args(Penalty):
        raise InputError(f"penalty {penalty!r} is unknown; one of {get_args(Penalty)} is expected")
    named = (axes,) if isinstance(axes, int) else tuple(axes)
    if any(not -ndim <= axis < ndim for axis in named):
        raise InputError(f"axes {named} must lie within the {ndim} axes of the costs")
    named = tuple(axis % ndim for axis in named)
    if len(set(named)) < len(named):
        raise InputError(f"axes {named} name the same axis twice")
    return named


def _per_axis(weight, shift, named, dtype):
    weights = jnp.broadcast_to(jnp.asarray(weight, dtype), (len(named),))
    shifts = jnp.broadcast_to(jnp.asarray(shift, dtype), (len(named),))
    return weights, shifts


@functools.partial(jax.custom_jvp, nondiff_argnums=(3, 4))
def _transform_axis(costs, weight, shift, axis, penalty):
    length = costs.shape[axis]
    if length > LONGEST_DENSE_LINE[penalty]:
        lines = jnp.moveaxis(costs, axis, -1)
        transform_lines = _by_blocks if penalty == "squared" else _by_scans
        found = transform_lines(lines.reshape(-1, length), weight, shift)
        values, argmin = (jnp.moveaxis(part.reshape(lines.shape), -1, axis) for part in found)
        return values, argmin
    matrix = penalty_matrix(length, weight, shift, penalty)
    values = unfused([functools.partial(min_plus_once, matrix=matrix, axis=axis)], costs)
    # Unfused lest the compiler round a candidate here otherwise than it did there.
    first = functools.partial(argmin_plus_once, product=values, matrix=matrix, axis=axis)
    return values, unfused([lambda _: first(costs)], jnp.zeros(costs.shape, jnp.int32))


@_transform_axis.defjvp
def _transform_axis_jvp(axis, penalty, primals, tangents):
    costs, weight, shift = primals
    values, argmin = _transform_axis(costs, weight, shift, axis, penalty)
    places = lax.broadcasted_iota(costs.dtype, costs.shape, axis)
    displacement = places - argmin - shift
    way, slope = jax.jvp(
        lambda d: _unit_penalty(d, penalty), (displacement,), (jnp.ones_like(displacement),)
    )
    from_costs = jnp.take_along_axis(tangents[0], argmin, axis)
    tangent = from_costs + tangents[1] * way - tangents[2] * weight * slope
    return (values, argmin), (tangent, np.zeros(argmin.shape, jax.dtypes.float0))


def _by_scans(lines, weight, shift):
    """The absolute penalty over lines ``[lines, n]``: the cheapest sample so far is carried there and back."""
    length = lines.shape[1]
    places = jnp.arange(length, dtype=lines.dtype)
    samples = jnp.where(jnp.isnan(lines), jnp.inf, lines).T

    def cost_from(sample, place):
        cost, at = sample
        return cost + weight * jnp.abs(place - at)

    def step(best, current):
        place, best_here = current
        # Its cost is counted from the sample itself: from place to place rounding would add up.
        better = cost_from(best, place) < cost_from(best_here, place)
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), best, best_here)
        return best, best

    nobody = (
        jnp.full(lines.shape[0], jnp.inf, lines.dtype),
        jnp.zeros(lines.shape[0], lines.dtype),
    )
    _, before = lax.scan(step, nobody, (places, (samples, places)))
    _, (cost, at) = lax.scan(step, nobody, (places, before), reverse=True)

    def here():
        return cost_from((cost, at), places[:, None]), at

    def between_places():
        # The way to a point between two places, or beyond the last, leads over a place next to it.
        asked = places - shift
        below, above = (
            jnp.clip(f(asked), 0, length - 1).astype(jnp.int32) for f in (jnp.floor, jnp.ceil)
        )
        from_below = cost_from((cost[below], at[below]), asked[:, None])
        from_above = cost_from((cost[above], at[above]), asked[:, None])
        return (
            jnp.minimum(from_below, from_above),
            jnp.where(from_above < from_below, at[above], at[below]),
        )

    values, argmin = lax.cond(shift == 0, here, between_places)
    return values.T, argmin.astype(jnp.int32).T


def _by_blocks(lines, weight, shift):
    """The squared penalty over long lines ``[lines, n]`` in about ``n^1.5`` comparisons a line.

    Because the penalty is convex, the sample that attains D(q) never moves back as q moves on. So first the
    transform is computed at every s-th place only, s about the root of n. Between two such places the nearest
    sample lies between theirs, hence in few blocks of s samples: in all, at most 2 n / s pairs of a block of
    places and a block of samples have to be compared, and these form a staircase.
    """
    count, length = lines.shape
    side = 2 ** max(4, round(np.log2(length) / 2))
    blocks = -(-length // side)
    padding = blocks * side - length
    costs = jnp.pad(lines, ((0, 0), (0, padding)), constant_values=jnp.inf)
    samples = costs.reshape(count, blocks, side)

    places = jnp.arange(blocks * side, dtype=lines.dtype)
    sparse = weight * (places[None, ::side] - places[:, None] - shift) ** 2
    coarse = min_plus_once(costs, matrix=sparse, axis=1)
    nearest = argmin_plus_once(costs, coarse, matrix=sparse, axis=1)
    last_sample = jnp.concatenate([nearest[:, 1:], jnp.full((count, 1), length - 1)], axis=1)
    # Rounding may break the order by a hair.
    last_block = lax.cummax(last_sample, axis=1) // side

    # Step k of the staircase is on the first block of places that is not done before k; a block is done
    # when it has met its last block of samples. Each step moves on by one in one of the two.
    done = jnp.arange(blocks)[None] + last_block
    steps = jnp.arange(2 * blocks - 1)[None]
    place_block = jnp.minimum((done[:, :, None] < steps[None]).sum(axis=1), blocks - 1)
    sample_block = jnp.clip(steps - place_block, 0, blocks - 1)

    candidates = jnp.take_along_axis(samples, sample_block[:, :, None], axis=1)
    apart = ((place_block - sample_block) * side).astype(lines.dtype)[:, :, None] - shift
    within = jnp.arange(side, dtype=lines.dtype)[None, None]
    least = jnp.full(candidates.shape, jnp.inf, lines.dtype)
    at = jnp.zeros(candidates.shape, jnp.int32)
    for p in range(side):
        cost = candidates[:, :, p : p + 1] + weight * (apart + (within - p)) ** 2
        at = jnp.where(cost < least, p, at)
        least = jnp.where(cost < least, cost, least)

    line = jnp.arange(count)[:, None]
    values = jnp.full(samples.shape, jnp.inf, lines.dtype).at[line, place_block].min(least)
    attains = least <= jnp.take_along_axis(values, place_block[:, :, None], axis=1)
    at = jnp.where(attains, at + sample_block[:, :, None] * side, length - 1)
    argmin = jnp.full(samples.shape, length - 1, jnp.int32).at[line, place_block].min(at)
    return tuple(part.reshape(count, -1)[:, :length] for part in (values, argmin))


def _truncated(transform, costs, named, truncation):
    """Where the way costs more than it can, the least sample anywhere serves at the full penalty."""
    line = jnp.moveaxis(costs, named, range(-len(named), 0))
    sizes = line.shape[-len(named) :]
    line = line.reshape(*line.shape[: -len(named)], -1)
    at = jnp.argmin(jnp.where(jnp.isnan(line), jnp.inf, line), axis=-1, keepdims=True)
    most = jnp.take_along_axis(line, at, axis=-1)[..., 0] + truncation
    most = jnp.expand_dims(most, sorted(named))
    least_at = jnp.stack(jnp.unravel_index(at[..., 0], sizes), axis=-1)
    least_at = jnp.expand_dims(least_at, sorted(named))
    cut = most < transform.values
    return DistanceTransform(
        jnp.where(cut, most, transform.values),
        jnp.where(cut[..., None], least_at, transform.argmin),
    )
