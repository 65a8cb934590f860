"""Matrix products that the linear models share."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


def full_precision_matmul(a: Float[Array, "..."], b: Float[Array, "..."]) -> Float[Array, "..."]:
    """Compute ``a b`` in the full precision of both."""
    # By default, accelerators multiply single-precision numbers in fewer bits.
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)
