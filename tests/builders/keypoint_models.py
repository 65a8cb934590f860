"""A small keypoint model as training saves it, without the training."""

from pathlib import Path

import numpy as np

from convcorr_jax.backbone.weights import load
from convcorr_jax.io import save_fitted
from convcorr_jax.keypoints import Calibration, Detectors, KeypointModel, SiftCells


def write_model(path: Path) -> None:
    """Write a model of random detectors of SIFT, for the weights at hand."""
    rng = np.random.default_rng(0)
    weights = load("alexnet")
    model = KeypointModel(
        category="face",
        names=("nose", "chin"),
        cells=SiftCells(),
        network=weights.network.name,
        fingerprint=weights.fingerprint,
        detectors=Detectors(rng.normal(size=(2, 1, 1, 128)).astype(np.float32), np.zeros(2, np.float32)),
        calibration=Calibration(np.ones(2), np.zeros(2)),
        features=rng.random((4, 9216)).astype(np.float16),
        points=rng.uniform(100, 500, (4, 2, 2)),
        positive="exponential",
        eta=0.1,
    )
    save_fitted(path, model)
