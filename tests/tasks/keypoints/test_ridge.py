"""Ridge regressions of keypoints see no label of the objects that they are tested on."""

import dataclasses

import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.backbone import NETWORKS
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import Record
from convcorr_jax.tasks.keypoints import Category, RidgeOptions, predict_by_ridge

WEIGHTS = Weights({}, NETWORKS["alexnet"], "none", ())
OPTIONS = RidgeOptions("pool5", False, 0.0)


@pytest.fixture
def category(rng):
    """Eight training and four tested squares of noise, whose keypoints are anywhere."""
    records = tuple(
        Record(
            image=rng.integers(0, 256, (40, 40, 3), dtype=np.uint8),
            size=coords.Size(40, 40),
            category="noise",
            source_id=str(number),
            split="train" if number < 8 else "test",
            names=("a", "b"),
            points=rng.uniform(0, 39, (2, 2)),
            visible=np.ones(2, bool),
            box=coords.whole_image((40, 40)),
        )
        for number in range(12)
    )
    return Category(
        "noise",
        ("a", "b"),
        records,
        np.stack([record.points for record in records]),
        np.stack([record.visible for record in records]),
        np.repeat([-1, 0], [8, 4]),
    )


@pytest.mark.parametrize("method", ["rgb", "mean"])
def test_the_points_of_tested_objects_choose_nothing(category, method, tmp_path):
    moved = category.points.copy()
    moved[category.tested] = moved[category.tested][:, ::-1] + 3
    other = dataclasses.replace(category, points=moved)
    found, again = (
        predict_by_ridge(each, WEIGHTS, OPTIONS, method=method, folder=tmp_path / str(number))
        for number, each in enumerate((category, other))
    )
    np.testing.assert_array_equal(found, again)
    moved = category.points.copy()
    moved[0] += 3
    trained = dataclasses.replace(category, points=moved)
    different = predict_by_ridge(trained, WEIGHTS, OPTIONS, method=method, folder=tmp_path / "trained")
    assert (different != found).any()
