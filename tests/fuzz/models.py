"""Fitted models: the JSON of one, or its arrays, with the checksum of the arrays made right."""

import dataclasses
import functools
import hashlib
import json
import random
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from convcorr_jax.io import load_fitted, save_fitted
from convcorr_jax.keypoints import Calibration, Detectors, KeypointModel, SiftCells
from convcorr_jax.linear.ridge import Ridge
from convcorr_jax.pose import TrainedCascade, cascade, small
from convcorr_jax.probes import FeatureSettings, LandmarkModel, LandmarkProbe, Region
from tests.fuzz.mutation import Target, mutated, mutated_archive


def _saved(model) -> list[bytes]:
    """Return an archive of both files of a model."""
    with tempfile.TemporaryDirectory() as folder:
        save_fitted(Path(folder) / "model", model)
        return [_joined(*(Path(folder, f"model.{end}").read_bytes() for end in ("json", "npz")))]


def _joined(facts: bytes, arrays: bytes) -> bytes:
    return len(facts).to_bytes(4, "little") + facts + arrays


def _parts(content: bytes) -> tuple[bytes, bytes]:
    end = 4 + int.from_bytes(content[:4], "little")
    return content[4:end], content[end:]


def _mutate(rng: random.Random, content: bytes) -> bytes:
    facts, arrays = _parts(content)
    if rng.random() < 0.7:
        return _joined(mutated(rng, facts), arrays)
    arrays = mutated_archive(rng, arrays)
    stated = json.loads(facts) | {"arrays_sha256": hashlib.sha256(arrays).hexdigest()}
    return _joined(json.dumps(stated).encode(), arrays)


def _reader(model_class):
    def read(path: Path) -> object:
        facts, arrays = _parts(path.read_bytes())
        path.with_suffix(".json").write_bytes(facts)
        path.with_suffix(".npz").write_bytes(arrays)
        return load_fitted(path.with_suffix(".json"), model_class)

    return read


def _pose() -> list[bytes]:
    tiny = dataclasses.replace(
        small(("l_hand", "r_hand"), ((0, 1),)), features=(8, 8, 8), hidden=(8, 8, 8), fine_features=4
    )
    return _saved(TrainedCascade(cascade.init(jax.random.key(1), tiny), tiny, {"pck": 0.5}))


def _keypoints() -> list[bytes]:
    rng = np.random.default_rng(0)
    model = KeypointModel(
        category="face",
        names=("nose", "chin"),
        cells=SiftCells(),
        network="alexnet",
        fingerprint="of tests",
        detectors=Detectors(np.ones((2, 1, 1, 128), np.float32), np.zeros(2, np.float32)),
        calibration=Calibration(np.ones(2), np.zeros(2)),
        features=np.ones((1, 2), np.float16),
        points=rng.uniform(100, 500, (1, 2, 2)),
        positive="exponential",
        eta=0.1,
        basis=np.zeros((9216, 2), np.float16),
    )
    return _saved(model)


def _landmarks() -> list[bytes]:
    def regressors(points: int) -> Ridge:
        return Ridge(jnp.ones((4, 2 * points)), jnp.ones(2 * points), *(jnp.ones(2 * points),) * 3)

    face, eyes = (Region("face", (0, 1), 0.0, regressors(2)), Region("eyes", (0,), 0.2, regressors(1)))
    probe = LandmarkProbe(("eye", "chin"), face, ((eyes,),))
    return _saved(LandmarkModel(probe, FeatureSettings("alexnet", "of tests", "pool5", 0.3)))


TARGETS = [
    Target("model-pose", functools.cache(_pose), _reader(TrainedCascade), _mutate),
    Target("model-keypoints", _keypoints, _reader(KeypointModel), _mutate),
    Target("model-landmarks", _landmarks, _reader(LandmarkModel), _mutate),
]
