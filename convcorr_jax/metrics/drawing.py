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
    sizes: Int[np.ndarray, " strata"],
    ends: Int[np.ndarray, "groups longest ends"] | None,
    *,
    longest: int,
    draws: int,
    seed: int,
) -> Float[np.ndarray, "draws statistics"]:
    """Draw the units of each group, or the clusters of each stratum, and compute means of ratios of sums.

    ``parts`` is what each unit of a group adds to the numerators and, in the last column, to the denominator; 0
    beyond the group's size. ``sizes`` are the numbers of clusters, of which a stratum holds up to ``longest``;
    ``ends`` are each unit's clusters as ``stratum * longest + row``. Without them, groups are strata and units
    their clusters.
    """
    blocks, key = -(-draws // BLOCK), jax.random.key(seed)
    samples = _ratios(
        key,
        jnp.asarray(parts),
        jnp.asarray(sizes),
        None if ends is None else jnp.asarray(ends),
        longest=longest,
        blocks=blocks,
    )
    return np.asarray(samples)[:draws]


@functools.partial(jax.jit, static_argnames=("longest", "blocks"))
def _ratios(
    key: Array,
    parts: Float[Array, "groups longest terms columns"],
    sizes: Int[Array, " strata"],
    ends: Int[Array, "groups units ends"] | None,
    *,
    longest: int,
    blocks: int,
) -> Float[Array, "draws statistics"]:
    groups, units, terms, columns = parts.shape
    sums = parts.reshape(groups, units, terms * columns)
    drawn = (jnp.arange(longest)[None] < sizes[:, None]).astype(jnp.float32)
    counted = sizes[None, :, None].astype(jnp.float32)

    def block(key: Array) -> Float[Array, "block statistics"]:
        uniform = jax.random.uniform(key, (BLOCK, len(sizes), longest))
        # Rounding may give the size itself, one past the last unit.
        rows = jnp.minimum((uniform * counted).astype(jnp.int32), sizes[None, :, None] - 1)
        draw, group = jnp.arange(BLOCK)[:, None, None], jnp.arange(len(sizes))[None, :, None]
        counts = jnp.zeros((BLOCK, len(sizes), longest)).at[draw, group, rows].add(drawn[None])
        if ends is not None:
            counts = counts.reshape(BLOCK, -1)[:, ends].prod(axis=-1)
        totals = jnp.einsum("bgu,guk->bgk", counts, sums, precision="highest")
        totals = totals.reshape(BLOCK, groups, terms, columns)
        top, bottom = totals[..., :-1], totals[..., -1:]
        ratios, known = top / jnp.where(bottom > 0, bottom, 1), bottom > 0
        terms_known = known.sum(axis=2)
        of_group = (ratios * known).sum(axis=2) / jnp.maximum(terms_known, 1)
        return of_group.sum(axis=1) / (terms_known > 0).sum(axis=1)

    return jax.lax.map(block, jax.random.split(key, blocks)).reshape(blocks * BLOCK, columns - 1)
