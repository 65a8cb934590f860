"""Training of landmark probes that are saved: cached regressions, the finder, and a card's figures."""

import dataclasses

import numpy as np
import pytest

from convcorr_jax import coords, synthetic
from convcorr_jax.backbone.weights import load
from convcorr_jax.errors import InputError
from convcorr_jax.io import load_fitted
from convcorr_jax.probes import FeatureSettings, LandmarkModel, landmarks, rgb_features
from convcorr_jax.probes.landmarks import compute_uncached
from convcorr_jax.tasks.landmarks import (
    FaceSet,
    LandmarkOptions,
    figures_of_tests,
    fit_faces,
    fit_finder,
    scores,
)
from convcorr_jax.tasks.probes import LandmarkSource, train_landmark_probe, with_card
from tests.builders.command_line import needs_weights
from tests.builders.records import record_of

OPTIONS = LandmarkOptions(rounds=0, margin=0.2, shift=0.05, scale=0.05, rank=8)
EXTRACTOR = rgb_features(side_px=12)


@pytest.fixture(scope="module")
def train():
    return FaceSet(tuple(synthetic.instances("face", split="train", count=24)), 0)


@pytest.fixture(scope="module")
def backgrounds():
    """Photographs of smooth noise."""
    coarse = np.random.default_rng(8).integers(0, 256, (41, 5, 6, 3)).astype(np.uint8)
    images = np.kron(coarse, np.ones((1, 12, 12, 1), np.uint8))
    return [record_of(image, source_id=f"noise {number}") for number, image in enumerate(images)]


@pytest.fixture(scope="module")
def fitted(train, backgrounds):
    probe = fit_faces(train, EXTRACTOR, OPTIONS).probe
    return probe, fit_finder(train, backgrounds, probe, EXTRACTOR, OPTIONS, cache=compute_uncached)


def test_the_threshold_lies_between_faces_and_backgrounds_of_which_few_are_refused(train, backgrounds, fitted):
    probe, finder = fitted
    assert finder.faces.shape == (len(train.records),)
    # Every fortieth of 41 backgrounds is held out.
    assert finder.backgrounds.shape == (2,)
    low, high = np.quantile(finder.faces, 0.05), np.quantile(finder.backgrounds, 0.9)
    assert finder.finder.threshold == pytest.approx((low + high) / 2)
    assert finder.faces.mean() > 0.3
    assert finder.finder.presence.basis.shape == (12 * 12 * 3, 1)
    with pytest.raises(InputError, match="39 backgrounds are passed; at least 40"):
        fit_finder(train, backgrounds[:39], probe, EXTRACTOR, OPTIONS, cache=compute_uncached)


@needs_weights
def test_regressions_are_cached_whatever_the_number_of_rounds(tmp_path, monkeypatch):
    options = dataclasses.replace(OPTIONS, rounds=1)
    source = LandmarkSource(("rendered",), None, 12, load("alexnet"), "conv3", 64, None, tmp_path / "cached")
    first = train_landmark_probe(source, options)
    assert first.features == FeatureSettings("alexnet", load("alexnet").fingerprint, "conv3", 0.2, 64)
    assert len(first.training["held_out_error"]) == len(first.probe.rounds) + 1
    monkeypatch.setattr(landmarks, "fit_held_out", None)
    whole_face = train_landmark_probe(source, OPTIONS)
    np.testing.assert_array_equal(whole_face.probe.face.probe.basis, first.probe.face.probe.basis)
    assert whole_face.training["held_out_error"] == first.training["held_out_error"][:1]


def test_a_card_has_the_errors_in_every_kind_of_box(train, fitted, tmp_path, monkeypatch):
    probe, finder = fitted
    features = FeatureSettings("alexnet", "of tests", "conv3", OPTIONS.margin, 12)
    model = LandmarkModel(probe, features, {"held_out_error": [0.1]}, finder.finder)
    boxes = [record.box for record in train.records]
    boxes[0] = coords.Box(*(np.array(boxes[0]) + 9).tolist())
    records = tuple(
        dataclasses.replace(record, other_boxes={"detector": box})
        for record, box in zip(train.records, boxes, strict=True)
    )
    test = dataclasses.replace(train, records=records)
    monkeypatch.setattr(scores, "read_faces", lambda *_, **__: test)
    figures = figures_of_tests(model, EXTRACTOR, "faces", data_root=None, cache=compute_uncached)
    assert figures["faces"] == 24
    assert 0 < figures["annotated_boxes"] < figures["detector_boxes"]
    assert figures["detector_boxes_that_differ"]["faces"] == 1
    assert list(figures["jittered_boxes"]) == ["0.05", "0.1", "0.15"]
    assert figures["searched"]["faces"] == 2
    monkeypatch.setattr(LandmarkModel, "extractor", lambda *_: EXTRACTOR)
    source = LandmarkSource(("faces",), None, 0, None, None, None, "noise", tmp_path / "cached")
    carded = with_card(model, source, OPTIONS, tests=("faces",), command="python -m x", path=tmp_path / "face")
    found = carded.training["card"]
    # The figures are those of the saved model, in half precision.
    assert found["tests"]["faces"]["annotated_boxes"] == pytest.approx(figures["annotated_boxes"], rel=0.01)
    with np.load(tmp_path / "face.npz") as arrays:
        assert found["bytes_of_arrays"] == sum(arrays[name].nbytes for name in arrays.files)
    assert load_fitted(tmp_path / "face", LandmarkModel).finder.threshold == model.finder.threshold
