"""The random draws of `convcorr_jax.metrics.bootstrap`, vectorized and compiled by JAX."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

# Draws that are computed at once: their counts of 1000 units take 1 MB.
BLOCK = 250


def draw(
    parts: Float[np.ndarray, "groups longest terms columns"],
    sizes: Int[np.ndarray, " groups"],
    *,
    draws: int,
    seed: int,
) -> Float[np.ndarray, "draws statistics"]:
    """Draw the units of each group with replacement, and compute means of ratios of their sums.

    ``parts`` is what each unit of a group adds to the numerators and, in the last column, to the denominator; 0
    beyond the group's size.
    """
    blocks = -(-draws // BLOCK)
    samples = _ratios(jax.random.key(seed), jnp.asarray(parts), jnp.asarray(sizes), blocks=blocks)
    return np.asarray(samples)[:draws]


@functools.partial(jax.jit, static_argnames=("blocks",))
def _ratios(
    key: Array,
    parts: Float[Array, "groups longest terms columns"],
    sizes: Int[Array, " groups"],
    *,
    blocks: int,
) -> Float[Array, "draws statistics"]:
    groups, longest, terms, columns = parts.shape
    sums = parts.reshape(groups, longest, terms * columns)
    drawn = (jnp.arange(longest)[None] < sizes[:, None]).astype(jnp.float32)
    counted = sizes[None, :, None].astype(jnp.float32)

    def block(key: Array) -> Float[Array, "block statistics"]:
        uniform = jax.random.uniform(key, (BLOCK, groups, longest))
        # Rounding may give the size itself, one past the last unit.
        rows = jnp.minimum((uniform * counted).astype(jnp.int32), sizes[None, :, None] - 1)
        draw, group = jnp.arange(BLOCK)[:, None, None], jnp.arange(groups)[None, :, None]
        counts = jnp.zeros((BLOCK, groups, longest)).at[draw, group, rows].add(drawn[None])
        totals = jnp.einsum("bgu,guk->bgk", counts, sums, precision="highest")
        totals = totals.reshape(BLOCK, groups, terms, columns)
        top, bottom = totals[..., :-1], totals[..., -1:]
        ratios, known = top / jnp.where(bottom > 0, bottom, 1), bottom > 0
        terms_known = known.sum(axis=2)
        of_group = (ratios * known).sum(axis=2) / jnp.maximum(terms_known, 1)
        return of_group.sum(axis=1) / jnp.maximum((terms_known > 0).sum(axis=1), 1)

    return jax.lax.map(block, jax.random.split(key, blocks)).reshape(blocks * BLOCK, columns - 1)
