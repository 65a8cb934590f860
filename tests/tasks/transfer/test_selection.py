"""Settings are chosen by scores alone, and never by those of the category that they are scored on."""

import dataclasses
import math

import numpy as np
import pytest

from convcorr_jax.backbone import NETWORKS
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import box_lengths
from convcorr_jax.descriptors import PAPER_RECIPES, RECIPES
from convcorr_jax.errors import InputError
from convcorr_jax.metrics import PF_WILLOW
from convcorr_jax.tasks.transfer import (
    Described,
    Flows,
    FlowScores,
    Method,
    Pairs,
    SearchSpace,
    choose_on,
    leave_category_out,
    methods_for,
    score_choices,
    select,
    selection,
    space_of,
)
from tests.builders.records import record

METHOD = Method("conv_flow", RECIPES["alexnet"], False, "mutual", 0.1)
SPACE = SearchSpace(margins=(0.0, 0.1, 0.2), temperatures=(0.025, 0.05, 0.1))


def peaked(smoothness, *, margin=0.2, temperature=0.025):
    """A score that is highest at these settings."""

    def score(method):
        return -(
            abs(math.log(method.smoothness / smoothness))
            + 3 * abs(method.margin - margin)
            + 7 * abs(method.temperature - temperature)
        )

    return score


@pytest.mark.parametrize("smoothness", [0.004, 0.1, 0.13, 5.0])
def test_the_search_reaches_a_peak_however_far_from_its_start(smoothness):
    found = select(METHOD, SPACE, peaked(smoothness)).method
    assert abs(math.log(found.smoothness / smoothness)) <= math.log(2) / 4 + 1e-3
    assert (found.margin, found.temperature) == (0.2, 0.025)


def test_settings_without_a_score_are_never_the_best():
    score = peaked(0.2)

    def some(method):
        return math.nan if method.margin == METHOD.margin else score(method)

    assert select(METHOD, SPACE, some).method.margin == 0.2
    with pytest.raises(InputError, match="NaN"):
        select(METHOD, SPACE, lambda method: math.nan)


def test_the_best_smoothness_lies_between_two_that_were_tried():
    tried = []

    def score(method):
        tried.append(method.smoothness)
        return peaked(1.6)(method)

    chosen = select(METHOD, SearchSpace(), score).method.smoothness
    assert min(tried) < chosen < max(tried)
    assert len(tried) == len(set(tried))


def test_a_search_that_never_falls_ends():
    chosen = select(METHOD, SearchSpace(), lambda method: method.smoothness)
    assert chosen.method.smoothness == pytest.approx(0.1 * 2**6, rel=1e-3)
    assert chosen.score == chosen.method.smoothness


def test_a_lower_value_between_does_not_end_the_search():
    values = {0.1: 0.5, 0.1414: 0.4, 0.2: 0.6}
    found = select(METHOD, SearchSpace(), lambda method: values.get(method.smoothness, 0.0))
    assert found.method.smoothness == 0.2


class Sealed:
    """Labels that may be read only once settings are fixed."""

    def __init__(self, smoothness, *, opened):
        self.smoothness, self.opened = smoothness, opened

    def score(self, method):
        if not self.opened:
            raise AssertionError("a label was read before the settings were fixed")
        return peaked(self.smoothness)(method)


def test_a_category_never_chooses_for_itself():
    """The labels of a category raise when they are touched before its own settings are fixed."""
    best = {"car": 0.05, "duck": 0.4, "bottle": 0.05}
    for held_out in best:
        labels = {name: Sealed(value, opened=name != held_out) for name, value in best.items()}
        choices = leave_category_out(
            METHOD, SPACE, {name: sealed.score for name, sealed in labels.items()}, held_out=held_out
        )
        labels[held_out].opened = True
        assert labels[held_out].score(choices.method) <= 0
        # Cars and bottles choose what suits both; neither knows of the ducks.
        if held_out == "duck":
            assert choices.method.smoothness == pytest.approx(0.05, rel=0.01)


@pytest.mark.parametrize(("known", "held_out"), [(("car",), "car"), (("car", "duck"), "bus")])
def test_what_cannot_be_held_out_is_refused(known, held_out):
    scores = dict.fromkeys(known, peaked(0.1))
    with pytest.raises(InputError, match=f"{held_out} and another are expected"):
        leave_category_out(METHOD, SPACE, scores, held_out=held_out)


def test_the_papers_methods_have_only_their_smoothness_to_choose():
    methods = {
        method.name: method for method in methods_for(RECIPES["alexnet"], PAPER_RECIPES["alexnet"], boxed=True)
    }
    assert list(methods) == ["conv_flow", "paper_conv4", "paper_sift", "sift_flow"]
    for name in ("paper_conv4", "paper_sift"):
        assert space_of(methods[name], "alexnet", boxed=True) == SearchSpace()
        assert (methods[name].cost, methods[name].margin) == ("distance", 0.0)
        assert not methods[name].recipe.center
    ours = space_of(methods["conv_flow"], "alexnet", boxed=True)
    assert METHOD.recipe.layers in ours.layers
    assert METHOD.recipe.sizes_px in ours.sizes_px
    assert METHOD.margin in ours.margins
    assert not space_of(methods["conv_flow"], "alexnet", boxed=False).margins
    assert not space_of(methods["sift_flow"], "alexnet", boxed=True).layers


def pairs_of(records, indices, groups):
    return Pairs(records, np.array(indices), groups, (box_lengths(records, PF_WILLOW),))


def test_predictions_are_cached_by_their_settings(tmp_path, monkeypatch):
    computed = []

    def align(described, indices, method):
        computed.append((float(described.descriptors[0, 0, 0, 0]), method.smoothness))
        return Flows(np.zeros((1, 1, 1, 2)), np.zeros(1), np.array(1.0))

    def describe(records, method, weights, *, boxed):
        return Described(np.full((2, 1, 1, 1), method.margin), ())

    monkeypatch.setattr(selection, "describe", describe)
    monkeypatch.setattr(selection, "align_pairs", align)
    monkeypatch.setattr(selection, "carry", lambda pairs, *_: pairs.keypoints.points[pairs.indices[:, 0]])
    pairs = pairs_of([record("0"), record("1")], [[0, 1]], ("noise",))
    weights = Weights({}, NETWORKS["alexnet"], "none", ())
    scores = FlowScores(pairs, weights, folder=tmp_path)
    assert scores.mean(METHOD) == 1.0
    assert scores.mean(METHOD) == 1.0
    scores.mean(dataclasses.replace(METHOD, smoothness=0.2))
    scores.mean(dataclasses.replace(METHOD, margin=0.3))
    # Margins and smoothness of what was computed.
    assert computed == [(0.15, 0.1), (0.15, 0.2), (0.3, 0.1)]
    FlowScores(pairs, weights, folder=tmp_path).mean(METHOD)
    assert len(computed) == 3


class Guesses(FlowScores):
    """Predictions that miss by how far the smoothness is from the category's best one."""

    def __init__(self, pairs):
        self._pairs = pairs

    def predicted(self, method):
        (category,) = set(self._pairs.categories)
        miss = 3 * abs(math.log2(method.smoothness / {"car": 0.1, "duck": 0.4}[category]))
        return self._pairs.keypoints.points[self._pairs.targets] + np.array([miss, 0.0])


def test_three_choices_are_scored_on_all_pairs():
    records = [record(str(number), "car duck".split()[number % 2]) for number in range(8)]
    numbers = np.arange(8)
    pairs = pairs_of(records, np.stack([numbers, (numbers + 2) % 8], axis=1), ("a", "b") * 4)
    fixed = METHOD, SearchSpace()
    elsewhere = select(*fixed, lambda method: -abs(method.smoothness - 0.1))
    asked = []

    def scores(chosen, name):
        asked.append((name, len(chosen.indices)))
        return Guesses(chosen)

    found = score_choices(*fixed, elsewhere, pairs, every=1, scores=scores)
    assert sorted(asked) == [("choosing/car", 4), ("choosing/duck", 4), ("scored/car", 4), ("scored/duck", 4)]
    # Each category gets what suits the other one, and misses by 6 pixels of 30; elsewhere, cars are met.
    settings = found["nested"]["settings"]
    assert settings["car"]["smoothness"] == pytest.approx(0.4, rel=1e-3)
    assert settings["duck"]["smoothness"] == pytest.approx(0.1, rel=1e-3)
    assert found["nested"]["pck"] == {"0.05": 0.0, "0.1": 0.0, "0.2": 1.0}
    assert found["elsewhere"]["pck"] == {"0.05": 0.5, "0.1": 0.5, "0.2": 1.0}
    assert sum(found["tuned"]["pck"].values()) >= sum(found["nested"]["pck"].values())
    low, high = found["elsewhere"]["interval"]["0.2"]
    assert (low, high) == (1.0, 1.0)


def test_the_mean_over_sets_chooses():
    cars = pairs_of([record("0", "car"), record("1", "car")], [[0, 1]], ("car",))
    assert choose_on(METHOD, SearchSpace(), [Guesses(cars)]).method.smoothness == pytest.approx(0.1)
