"""The squared generalised distance transform of whole fields, against the paper's algorithm in numba.

No Python package has it, so the peer is implemented here: the lower envelope of parabolas of Felzenszwalb and
Huttenlocher, compiled, on one thread or with the lines shared among the cores.

Quality: the largest difference from a transform in double precision that compares all samples, relative to
the largest value, is below 1e-5 for both.
"""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from convcorr_jax.flow import distance_transform
from eval.benchmark.comparison import Arrays, Case, Comparison, Quality
from eval.benchmark.timing import cores

TOLERANCE = 1e-5
# Number of fields, their side, and the goal for the ratio to the peer, on one thread and on all threads.
SIZES = ((256, 32, 2.0), (1, 256, 1.0))


def comparisons() -> Iterator[Comparison]:
    """Yield fields of noise, at a weight at which minima come from samples a few places away."""
    rng = np.random.default_rng(0)
    for count, side, required_ratio in SIZES:
        fields = rng.uniform(0, 10, (count, side, side)).astype(np.float32)
        for threads in sorted({1, cores()}):
            yield Comparison(
                name=f"{count} x {side} x {side}, peer on {threads} thread{'s'[: threads > 1]}",
                unit="batch",
                inputs={"fields": fields, "threads": np.array(threads)},
                ours=_transform(fields),
                check=_against(_brute_force(fields)),
                required_ratio=required_ratio,
            )


def _transform(fields):
    @jax.jit
    def values(costs):
        return distance_transform(costs, axes=(1, 2)).values

    costs = jnp.asarray(fields)
    return lambda: {"values": values(costs)}


def _brute_force(fields: np.ndarray) -> np.ndarray:
    places = np.arange(fields.shape[-1])
    penalty = (places[:, None] - places[None]) ** 2.0
    by_row = np.stack([(field[:, None, :] + penalty[None]).min(-1) for field in fields.astype(float)])
    return np.stack([(field[None, :, :] + penalty[:, :, None]).min(1) for field in by_row])


def _against(truth):
    def check(ours: Arrays, peer: Arrays) -> Quality:
        errors = [float(np.abs(arrays["values"] - truth).max() / truth.max()) for arrays in (ours, peer)]
        return Quality(
            max(errors) < TOLERANCE,
            f"largest error below {TOLERANCE:g} of the largest value",
            {"our error": errors[0], "peer error": errors[1]},
        )

    return check


CASE = Case("numba", "eval.benchmark.workers.numba_envelope", comparisons)
