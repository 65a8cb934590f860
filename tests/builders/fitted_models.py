"""Small fitted models as training saves them, and random weights, without any training."""

import jax.numpy as jnp
import numpy as np

from convcorr_jax.annotation import AnnotationModel, heads
from convcorr_jax.annotation import Calibration as AnnotationCalibration
from convcorr_jax.annotation.calibration import HeldOut
from convcorr_jax.annotation.methods import MEMBERS, Task, TwoStages
from convcorr_jax.annotation.windows import DIRECTIONS, LAYERS, Directions, Extractor
from convcorr_jax.backbone import NETWORKS, Filters, channels
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.keypoints import Calibration, Detectors, KeypointModel, SiftCells
from convcorr_jax.linear.ridge import Ridge
from convcorr_jax.pose.front import Front, layer_shapes
from convcorr_jax.probes import FeatureSettings, LandmarkModel, LandmarkProbe, Region


def keypoint_model(fingerprint: str = "of tests") -> KeypointModel:
    """Return a model of random detectors of SIFT, for weights with this fingerprint."""
    rng = np.random.default_rng(0)
    return KeypointModel(
        **{"category": "face", "names": ("nose", "chin"), "cells": SiftCells(), "network": "alexnet"},
        **{"fingerprint": fingerprint, "positive": "exponential", "eta": 0.1},
        detectors=Detectors(rng.normal(size=(2, 1, 1, 128)).astype(np.float32), np.zeros(2, np.float32)),
        calibration=Calibration(np.ones(2), np.zeros(2)),
        features=rng.random((4, 2)).astype(np.float16),
        points=rng.uniform(100, 500, (4, 2, 2)),
        basis=rng.normal(0, 0.01, (9216, 2)).astype(np.float16),
    )


def annotation_model() -> AnnotationModel:
    """Return random heads of two stages, of four points."""
    rng, maps = np.random.default_rng(0), [channels(NETWORKS["vgg16"], layer) for layer in LAYERS]
    directions = tuple(
        Directions(np.zeros(width, np.float32), rng.normal(0, 0.1, (width, count)).astype(np.float32))
        for width, count in zip(maps, DIRECTIONS, strict=True)
    )
    names, mean = ("nose", "l_ear", "r_ear", "tail"), np.array([0.5j, -0.2, 0.2, -0.5j])
    task = Task(
        names=names, mean=mean, swaps=(0, 2, 1, 3), mirror=True, mirrored=False, angle_range=1.0, aspect=1.5,
        spread=0.1, objects=1, least_score=-1.0, extract=Extractor(random_weights("vgg16"), directions),
    )  # fmt: skip
    params = tuple(
        {
            name: jnp.float32(rng.normal(0, 0.1, (MEMBERS, *shape)))
            for name, shape in heads.shapes(design, DIRECTIONS, len(names)).items()
        }
        for design in TwoStages.designs
    )
    held_out = HeldOut(
        ("a.png", "b.png"), np.array([100 * mean, 90 * mean + 5]), *rng.uniform(0, 1, (3, 2, 4)),
        *rng.uniform(0, 1, (2, 3)),
    )  # fmt: skip
    method = TwoStages(task, (96, 128), 10, params, sizes_px=(30.0, 60.0))
    return AnnotationModel(names, "mouse", ((0, 1), (0, 2)), method, AnnotationCalibration(), held_out)


def landmark_model(fingerprint: str = "of tests", *, features: int = 4) -> LandmarkModel:
    """Return random regressors of ``features`` values of pool5, of which a probe for images has 9216."""
    rng = np.random.default_rng(0)

    def regressors(points: int) -> Ridge:
        shape = (features, 2 * points)
        return Ridge(
            jnp.asarray(rng.normal(0, 1e-3, shape), jnp.float32),
            jnp.asarray(rng.uniform(0.3, 0.7, shape[1]), jnp.float32),
            *(jnp.ones(shape[1]),) * 3,
        )

    face = Region("face", (0, 1, 2), 0.0, regressors(3))
    eyes = Region("eyes", (0, 1), 0.2, regressors(2))
    probe = LandmarkProbe(("left_eye", "right_eye", "chin"), face, ((eyes,),))
    return LandmarkModel(probe, FeatureSettings("alexnet", fingerprint, "pool5", 0.3))


def random_weights(front: Front = "alexnet", *, seed: int = 0) -> Weights:
    """As `convcorr_jax.backbone.weights.load` returns, but only the layers that the front uses."""
    rng = np.random.default_rng(seed)
    params = {}
    for name, shape in layer_shapes(front).items():
        kernel = (np.sqrt(2 / np.prod(shape[:3])) * rng.standard_normal(shape)).astype(np.float32)
        params[name] = Filters(kernel, 0.1 * rng.standard_normal(shape[-1]).astype(np.float32))
    return Weights(params, NETWORKS[front], "random", tuple(params))
