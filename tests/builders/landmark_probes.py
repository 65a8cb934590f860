"""A small landmark probe as training would save it, without the training."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np

from convcorr_jax.backbone.weights import load
from convcorr_jax.linear.ridge import Ridge
from convcorr_jax.probes.landmark_files import Reads, save
from convcorr_jax.probes.landmarks import LandmarkProbe
from convcorr_jax.probes.look_back import Region


def write_probe(path: Path) -> None:
    """Write a probe of random regressors of pool5, with one round of look-back, for the weights at hand."""
    rng = np.random.default_rng(0)
    weights = load("alexnet")

    def regressors(points: int) -> Ridge:
        shape = (9216, 2 * points)
        return Ridge(
            jnp.asarray(rng.normal(0, 1e-3, shape), jnp.float32),
            jnp.asarray(rng.uniform(0.3, 0.7, shape[1]), jnp.float32),
            *(jnp.ones(shape[1]),) * 3,
        )

    face = Region("face", (0, 1, 2), 0.0, regressors(3))
    eyes = Region("eyes", (0, 1), 0.2, regressors(2))
    probe = LandmarkProbe(("left_eye", "right_eye", "chin"), face, ((eyes,),))
    reads = Reads("alexnet", weights.fingerprint, "pool5", 0.3)
    save(path, probe, reads, training={})
