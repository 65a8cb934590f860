"""Weights and biases of many linear classifiers that share their rows, and the products of the two.

A problem is one class against the rest, within one fold if there are folds. ``problems`` is the leading axis of
all arrays that differ between them.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


class Parameters(NamedTuple):
    """The linear classifier of each problem, or a step between two of them."""

    weights: Float[Array, "problems d"]
    bias: Float[Array, " problems"]


def scores(
    weights: Float[Array, "problems d"], rows: Float[Array, "n d"]
) -> Float[Array, "problems n"]:
    """Compute ``w . x`` for every problem and row."""
    return jnp.einsum("ld,nd->ln", weights, rows, precision=lax.Precision.HIGHEST)


def weighted_sums(
    values: Float[Array, "problems n"], rows: Float[Array, "n d"]
) -> Float[Array, "problems d"]:
    """Compute the sum of the rows times their values, for every problem."""
    return jnp.einsum("ln,nd->ld", values, rows, precision=lax.Precision.HIGHEST)
