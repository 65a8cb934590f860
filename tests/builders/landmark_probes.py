"""A small landmark probe as training would save it, without the training."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np

from convcorr_jax.backbone.weights import load
from convcorr_jax.io import save_fitted
from convcorr_jax.linear.ridge import Ridge
from convcorr_jax.probes import FeatureSettings, LandmarkModel, LandmarkProbe, Region


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
    features = FeatureSettings("alexnet", weights.fingerprint, "pool5", 0.3)
    save_fitted(path, LandmarkModel(probe, features))
