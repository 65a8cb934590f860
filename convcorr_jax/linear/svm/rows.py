"""Features as the solvers of support vector machines want them: `Rows`, which all classifiers share.

Samples that weigh nothing are zero; the others are moved to their mean if the bias is free, or else have a
column for the bias; and all are divided by a power of two, so that numbers are about 1 and nothing is rounded.
None of this changes the problem. Beside the rows stands a `Spectrum`, from which Newton's method makes its
preconditioner.

Source of the sketch: N. Halko, P.-G. Martinsson and J. A. Tropp, "Finding structure with randomness", SIAM
Review 53 (2011), algorithm 5.3 and section 4.5 (one power iteration); of its use: Z. Frangella, J. A. Tropp and
M. Udell, "Randomized Nystrom preconditioning", SIAM J. Matrix Anal. Appl. 44 (2023).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

# Axes of a spectrum: all there are for a few hundred features, and enough for thousands.
RANK = 128


class Spectrum(NamedTuple):
    """The greatest axes of the rows' second moment, and what is left."""

    axes: Float[Array, "d rank"]
    moments: Float[Array, " rank"]
    """Mean square of the rows along each axis."""
    floor: Float[Array, ""]
    """The same along any other direction, in the mean over them."""


class Rows(NamedTuple):
    """Features as the module's text says, and the way back."""

    rows: Float[Array, "n d"]
    mean: Float[Array, " features"]
    scale: Float[Array, ""]


class Point(NamedTuple):
    """A classifier a lane, of rows, or a step between two."""

    weights: Float[Array, "lanes d"]
    bias: Float[Array, " lanes"]


def pose(
    features: Float[Array, "n features"],
    used: Bool[Array, " n"],
    *,
    bias_scale: float | Float[Array, ""] | None,
) -> Rows:
    """The rows of features; ``bias_scale`` None is a free bias."""
    count = jnp.maximum(used.sum(), 1)
    mean = jnp.zeros(features.shape[1], features.dtype)
    rows = features
    if bias_scale is None:
        mean = jnp.where(used[:, None], features, 0).sum(0) / count
        rows = features - mean[None]
    else:
        column = jnp.full((len(features), 1), bias_scale, features.dtype)
        rows = jnp.concatenate([features, column], axis=1)
    rows = jnp.where(used[:, None], rows, 0)
    square = (rows**2).sum() / (count * rows.shape[1])
    exponent = jnp.round(jnp.log2(jnp.where(square > 0, square, 1)) / 2).astype(jnp.int32)
    return Rows(jnp.ldexp(rows, -exponent), mean, jnp.ldexp(jnp.ones_like(square), exponent))


def inward(
    posed: Rows,
    weights: Float[Array, "lanes features"],
    bias: Float[Array, " lanes"],
    *,
    bias_scale: float | Float[Array, ""] | None,
) -> Point:
    """A classifier of features as one of rows."""
    if bias_scale is None:
        bias = bias + _matmul(weights, posed.mean)
    else:
        weights = jnp.concatenate([weights, bias[:, None] / bias_scale], axis=1)
        bias = jnp.zeros_like(bias)
    return Point(weights * posed.scale, bias)


def outward(
    posed: Rows, point: Point, *, bias_scale: float | Float[Array, ""] | None
) -> tuple[Float[Array, "lanes features"], Float[Array, " lanes"]]:
    """A classifier of rows as one of features: its weights and bias."""
    weights = point.weights / posed.scale
    if bias_scale is None:
        return weights, point.bias - _matmul(weights, posed.mean)
    return weights[:, :-1], weights[:, -1] * bias_scale


def product(weights: Float[Array, "lanes d"], rows: Float[Array, "n d"]) -> Float[Array, "lanes n"]:
    """``weights . rows`` for every lane and row."""
    return jnp.einsum("ld,nd->ln", weights, rows, precision=lax.Precision.HIGHEST)


def back_product(
    values: Float[Array, "lanes n"], rows: Float[Array, "n d"]
) -> Float[Array, "lanes d"]:
    """The sum of the rows times their values, for every lane."""
    return jnp.einsum("ln,nd->ld", values, rows, precision=lax.Precision.HIGHEST)


def spectrum(rows: Float[Array, "n d"]) -> Spectrum:
    """Exact if there are at most `RANK` columns, else from a sketch that is always the same."""
    n, d = rows.shape
    rank = min(d, RANK)
    if rank == d:
        basis = jnp.eye(d, dtype=rows.dtype)
    else:
        sketch = jax.random.normal(jax.random.key(0), (rank, d), rows.dtype)
        basis, _ = jnp.linalg.qr(back_product(product(sketch, rows), rows).T)
    seen = product(basis.T, rows)
    moments, turn = jnp.linalg.eigh(_matmul(seen, seen.T) / n)
    moments = moments.clip(min=0)
    rest = (rows**2).sum() / n - moments.sum()
    return Spectrum(_matmul(basis, turn), moments, rest.clip(min=0) / max(d - rank, 1))


def _matmul(a, b):
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)
