"""The choices of highest accuracy, of which NaN is never one."""

import numpy as np

from convcorr_jax.keypoints import POSITIVES, Calibration
from convcorr_jax.tasks.keypoints import FeatureOptions, PriorChoice, best_features
from convcorr_jax.tasks.keypoints.training import ETAS


def test_nan_is_never_the_highest_and_the_first_of_equals_is():
    calibration = Calibration(np.ones(1), np.zeros(1))
    assert PriorChoice(calibration, {POSITIVES[0]: [np.nan, 0.5, 0.5, 0.1]}).etas == {POSITIVES[0]: ETAS[1]}
    ranked = {name: [value] for name, value in zip(POSITIVES, (np.nan, 0.2, 0.2), strict=True)}
    assert PriorChoice(calibration, ranked).positive == POSITIVES[1]
    options = FeatureOptions(layers=("conv1", "conv2", "conv3"), radii_px=(10, 20))
    values = dict(zip((*options.layers, *options.sift_names), (np.nan, 0.1, 0.3, 0.2, 0.2), strict=True))
    found = best_features({name: np.array([value]) for name, value in values.items()}, options)
    assert (found.convnet, found.sift) == ("conv3", options.sift_names[0])
