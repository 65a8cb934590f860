"""The choice of the smoothness: each category is scored with the value that the others choose."""

import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.backbone import NETWORKS
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import Record
from convcorr_jax.descriptors import RECIPES
from convcorr_jax.tasks.transfer import (
    SmoothnessScores,
    ValidationSet,
    leave_one_out,
    longer_sides,
    validate,
    validation,
)
from convcorr_jax.tasks.transfer.methods import Method


def test_the_other_categories_choose():
    scores = SmoothnessScores(["car", "duck"], np.array([[0.1, 0.9], [0.5, 0.2]]))
    # The ducks choose the first value, the cars the second.
    assert leave_one_out(scores, (0.05, 0.4)) == {
        "car": {"smoothness": 0.05, "pck": 0.1},
        "duck": {"smoothness": 0.4, "pck": 0.2},
    }


def record(name, *, box=None):
    image = np.zeros((20, 30, 3), np.uint8)
    return Record(
        image=image,
        size=coords.Size(20, 30),
        category="noise",
        source_id=name,
        split="train",
        box=box,
    )


def test_the_longer_side_is_that_of_the_box_or_the_image():
    boxed = record("boxed", box=coords.Box(0.0, 0.0, 4.0, 7.0))
    np.testing.assert_array_equal(longer_sides([boxed, record("whole")]), [7, 30])


WEIGHTS = Weights({}, NETWORKS["alexnet"], "none", ())


@pytest.fixture
def scored(monkeypatch):
    """The calls that compute scores: the framing of each."""
    calls = []

    def compute(method, smoothness, chosen, weights, *, boxed):
        calls.append("box" if boxed else "image")
        level = np.array([[0.2], [0.6], [0.4]]) if boxed else np.array([[0.9], [0.1], [0.1]])
        return SmoothnessScores(["noise"], level * len(chosen.pairs))

    monkeypatch.setattr(validation, "_scores", compute)
    return calls


def test_the_best_mean_is_chosen_and_scores_are_cached(tmp_path, scored):
    method = Method("conv4_flow", RECIPES["alexnet"], False, "mutual", 0.1)
    sets = {"a set": ValidationSet([record("0"), record("1")], np.array([[0, 1]]))}
    options = dict(smoothness=(0.1, 0.2, 0.4), sets=sets, held_out=None, folder=tmp_path)
    result = validate(method, WEIGHTS, **options)
    assert result == {
        "box": {"validation": {"a set": [0.2, 0.6, 0.4]}, "chosen": 0.2},
        "image": {"validation": {"a set": [0.9, 0.1, 0.1]}, "chosen": 0.1},
    }
    assert scored == ["box", "image"]
    assert validate(method, WEIGHTS, **options) == result
    assert scored == ["box", "image"]
    options["smoothness"] = (0.1, 0.2, 0.5)
    validate(method, WEIGHTS, **options)
    assert scored == ["box", "image"] * 2
