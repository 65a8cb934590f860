"""Generalised distance transforms: the lower envelope of one cone or parabola per sample.

A sampled function f and a penalty rho give ``D(q) = min_p f(p) + rho(q - p - shift)``, where p and q run over
the same grid. The squared penalty is ``weight * d^2``, the absolute penalty ``weight * |d|``. Over several axes
the penalty is the sum of one term for each axis, so that the axes are transformed one after the other. All
other axes are batch axes. A sample that is NaN or infinite counts as absent. ``weight`` (not negative) and
``shift``, the offset of a penalty's minimum from its sample, are one value, or one for each axis.

Source: P. F. Felzenszwalb and D. P. Huttenlocher, "Distance transforms of sampled functions", Theory of
Computing 8 (2012). Differs from the paper: on a short line every position is compared with every sample, and a
long line is processed by blocks (`_by_blocks`), because both vectorise and the paper's stack of parabolas does
not.
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
from convcorr_jax.flow.min_plus import argmin_plus_once, min_plus_once, soft_min_plus, unfused

Penalty = Literal["squared", "absolute"]
Scalar = float | Float[Array, ""]
PerAxis = Scalar | Sequence[Scalar] | Float[Array, " axes"]

# The longest line on which comparing every position with every sample is faster (measured on two CPU cores).
LONGEST_DENSE_LINE = {"squared": 192, "absolute": 64}


class DistanceTransform(NamedTuple):
    """A distance transform and the samples that attain it."""

    values: Float[Array, "*shape"]
    """D(q), in units of the costs."""
    argmin: Int[Array, "*shape axes"]
    """Index of a sample that attains D(q) along each transformed axis, in the order of ``axes``: any one if
    several do. It means nothing where D(q) is infinite or NaN."""


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
    """Compute the minimum, over all samples, of a sample's cost plus a penalty on the distance from it.

    ``D(q) = min_p f(p) + min(sum_a rho_a(q_a - p_a - shift_a), truncation)`` over the axes a.

    >>> transform = distance_transform(jnp.array([0.0, 9.0, 9.0, 9.0, 1.0]))
    >>> transform.values.tolist(), transform.argmin[:, 0].tolist()
    ([0.0, 1.0, 4.0, 2.0, 1.0], [0, 0, 0, 4, 4])

    For a binary Euclidean distance transform, set the costs to 0 on the object and to infinity elsewhere, and
    take the square root of the result. Gradients are propagated to the sample that attains the minimum, and to
    ``weight``, ``shift`` and ``truncation``. ``truncation`` bounds the penalty summed over the axes. Values are
    infinite where all samples are absent, and NaN everywhere if a weight or a shift is not finite, a weight is
    negative, or the truncation is NaN.

    Raises:
        InputError: the penalty is unknown, or an axis is named twice, does not exist or has no sample.
    """
    named = _checked(axes, penalty, costs.shape)
    weights, shifts = _per_axis(weight, shift, named, costs.dtype)
    costs = jnp.where(jnp.isfinite(costs), costs, jnp.inf)
    values, chosen = costs, []
    for axis, axis_weight, axis_shift in zip(named, weights, shifts, strict=True):
        values, argmin = _transform_axis(values, axis_weight, axis_shift, axis, penalty)
        chosen = [jnp.take_along_axis(earlier, argmin, axis) for earlier in chosen] + [argmin]
    # The minimum leaves out candidates that are NaN, and would leave out all of them.
    values = jnp.where(_is_valid(weights, shifts), values, jnp.nan)
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
    """Compute a distance transform with a soft minimum, so that every sample has a gradient.

    ``D(q) = -T log sum_p exp(-(f(p) + sum_a rho_a(q_a - p_a - shift_a)) / T)``, with T the temperature. Every
    position is compared with every sample of its line, for lines of any length. D(q) is infinite where all
    samples are absent, and NaN everywhere if the temperature, a weight or a shift is not finite, the
    temperature is not above 0, or a weight is negative. An `InputError` is raised as by `distance_transform`.
    """
    named = _checked(axes, penalty, costs.shape)
    weights, shifts = _per_axis(weight, shift, named, costs.dtype)
    matrices = [
        penalty_matrix(costs.shape[axis], axis_weight, shift=axis_shift, penalty=penalty)
        for axis, axis_weight, axis_shift in zip(named, weights, shifts, strict=True)
    ]
    present = jnp.where(jnp.isfinite(costs), costs, jnp.inf)
    values = soft_min_plus(present, matrices, axes=named, temperature=temperature)
    valid = _is_valid(weights, shifts) & jnp.isfinite(temperature) & (temperature > 0)
    return jnp.where(valid, values, jnp.nan)


def penalty_matrix(
    length: int,
    weight: Float[Array, ""],
    *,
    shift: float | Float[Array, ""] = 0.0,
    penalty: Penalty = "squared",
) -> Float[Array, "length length"]:
    """Return the penalty ``rho(q - p - shift)`` as a matrix ``[p, q]``, of the type of the weight."""
    positions = jnp.arange(length, dtype=weight.dtype)
    return weight * _unit_penalty(positions[None, :] - positions[:, None] - shift, penalty)


def _unit_penalty(displacement, penalty):
    return displacement**2 if penalty == "squared" else jnp.abs(displacement)


def _is_valid(weights, shifts):
    return (jnp.isfinite(weights) & (weights >= 0) & jnp.isfinite(shifts)).all()


def _checked(axes, penalty, shape):
    if penalty not in get_args(Penalty):
        raise InputError(f"penalty {penalty!r} is unknown; one of {get_args(Penalty)} is expected")
    named = (axes,) if isinstance(axes, int) else tuple(axes)
    if not named or any(not -len(shape) <= axis < len(shape) for axis in named):
        raise InputError(f"axes {named} must lie within the {len(shape)} axes of the costs")
    named = tuple(axis % len(shape) for axis in named)
    if len(set(named)) < len(named):
        raise InputError(f"axes {named} name the same axis twice")
    if 0 in (shape[axis] for axis in named):
        raise InputError(f"axes {named} of costs of shape {shape}: at least one sample is expected")
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
        transformed = transform_lines(lines.reshape(lines.size // length, length), weight, shift)
        values, argmin = (jnp.moveaxis(part.reshape(lines.shape), -1, axis) for part in transformed)
        return values, argmin
    matrix = penalty_matrix(length, weight, shift=shift, penalty=penalty)
    values = unfused([functools.partial(min_plus_once, matrix=matrix, axis=axis)], costs)
    # Unfused, because the compiler could round a candidate differently here than in the product.
    first = functools.partial(argmin_plus_once, product=values, matrix=matrix, axis=axis)
    return values, unfused([lambda _: first(costs)], jnp.zeros(costs.shape, jnp.int32))


@_transform_axis.defjvp
def _transform_axis_jvp(axis, penalty, primals, tangents):
    costs, weight, shift = primals
    values, argmin = _transform_axis(costs, weight, shift, axis, penalty)
    positions = lax.broadcasted_iota(costs.dtype, costs.shape, axis)
    displacement = positions - argmin - shift
    distance, slope = jax.jvp(
        lambda d: _unit_penalty(d, penalty), (displacement,), (jnp.ones_like(displacement),)
    )
    from_costs = jnp.take_along_axis(tangents[0], argmin, axis)
    tangent = from_costs + tangents[1] * distance - tangents[2] * weight * slope
    return (values, argmin), (tangent, np.zeros(argmin.shape, jax.dtypes.float0))


def _by_scans(lines, weight, shift):
    """Transform lines ``[lines, n]`` with the absolute penalty by a scan in each direction."""
    length = lines.shape[1]
    positions = jnp.arange(length, dtype=lines.dtype)
    samples = lines.T

    def cost_from(sample, position):
        cost, at = sample
        return cost + weight * jnp.abs(position - at)

    def step(best, current):
        position, own = current
        # The cost is computed from the sample itself, because rounding would accumulate from step to step.
        better = cost_from(best, position) < cost_from(own, position)
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), best, own)
        return best, best

    absent = (jnp.full(lines.shape[0], jnp.inf, lines.dtype), jnp.zeros(lines.shape[0], lines.dtype))
    _, before = lax.scan(step, absent, (positions, (samples, positions)))
    _, (cost, at) = lax.scan(step, absent, (positions, before), reverse=True)

    def at_samples():
        return cost_from((cost, at), positions[:, None]), at

    def between_samples():
        # The nearest sample of a point between two positions, or beyond the last one, is also the nearest
        # sample of an adjacent position.
        shifted = positions - shift
        below, above = (jnp.clip(f(shifted), 0, length - 1).astype(jnp.int32) for f in (jnp.floor, jnp.ceil))
        from_below = cost_from((cost[below], at[below]), shifted[:, None])
        from_above = cost_from((cost[above], at[above]), shifted[:, None])
        return (jnp.minimum(from_below, from_above), jnp.where(from_above < from_below, at[above], at[below]))

    values, argmin = lax.cond(shift == 0, at_samples, between_samples)
    return values.T, argmin.astype(jnp.int32).T


def _by_blocks(lines, weight, shift):
    """Transform long lines ``[lines, n]`` with the squared penalty in about ``n^1.5`` comparisons a line.

    Because the penalty is convex, the sample that attains D(q) never decreases as q increases. The transform is
    therefore first computed at every s-th position only, with s about the square root of n. The samples of the
    positions between two of these lie between their two samples, that is in few blocks of s samples. In total,
    at most 2 n / s pairs of a block of positions and a block of samples have to be compared, and these pairs
    form a staircase.
    """
    count, length = lines.shape
    side = 2 ** max(4, round(np.log2(length) / 2))
    blocks = -(-length // side)
    padding = blocks * side - length
    costs = jnp.pad(lines, ((0, 0), (0, padding)), constant_values=jnp.inf)
    samples = costs.reshape(count, blocks, side)

    positions = jnp.arange(blocks * side, dtype=lines.dtype)
    sparse = weight * (positions[None, ::side] - positions[:, None] - shift) ** 2
    coarse = min_plus_once(costs, matrix=sparse, axis=1)
    nearest = argmin_plus_once(costs, coarse, matrix=sparse, axis=1)
    last_sample = jnp.concatenate([nearest[:, 1:], jnp.full((count, 1), length - 1)], axis=1)
    # Rounding may violate the order slightly.
    last_block = lax.cummax(last_sample, axis=1) // side

    # Step k of the staircase is at the first block of positions that is not done before k; a block is done
    # after the comparison with its last block of samples. Each step advances one of the two blocks by one.
    done = jnp.arange(blocks)[None] + last_block
    steps = jnp.arange(2 * blocks - 1)[None]
    position_block = jnp.minimum((done[:, :, None] < steps[None]).sum(axis=1), blocks - 1)
    sample_block = jnp.clip(steps - position_block, 0, blocks - 1)

    candidates = jnp.take_along_axis(samples, sample_block[:, :, None], axis=1)
    distance = ((position_block - sample_block) * side).astype(lines.dtype)[:, :, None] - shift
    within = jnp.arange(side, dtype=lines.dtype)[None, None]
    least = jnp.full(candidates.shape, jnp.inf, lines.dtype)
    at = jnp.zeros(candidates.shape, jnp.int32)
    for p in range(side):
        cost = candidates[:, :, p : p + 1] + weight * (distance + (within - p)) ** 2
        at = jnp.where(cost < least, p, at)
        least = jnp.where(cost < least, cost, least)

    line = jnp.arange(count)[:, None]
    values = jnp.full(samples.shape, jnp.inf, lines.dtype).at[line, position_block].min(least)
    attains = least <= jnp.take_along_axis(values, position_block[:, :, None], axis=1)
    at = jnp.where(attains, at + sample_block[:, :, None] * side, length - 1)
    argmin = jnp.full(samples.shape, length - 1, jnp.int32).at[line, position_block].min(at)
    return tuple(part.reshape(count, blocks * side)[:, :length] for part in (values, argmin))


def _truncated(transform, costs, named, truncation):
    """Replace values above the bound by the least sample of the line plus the full truncated penalty."""
    line = jnp.moveaxis(costs, named, range(-len(named), 0))
    sizes = line.shape[-len(named) :]
    line = line.reshape(*line.shape[: -len(named)], -1)
    at = jnp.argmin(line, axis=-1, keepdims=True)
    most = jnp.take_along_axis(line, at, axis=-1)[..., 0] + truncation
    most = jnp.expand_dims(most, sorted(named))
    least_at = jnp.stack(jnp.unravel_index(at[..., 0], sizes), axis=-1)
    least_at = jnp.expand_dims(least_at, sorted(named))
    cut = (most < transform.values) | jnp.isnan(most)
    return DistanceTransform(
        jnp.where(cut, most, transform.values), jnp.where(cut[..., None], least_at, transform.argmin)
    )
