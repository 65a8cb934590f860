"""A network's layer chosen on training objects, and its regressions scored, by scikit-learn and by hand."""

import dataclasses

import numpy as np
import pytest
from sklearn import linear_model, model_selection

from convcorr_jax import coords
from convcorr_jax.descriptors import global_features
from convcorr_jax.errors import InputError
from convcorr_jax.linear import grouped_folds
from convcorr_jax.linear.ridge import penalty_grid
from convcorr_jax.tasks.keypoints import Category, probe_layers, read_tested
from tests.builders.people import write_people
from tests.builders.records import record_of

TRAIN, TEST, SIDE_PX = 24, 8, 64
# At 64 pixels, they have one cell and 15 x 15, which are averaged to 7 x 7.
LAYERS = ("pool5", "conv1")
ALPHAS = (0.05, 0.1, 0.2)


@pytest.fixture
def dots(rng):
    """Two discs in a box of the network's size, the left and the right one, anywhere in their halves."""
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX]
    shared = {
        "names": ("l_dot", "r_dot"),
        "left_right_pairs": ((0, 1),),
        "box": coords.whole_image((SIDE_PX,) * 2),
    }
    records = []
    for number in range(TRAIN + TEST):
        points = rng.uniform([[8, 8], [36, 8]], [[27, 55], [55, 55]])
        inside = (np.hypot(x - points[:, 0, None, None], y - points[:, 1, None, None]) < 6).any(axis=0)
        image = np.where(inside[..., None], 230, rng.integers(0, 60, (SIDE_PX, SIDE_PX, 3))).astype(np.uint8)
        split = "train" if number < TRAIN else "test"
        records.append(record_of(image, source_id=str(number), split=split, points=points, **shared))
    points, visible = (np.stack([getattr(one, field) for one in records]) for field in ("points", "visible"))
    folds = np.repeat([-1, 0], [TRAIN, TEST])
    return Category("noise", shared["names"], tuple(records), points, visible, folds)


def correct_by_hand(category, features, train, test):
    """Fit objects and their mirror images; return which points of others are right, by threshold."""
    points = (category.points + 0.5) / SIDE_PX
    targets = np.concatenate([points[train], [1, 0] + points[train][:, ::-1] * [-1, 1]]).reshape(-1, 4)
    rows = np.concatenate([features[0][train], features[1][train]])
    split = model_selection.PredefinedSplit(grouped_folds(np.tile(train, 2), k=4))
    search = model_selection.GridSearchCV(
        linear_model.Ridge(), {"alpha": penalty_grid(rows)}, scoring="neg_mean_squared_error", cv=split
    ).fit(rows.astype(np.float64), targets)
    found = search.predict(features[0][test].astype(np.float64)).reshape(-1, 2, 2)
    errors = np.linalg.norm(found - points[test], axis=-1)
    return (errors[..., None] < ALPHAS).reshape(-1, len(ALPHAS))


def test_the_layer_and_its_score_are_those_of_scikit_learn(dots, small_network, tmp_path):
    result = probe_layers([dots], small_network, layers=LAYERS, folder=tmp_path)
    squares = [record.image for record in dots.records]
    features, held_out = {}, {}
    train, test = np.arange(TRAIN), TRAIN + np.arange(TEST)
    folds = grouped_folds(train, k=3)
    for layer in LAYERS:
        both = [
            global_features(some, weights=small_network, layer=layer, cells=7)
            for some in (squares, [square[:, ::-1] for square in squares])
        ]
        # Features are cached in half precision.
        features[layer] = np.asarray(both, np.float16).astype(np.float32)
        parts = [correct_by_hand(dots, features[layer], train[folds != i], train[folds == i]) for i in range(3)]
        held_out[layer] = np.concatenate(parts).mean(axis=0)[1]
    assert result["held_out"] == pytest.approx(held_out)
    assert held_out["conv1"] > held_out["pool5"] + 0.1
    assert result["layer"] == "conv1"
    correct = correct_by_hand(dots, features["conv1"], train, test)
    assert result["pck"] == pytest.approx(dict(zip(map(str, ALPHAS), correct.mean(axis=0), strict=True)))
    for alpha, (low, high) in result["interval"].items():
        assert 0 <= low <= result["pck"][alpha] <= high <= 1


def test_tested_objects_choose_nothing(dots, small_network, tmp_path):
    moved = dots.points.copy()
    moved[dots.tested] = moved[dots.tested][:, ::-1] + 3
    found, again = (
        probe_layers([each], small_network, layers=LAYERS, folder=tmp_path / str(number))
        for number, each in enumerate((dots, dataclasses.replace(dots, points=moved)))
    )
    assert (again["layer"], again["held_out"]) == (found["layer"], found["held_out"])
    assert again["pck"] != found["pck"]


@pytest.mark.parametrize(("train", "test", "count"), [(0, 7, 0), (5, 2, 5)])
def test_too_few_training_objects_are_refused(tmp_path, train, test, count):
    folder = write_people(tmp_path / "people", train=train, test=test, side=SIDE_PX)
    with pytest.raises(InputError, match=f"category 'person' of .* has {count} training objects beside a test"):
        read_tested(folder, data_root=None)
