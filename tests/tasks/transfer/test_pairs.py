"""Pairs of records, the neighbours that vote, the scores of predictions, and errors of known flows."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from convcorr_jax import coords, synthetic
from convcorr_jax.datasets import Scoring
from convcorr_jax.descriptors import Recipe
from convcorr_jax.errors import InputError
from convcorr_jax.matching import Verdict
from convcorr_jax.metrics import LONG_2014, PF_WILLOW
from convcorr_jax.synthetic import WarpedPair
from convcorr_jax.tasks.landmarks import frame_of
from convcorr_jax.tasks.transfer import (
    Flows,
    Neighborhoods,
    Pairs,
    count_words,
    endpoint_errors,
    jitter_boxes,
    record_view,
    refit,
    score,
    vote,
    warped_pairs,
)
from convcorr_jax.tasks.transfer.verdicts import Judged
from tests.builders.records import record


def test_padding_keeps_categories_apart():
    records = [synthetic.render(name, seed=0, index=0, size=(64, 64)) for name in ("car", "face")]
    found = Pairs(records, np.array([[0, 1]]), ("face",), ()).keypoints
    assert found.points.shape == (2, 33, 2)
    assert np.isnan(found.points[0, 14:]).all()
    assert not found.visible[0, 14:].any()


def test_pairs_of_a_category_keep_their_order_their_records_and_lengths():
    records = [record(str(number), "even odd".split()[number % 2]) for number in range(6)]
    lengths = Scoring(PF_WILLOW, (10.0, 11.0, 12.0, 13.0, 14.0, 15.0))
    indices = np.array([[0, 2], [1, 3], [2, 4], [5, 1], [4, 0]])
    pairs = Pairs(records, indices, ("x", "y", "x", "z", "x"), (lengths,))
    odd = pairs.of_category("odd")
    assert [record.source_id for record in odd.records] == ["1", "3", "5"]
    assert (odd.indices.tolist(), odd.groups) == ([[0, 1], [2, 0]], ("y", "z"))
    assert odd.scorings == (Scoring(PF_WILLOW, (11.0, 13.0, 15.0)),)
    assert pairs.subset(range(0, 5, 2)).groups == ("x", "x", "x")


def test_one_scorer_counts_what_both_show_and_what_voters_predict():
    records = [record("0", visible=np.array([True, False])), record("1"), record("2")]
    lengths = (Scoring(LONG_2014, (30.0, 30.0, 30.0)),)
    truth = np.stack([record("1").points] * 2)
    fixed = Pairs(records, np.array([[0, 1], [1, 2]]), ("a", "b"), lengths)
    # The first source hides its second keypoint, which therefore does not count.
    wrong = truth + np.array([[[0, 0], [9, 0]], [[0, 0], [0, 0]]])
    assert score(fixed, wrong).per_group[:, 0].tolist() == [1, 1]
    nearest = Neighborhoods(np.array([1, 2]), np.array([[0], [1]]), "pool5")
    voted = dataclasses.replace(fixed, neighborhoods=nearest)
    assert score(voted, wrong).per_group[:, 0].tolist() == [0.5, 1]
    # Intervals draw photographs, of which two records may show one, or else the targets.
    assert fixed.photographs is not None
    assert score(fixed, wrong).sums.clusters.tolist() == fixed.photographs.tolist() == [[0, 1], [1, 2]]
    files = [dataclasses.replace(one, image=Path(name)) for one, name in zip(records, "aba", strict=True)]
    assert dataclasses.replace(fixed, records=files).photographs.tolist() == [[0, 1], [1, 0]]
    assert dataclasses.replace(fixed, indices=np.array([[0, 1]])).photographs is None
    assert score(voted, wrong).sums.clusters is None
    with pytest.raises(InputError, match="have no subsets"):
        voted.subset([0])
    lacking = np.where(wrong == truth, truth, np.nan)
    assert score(voted, lacking).per_group[:, 0].tolist() == [1, 1]
    assert score(voted, lacking, leave_out_unpredicted=False).per_group[:, 0].tolist() == [0.5, 1]


def test_pairs_of_neighbours_come_target_by_target():
    nearest = Neighborhoods(np.array([7, 9]), np.array([[1, 2], [3, 4]]), "pool5")
    assert nearest.pairs.tolist() == [[1, 7], [2, 7], [3, 9], [4, 9]]


@pytest.mark.parametrize("with_flows", [True, False])
def test_the_neighbours_with_the_least_deformation_vote(rng, with_flows):
    nearest = Neighborhoods(np.array([16, 17]), np.arange(16).reshape(2, 8), "pool5")
    points = rng.normal(size=(16, 3, 2))
    deformation = rng.permutation(16).astype(np.float32)
    flows = Flows(np.zeros((16, 2, 2, 2), np.float32), deformation, np.float64(1))
    votes = vote(nearest, points, flows if with_flows else None)
    for target in range(2):
        order = np.argsort(deformation[8 * target :][:8] if with_flows else np.arange(8))
        assert votes.order[target].tolist() == order.tolist()
        expected = np.median(points[8 * target :][:8][order[:5]], axis=0)
        np.testing.assert_allclose(votes.predicted[target], expected)


def test_the_whole_photograph_does_not_stand_for_a_box():
    """A margin asks for the box; without one the whole photograph is described."""
    boxed = synthetic.render("face", seed=0, index=0, size=(64, 64))
    boxless = dataclasses.replace(boxed, box=None)
    recipe = Recipe(layers=("conv1",), sizes_px=(32,))
    np.testing.assert_allclose(record_view(boxless, recipe, margin=None).to_photograph_px.scale, 2)
    of_box = record_view(boxed, recipe, margin=0.0).to_photograph_px
    np.testing.assert_allclose(of_box.scale, [boxed.box.width / 32, boxed.box.height / 32])
    for use in (lambda: record_view(boxless, recipe, margin=0.0), lambda: frame_of(boxless)):
        with pytest.raises(InputError, match="has no box around its object"):
            use()
    assert frame_of(boxed, margin=0.0) == coords.square(boxed.box)


def test_jittered_boxes_are_displaced_and_scaled_as_much_as_stated():
    records = [dataclasses.replace(record(str(k)), box=coords.Box(10, 20, 50, 40)) for k in range(4000)]
    boxes = np.array([one.box for one in jitter_boxes(records, deviation=0.1)])
    sides = boxes[:, 2:] - boxes[:, :2]
    np.testing.assert_allclose(sides[:, 0] / 40, sides[:, 1] / 20)
    shifts = ((boxes[:, :2] + boxes[:, 2:]) / 2 - (30, 30)) / (40, 20)
    for values in (*shifts.T, np.log(sides[:, 0] / 40)):
        assert abs(values.mean()) < 0.006
        assert values.std() == pytest.approx(0.1, rel=0.05)
    assert boxes.tolist() == [list(one.box) for one in jitter_boxes(records, deviation=0.1)]


def warped(displacement, visible):
    """Return a pair of images whose true flow is one displacement."""
    flow_px = np.tile(np.array(displacement, float), (20, 30, 1))
    return WarpedPair(record("source"), record("target"), flow_px, visible)


def test_the_endpoint_error_is_the_mean_distance_over_visible_pixels():
    everything = np.ones((20, 30), bool)
    left = everything.copy()
    left[:, 15:] = False
    pairs = [warped((3, 4), everything), warped((0, 2), left)]
    to_px = [coords.grid(10.0, 4.5)] * 4
    flow = np.zeros((2, 2, 3, 2), np.float32)
    np.testing.assert_allclose(endpoint_errors(pairs, to_px, flow), [5, 2])
    # One cell to the right is ten pixels.
    flow[1, ..., 0] = 1
    np.testing.assert_allclose(endpoint_errors(pairs, to_px, flow), [5, np.hypot(10, 2)])


def test_corners_are_scored_by_the_longer_side_of_the_image():
    pairs = warped_pairs([warped((0, 0), np.ones((20, 30), bool))] * 2)
    assert pairs.indices.tolist() == [[0, 1], [2, 3]]
    off = pairs.keypoints.points[pairs.targets] + np.array([[[0.0, 1.5]], [[3.1, 0.0]]])
    assert score(pairs, off).mean.tolist() == [0, 0.5, 0.5]


def test_refitted_probabilities_leave_the_group_out_and_wrong_words_are_counted(rng):
    """Matches of a pair are right if its first feature is positive; one of ten groups has them reversed."""
    judged = []
    for pair in range(100):
        features = np.column_stack([np.full(12, rng.normal()), rng.normal(0, 1, 12), np.zeros(12)])
        reversed_ = pair % 10 == 9
        right = (features[:, 0] > 0) != reversed_
        sure = Verdict("good", 0.5, 0.0)
        judged.append(Judged("a" if pair < 50 else "b", f"group {pair % 10}", right, features, sure, sure))
    (_, first, *others), words = refit(judged)
    assert first > 3 * max(map(abs, others))
    right = np.array([one.right.all() for one in judged])
    as_good, alike = np.array(words) == "good", np.arange(100) % 10 < 9
    assert (as_good == right)[alike].mean() > 0.7
    # Without the group, its own pairs are judged the wrong way round.
    assert (as_good == right)[~alike].mean() < 0.4
    poor = count_words(judged, ["poor"] * 100)
    assert {kind: row["pairs"] for kind, row in poor.items()} == {"a": 50, "b": 50}
    assert sum(row["right_poor"] for row in poor.values()) == right.sum()
    good = count_words(judged, ["good"] * 100)
    assert sum(row["wrong_good"] for row in good.values()) == (~right).sum()
