"""A keypoint model: its detections, and that they are the same after saving and loading."""

import contextlib
import dataclasses
import json

import numpy as np
import pytest
import skimage.data

from convcorr_jax import coords
from convcorr_jax.backbone import NETWORKS
from convcorr_jax.errors import InputError
from convcorr_jax.io import load_arrays, load_fitted, save_fitted
from convcorr_jax.keypoints import (
    Calibration,
    ConvCells,
    Detectors,
    KeypointModel,
    Prediction,
    SiftCells,
    Square,
    decode,
    predict,
    principal_directions,
    prior_features,
)
from tests.builders.fitted_files import change_arrays, change_facts
from tests.builders.fitted_models import random_weights

NETWORK = NETWORKS["alexnet"]
CAT = skimage.data.chelsea()
BOXES = [coords.Box(100.0, 20.0, 300.0, 240.0), coords.Box(-0.5, -0.5, 450.5, 299.5)]


@pytest.fixture(scope="module")
def weights():
    return random_weights()


@pytest.fixture(params=["conv", "sift"])
def model(request, rng, weights):
    square = Square(box_px=100)
    conv = request.param == "conv"
    cells = ConvCells(NETWORK, ("pool1",), square) if conv else SiftCells(square)
    side, length = (3, 64) if conv else (1, 128)
    return KeypointModel(
        category="cat",
        names=("nose", "ear"),
        cells=cells,
        network=NETWORK.name,
        fingerprint=weights.fingerprint,
        detectors=Detectors(
            rng.normal(size=(2, side, side, length)).astype(np.float32), rng.normal(size=2).astype(np.float32)
        ),
        calibration=Calibration(np.array([1.0, 2.0]), np.array([0.0, -1.0])),
        features=rng.random((3, 9216)).astype(np.float16),
        points=rng.uniform(20, 110, (3, 2, 2)),
        positive="calibrated",
        eta=0.1,
    )


def test_boxes_are_compared_by_their_own_content(weights):
    found = prior_features([CAT, CAT, CAT], [BOXES[0], BOXES[1], BOXES[0]], weights=weights)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(found[0], found[2], atol=1e-6)
    assert found[0] @ found[1] < 0.999


def test_detections_are_inside_the_box_of_their_photograph(model, weights):
    prediction = predict(model, [CAT, CAT], BOXES, weights=weights)
    assert prediction.scores.shape == (2, *model.cells.centers.shape[:2], 2)
    for refine in (False, True):
        found = decode(model, prediction, refine=refine)
        for points, box in zip(found.points, BOXES, strict=True):
            assert (points >= [box.x0, box.y0]).all()
            assert (points <= [box.x1, box.y1]).all()
        assert (0 < found.confidence).all()
        assert (found.confidence < 1).all()


def test_a_detection_is_the_best_candidate_in_the_photograph(model):
    h, w = model.cells.centers.shape[:2]
    scores = np.full((1, h, w, 2), -1.0)
    scores[0, 2, 4, 0] = scores[0, 5, 1, 1] = 1
    prediction = Prediction(scores, np.full((1, 2, 2), np.nan), (coords.grid((2.0, 3.0), (-7.0, 5.0)),))
    found = decode(model, prediction)
    expected = model.cells.centers[[2, 5], [4, 1]] * [2.0, 3.0] + [-7.0, 5.0]
    np.testing.assert_allclose(found.points[0], expected)
    np.testing.assert_allclose(found.confidence[0], [1 / (1 + np.exp(-1)), 1 / (1 + np.exp(-1))])
    # With all weight on the prior, points are where the neighbors have them.
    corner = model.cells.centers[0, 0]
    pulled = decode(model, prediction._replace(neighbor_points=np.broadcast_to(corner, (1, 2, 2))), eta=1.0)
    np.testing.assert_allclose(pulled.points[0], np.tile(corner * [2.0, 3.0] + [-7.0, 5.0], (2, 1)))


def test_a_saved_model_predicts_the_same(model, weights, tmp_path):
    save_fitted(tmp_path / "cat", dataclasses.replace(model, training={"images": 3}))
    before = decode(model, predict(model, [CAT], BOXES[:1], weights=weights))
    for name in ("cat", "cat.npz", "cat.json"):
        read = load_fitted(tmp_path / name, KeypointModel)
        for field in ("names", "cells", "eta", "positive"):
            assert getattr(read, field) == getattr(model, field)
        after = decode(read, predict(read, [CAT], BOXES[:1], weights=weights))
        np.testing.assert_array_equal(before.points, after.points)
        assert read.training == {"images": 3}
    facts = json.loads((tmp_path / "cat.json").read_text())
    assert facts.pop("training") == {"images": 3}
    # Facts about the training may be missing.
    (tmp_path / "cat.json").write_text(json.dumps(facts))
    assert load_fitted(tmp_path / "cat", KeypointModel).training == {}


@pytest.mark.parametrize("model", ["sift"], indirect=True)
def test_objects_are_compared_in_few_directions(model, weights, tmp_path):
    boxes = [BOXES[0], BOXES[1], coords.Box(10.0, 10.0, 200.0, 200.0)]
    features = prior_features([CAT] * 3, boxes, weights=weights)
    basis = principal_directions(features, count=3).astype(np.float16)
    small = dataclasses.replace(
        model, features=(features @ basis.astype(np.float32)).astype(np.float16), basis=basis
    )
    save_fitted(tmp_path / "cat", small)
    read = load_fitted(tmp_path / "cat", KeypointModel)
    np.testing.assert_array_equal(read.basis, basis)
    prediction = predict(read, [CAT] * 3, boxes, weights=weights)
    # Each box is its own neighbor.
    np.testing.assert_allclose(prediction.neighbor_points, model.points, atol=1e-4)


def test_other_weights_are_refused(model, weights):
    filters = weights.params["conv5"]
    other = dataclasses.replace(
        weights, params={**weights.params, "conv5": filters._replace(bias=filters.bias + 1)}
    )
    with pytest.raises(InputError, match="'cat' was trained with alexnet and other weights"):
        predict(model, [CAT], BOXES[:1], weights=other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eta": 2}, "do not fit"),
        ({"eta": "0.1"}, "has eta '0.1'; a finite number is expected"),
        ({"names": ["nose"]}, r"array '\w+' is \w+ of shape"),
        ({"names": {}}, "has names {}; a list"),
        ({"positive": "squared"}, "has positive 'squared'; 'calibrated' or"),
        ({"network": "lenet"}, "no network 'lenet'"),
        ({"network": ["alexnet"]}, r"has network \['alexnet'\]; text is expected"),
        ({"layers": 3}, "has layers 3; a list"),
        ({"layers": []}, "it has no layers"),
        ({"layers": ["conv9"]}, "alexnet has no layer 'conv9'"),
        ({"layers": ["conv3"]}, "array 'weights' is"),
        ({"square.box_px": 500.0}, "square has box_px 500.0; an integer is expected"),
        ({"square.box_px": 10**9}, "a box of 1000000000 pixels with a margin of"),
        ({"square.margin": -0.4}, "with a margin of -0.4 is too large or too small"),
        ({"has_basis": "no"}, "has has_basis 'no'; true or false is expected"),
        ({"fingerprint": 3}, "has fingerprint 3; text is expected"),
        ({"training": [1]}, r"has training \[1\]; an object is expected"),
    ],
)
def test_a_changed_model_is_refused(change, message, model, tmp_path):
    save_fitted(tmp_path / "cat", model)
    change_facts(tmp_path / "cat", change)
    with pytest.raises(InputError, match=message):
        load_fitted(tmp_path / "cat", KeypointModel)


@pytest.mark.parametrize("name", ["weights", "bias", "slope", "offset", "features", "points"])
def test_values_that_are_not_finite_are_refused(name, model, tmp_path):
    save_fitted(tmp_path / "cat", model)
    array = load_arrays(tmp_path / "cat.npz")[name]
    array.flat[0] = np.inf
    change_arrays(tmp_path / "cat", **{name: array})
    with pytest.raises(InputError, match="not finite"):
        load_fitted(tmp_path / "cat", KeypointModel)
    # Both coordinates of a point are NaN where a training object lacks it.
    array.flat[:2] = np.nan
    change_arrays(tmp_path / "cat", **{name: array})
    refused = pytest.raises(InputError, match="not finite")
    with contextlib.nullcontext() if name == "points" else refused:
        load_fitted(tmp_path / "cat", KeypointModel)
