"""Files of ground truth and of predictions for the command ``convcorr pck``."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from convcorr_jax.io import write_arrays
from tests.builders.mpii_flat import write_h5


class PckFiles(NamedTuple):
    """The paths of two files."""

    truth: Path
    predictions: Path


def write_plain(folder: Path, *, seed: int = 0) -> PckFiles:
    """Write the plain ground truth of 12 images in 3 groups, with everything known, and noisy predictions."""
    rng = np.random.default_rng(seed)
    images, names = 12, ("l_shoulder", "r_shoulder", "l_hip", "r_hip", "nose")
    points = rng.uniform(5, 95, (images, len(names), 2))
    visible = rng.random(points.shape[:2]) < 0.7
    truth = folder / "truth.npz"
    write_arrays(
        truth,
        points=points,
        visible=visible,
        boxes=np.tile([0.0, 0.0, 100.0, 90.0], (images, 1)),
        image_sizes=np.tile([100, 160], (images, 1)),
        groups=np.repeat(["cat", "dog", "cow"], [2, 4, 6]),
        names=np.array(names),
    )
    predicted = points + rng.normal(0, 9, points.shape)
    predicted[3, 1] = np.nan
    predictions = folder / "predictions.npz"
    write_arrays(predictions, points=predicted)
    return PckFiles(truth, predictions)


def write_mpii(folder: Path, *, seed: int = 0) -> PckFiles:
    """Write ``valid.h5`` of 20 people of MPII, and noisy predictions of all 16 joints."""
    rng = np.random.default_rng(seed)
    people = 20
    part = rng.integers(5, 300, (people, 16, 2)).astype(float)
    visible = (rng.random((people, 16)) < 0.8).astype(float)
    heads = rng.uniform(20, 60, people)
    truth = write_h5(folder / "valid.h5", count=people, part=part, visible=visible, normalize=heads)
    predictions = folder / "preds.npz"
    write_arrays(predictions, preds=part + rng.normal(0, 12, part.shape))
    return PckFiles(truth, predictions)
