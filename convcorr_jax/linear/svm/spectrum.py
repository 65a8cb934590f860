"""The leading eigenvectors of the rows' second moment, of which Newton's method builds its preconditioner.

Source of the sketch: N. Halko, P.-G. Martinsson and J. A. Tropp, "Finding structure with randomness", SIAM
Review 53 (2011), algorithm 5.3 and section 4.5 (one power iteration). Source of its use: Z. Frangella, J. A.
Tropp and M. Udell, "Randomized Nystrom preconditioning", SIAM J. Matrix Anal. Appl. 44 (2023).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from convcorr_jax.linear.products import full_precision_matmul
from convcorr_jax.linear.svm.parameters import scores, weighted_sums

# The number of axes: all of them for up to 128 features, and enough for thousands.
RANK = 128


class Spectrum(NamedTuple):
    """The leading axes of the rows' second moment, and the mean of the rest."""

    axes: Float[Array, "d rank"]
    """Eigenvectors, one a column."""
    moments: Float[Array, " rank"]
    """Mean square of the rows along each axis."""
    floor: Float[Array, ""]
    """Mean square of the rows along a direction orthogonal to all axes, averaged over those directions."""


def spectrum(rows: Float[Array, "n d"]) -> Spectrum:
    """Compute the spectrum exactly for up to `RANK` columns, otherwise from a sketch with a fixed seed."""
    n, d = rows.shape
    rank = min(d, RANK)
    if rank == d:
        basis = jnp.eye(d, dtype=rows.dtype)
    else:
        sketch = jax.random.normal(jax.random.key(0), (rank, d), rows.dtype)
        basis, _ = jnp.linalg.qr(weighted_sums(scores(sketch, rows), rows).T)
    coordinates = scores(basis.T, rows)
    moments, rotation = jnp.linalg.eigh(full_precision_matmul(coordinates, coordinates.T) / n)
    moments = moments.clip(min=0)
    rest = (rows**2).sum() / n - moments.sum()
    return Spectrum(
        full_precision_matmul(basis, rotation), moments, rest.clip(min=0) / max(d - rank, 1)
    )
