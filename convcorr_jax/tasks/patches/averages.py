"""Mean receptive fields of the nearest neighbours of random features (Figure 2 of Long et al. 2014)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax.backbone import receptive_field
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.errors import InputError
from convcorr_jax.patches.receptive_field_average import middle_share
from convcorr_jax.patches.views import mean_windows
from convcorr_jax.retrieval import nearest_neighbors
from convcorr_jax.runtime.progress import progress
from convcorr_jax.tasks.patches.database import PatchDatabase
from convcorr_jax.tasks.patches.opening import Patches


class MeanFields(NamedTuple):
    """Receptive fields of a layer, averaged."""

    seeds: Float[np.ndarray, "seeds side side 3"]
    """The receptive fields of the seeds themselves."""
    neighbors: Float[np.ndarray, "ks seeds side side 3"]
    """The means over each seed's nearest neighbours, for each number of neighbours."""
    random: Float[np.ndarray, "ks seeds side side 3"]
    """The means over as many random patches."""


def average_fields(
    patches: Patches,
    weights: Weights,
    *,
    layer: str,
    seeds: int,
    neighbors: Sequence[int],
    seed: int,
) -> MeanFields:
    """Average the receptive fields of the nearest neighbours of random patches, and of random patches.

    Args:
        patches: the databases to search.
        weights: a network's weights.
        layer: the layer whose features are compared.
        seeds: the number of random patches, each of another photograph.
        neighbors: numbers of neighbours to average, in increasing order.
        seed: the seed of the random choices.

    Raises:
        InputError: ``seeds`` is below 1 or above the number of photographs, or the database has too few
            patches.
    """
    if not 1 <= seeds <= len(patches.records):
        raise InputError(
            f"seeds is {seeds}; 1 to {len(patches.records)} are expected, one a photograph"
        )
    stored = patches.layers[layer]
    rng = np.random.default_rng(seed)
    chosen = _random_patches(stored, seeds, rng)
    nearest = nearest_neighbors(
        np.asarray(stored.features[chosen], np.float32),
        stored.features,
        k=max(neighbors),
        exclude_same=(stored.origins.photograph[chosen], stored.origins.photograph),
    ).indices
    random = rng.integers(0, len(stored.features), nearest.shape)
    field = receptive_field(weights.network, layer)

    def means(rows: Int[np.ndarray, "seeds k"], ks: Sequence[int]):
        return mean_windows(
            patches.photograph,
            stored.origins,
            rows,
            ks=ks,
            field=field,
            side_px=field.size_px,
            watch=lambda numbers: progress(numbers, description=layer),
        )

    return MeanFields(
        means(chosen[:, None], (1,))[0], means(nearest, neighbors), means(random, neighbors)
    )


def middle_shares(
    means: Float[np.ndarray, "ks seeds side side 3"], *, neighbors: Sequence[int]
) -> dict[str, float]:
    """Average `middle_share` over the seeds, by number of neighbours.

    Args:
        means: mean receptive fields; a mean of one colour, which has no detail, does not count.
        neighbors: numbers of neighbours.
    """
    return {
        str(k): float(np.nanmean([middle_share(mean) for mean in of_k]))
        for k, of_k in zip(neighbors, means, strict=True)
    }


def _random_patches(
    stored: PatchDatabase, count: int, rng: np.random.Generator
) -> Int[np.ndarray, " count"]:
    """Choose random patches of as many random photographs."""
    photographs = rng.permutation(np.unique(stored.origins.photograph))[:count]
    return np.array(
        [rng.choice(np.flatnonzero(stored.origins.photograph == number)) for number in photographs]
    )
