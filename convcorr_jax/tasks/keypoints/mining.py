"""Rounds of fitting keypoint detectors and of mining violators, each cached when it is finished."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int8

from convcorr_jax.keypoints import Detectors, detection
from convcorr_jax.runtime.stages import stage


class MinedDetectors(NamedTuple):
    """The detectors after the last round, and facts about every round."""

    detectors: Detectors
    """The detectors of all keypoints."""
    rounds: list[dict[str, float]]
    """Of every fit: the number of candidates that it was trained on; the number of negative examples outside
    them with a score above -1 (violators of the margin); and the seconds of fitting and of mining."""


@dataclass(frozen=True, eq=False)
class Mining:
    """Descriptors and labels of images, and how detectors are trained on them.

    Attributes:
        maps: descriptors of every image on a grid of ``gh`` by ``gw`` cells: those of the ``h`` by ``w``
            candidates and of half a window of cells more on every side.
        labels: 1 for positive examples, -1 for negative ones, 0 for candidates that do not count.
        cost: C of the support vector machines.
        rounds: how often violators are added and the detectors refitted, at most; the initial fit is not
            counted.
        seed: the seed of the initial pool's random candidates.
        settings: everything that decides the maps and labels, for cache keys.
    """

    maps: Float[np.ndarray, "images gh gw d"]
    labels: Int8[np.ndarray, "images h w n"]
    cost: float
    rounds: int
    seed: int
    settings: dict[str, Any]

    def run(
        self, folder: Path, *, chosen: Bool[np.ndarray, " images"] | None = None
    ) -> MinedDetectors:
        """Train detectors on some images; load the rounds that an earlier run cached.

        Mining ends early when no candidate outside the pool violates a margin.

        Args:
            folder: the folder of cached rounds.
            chosen: the images to train on; by default all.

        Raises:
            InputError: a cached round is damaged, a descriptor is not finite, or the cost is not positive.
            WriteError: a cached round cannot be written.
        """
        maps, labels = self.maps, self.labels
        if chosen is not None:
            maps, labels = maps[chosen], labels[chosen]
        settings = self.settings | {
            "cost": self.cost,
            "tolerance": detection.TOLERANCE,
            "seed": self.seed,
            "left_out": [] if chosen is None else np.flatnonzero(~chosen).tolist(),
        }
        pool = detection.initial_pool(labels, seed=self.seed)
        detectors, rounds = None, []
        for number in range(self.rounds + 1):
            done = stage(
                folder / f"round_{number}.npz",
                settings,
                lambda pool=pool, start=detectors: _round(maps, labels, pool, self.cost, start),
            )
            detectors = Detectors(done["weights"], done["bias"])
            rounds.append(
                {
                    "candidates": int(pool.sum()),
                    "violators_left": int(done["violators"]),
                    "fit_seconds": float(done["fit_seconds"]),
                    "mining_seconds": float(done["mining_seconds"]),
                }
            )
            if not done["violators"]:
                break
            pool = done["pool"]
        assert detectors is not None, "there is at least one round"
        return MinedDetectors(detectors, rounds)


def _round(maps, labels, pool, cost: float, start: Detectors | None) -> dict[str, np.ndarray]:
    began = time.perf_counter()
    detectors = detection.fit_detectors(maps, labels, pool, cost=cost, start=start)
    fitted_at = time.perf_counter()
    mined = detection.mine_violators(maps, labels, pool, detectors)
    return {
        "weights": np.asarray(detectors.weights),
        "bias": np.asarray(detectors.bias),
        "pool": mined.pool,
        "violators": np.array(mined.violators),
        "fit_seconds": np.array(fitted_at - began),
        "mining_seconds": np.array(time.perf_counter() - fitted_at),
    }
