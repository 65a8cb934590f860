"""Min-sum belief propagation for the paper's energy, on the paper's grid of 13 x 13 cells and 169 labels.

The data costs are those of photographs and warps of them, by conv4 of AlexNet at unit length. PGMax runs its
own damped parallel schedule, for as many iterations as reduce its energy.

Quality: on the pairs that both solve, our energy is at most PGMax's, within a relative 1e-4.
"""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from convcorr_jax import images
from convcorr_jax.backbone.weights import load
from convcorr_jax.coords import Size
from convcorr_jax.datasets import load_image
from convcorr_jax.datasets.selection import photographs
from convcorr_jax.descriptors import PAPER_RECIPES, convolutional_descriptors
from convcorr_jax.flow import data_cost, min_sum
from convcorr_jax.synthetic import warped_pair
from eval.benchmark.comparison import Arrays, Case, Comparison, Quality

PAIRS = 25
# PGMax takes seconds for each pair.
PEER_PAIRS = 2
SMOOTHNESS = 0.1
TOLERANCE = 1e-4


def energy(costs: np.ndarray, labels: np.ndarray, smoothness: float) -> float:
    """Compute the energy of labels ``[h, w, 2]`` (x, y) under costs ``[h, w, h, w]`` in double precision."""
    rows, columns = np.indices(labels.shape[:2])
    data = costs[rows, columns, labels[..., 1], labels[..., 0]].sum(dtype=np.float64)
    flow = labels - np.stack([columns, rows], axis=-1)
    return data + smoothness * sum((np.diff(flow, axis=axis) ** 2).sum() for axis in (0, 1))


def comparisons() -> Iterator[Comparison]:
    """Yield one batch of pairs."""
    costs = photograph_costs(PAIRS)

    @jax.jit
    def solve(batch):
        # One pair after the other: a pair fits into the cache, and stops when it has converged.
        return jax.lax.map(lambda cost: min_sum(cost, smoothness=SMOOTHNESS), batch)

    def check(ours: Arrays, peer: Arrays) -> Quality:
        energies = [
            np.mean([energy(costs[i], labels[i], SMOOTHNESS) for i in range(PEER_PAIRS)])
            for labels in (ours["labels"], peer["labels"])
        ]
        return Quality(
            bool(energies[0] <= energies[1] * (1 + TOLERANCE)),
            f"mean energy no higher than the peer's, within {TOLERANCE:g}",
            {
                "our energy": float(energies[0]),
                "peer energy": float(energies[1]),
                "peer iterations": float(peer["iterations"]),
            },
        )

    batch = jnp.asarray(costs)
    yield Comparison(
        name=f"13 x 13 cells, 169 labels, batch {PAIRS}",
        unit="pair",
        inputs={"costs": costs[:PEER_PAIRS], "smoothness": np.array(SMOOTHNESS)},
        ours=lambda: {"labels": solve(batch).labels},
        check=check,
        required_ratio=100.0,
        required_ms=12.0,
        our_units=PAIRS,
        peer_units=PEER_PAIRS,
    )


def photograph_costs(count: int) -> np.ndarray:
    """Compute the data costs ``[count, 13, 13, 13, 13]`` of photographs and their warps."""
    weights = load("alexnet")
    recipe = PAPER_RECIPES["alexnet"]
    side = recipe.sizes_px[0]
    available = len(photographs())
    pairs = [warped_pair(i % available, seed=i // available) for i in range(count)]
    squares = np.stack(
        [
            images.resize(load_image(record), Size(side, side)).image
            for pair in pairs
            for record in (pair.source, pair.target)
        ]
    )
    descriptors = convolutional_descriptors(weights.params, [squares], network=weights.network, recipe=recipe)
    cost = jax.vmap(lambda source, target: data_cost(source, target, cost="distance"))
    return np.asarray(cost(descriptors[::2], descriptors[1::2]))


CASE = Case("PGMax", "eval.benchmark.workers.pgmax_min_sum", comparisons)
