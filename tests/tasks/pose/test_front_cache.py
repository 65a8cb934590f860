"""Features of a front: what is cached, for whom, and how often it is computed."""

import dataclasses
from functools import partial

import jax
import numpy as np
import pytest

from convcorr_jax import synthetic
from convcorr_jax.pose import Augmentation, augment, cascade, front
from convcorr_jax.tasks.pose import Plan, batches, prepare
from convcorr_jax.tasks.pose.batches import FeatureCache, with_pretrained_front
from tests.builders.fitted_models import random_weights
from tests.builders.pose_architectures import tiny_person

RECORDS = list(synthetic.instances("person", split="train", count=5, size=(60, 60)))
SHAPE = tiny_person(RECORDS[0].names, RECORDS[0].left_right_pairs, frame_px=45.0)
PLAN = Plan((4, 0, 0), batch=2, augmentation=Augmentation(margin=0.25, unknown_torso=0.5), copies=2)
PEOPLE = prepare(RECORDS, SHAPE, margin=PLAN.augmentation.margin)
FILTERS = jax.device_get(cascade.init(jax.random.key(0), SHAPE)["front"])
augmented = jax.jit(
    partial(
        augment, left_right_pairs=SHAPE.left_right_pairs, size=SHAPE.input_size, augmentation=PLAN.augmentation
    )
)
front_maps = jax.jit(partial(front.front_maps, front="alexnet"))


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Parts of two people; calls for two people."""
    monkeypatch.setattr(batches, "_PART", 2)
    monkeypatch.setattr(batches, "_BATCH", 2)


def cache_in(folder, *, people=PEOPLE, numbers=None, plan=PLAN, seed=7, shape=SHAPE):
    numbers = np.arange(len(people.records)) if numbers is None else numbers
    return FeatureCache(FILTERS, people, numbers, shape, plan, seed, folder)


@pytest.fixture
def computed(monkeypatch):
    """The copies and people whose features were computed, in order."""
    calls = []
    compute = FeatureCache._compute

    def counted(self, copy, people):
        calls.append((copy, people))
        return compute(self, copy, people)

    monkeypatch.setattr(FeatureCache, "_compute", counted)
    return calls


def files_of(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_features_are_those_of_augmented_images(tmp_path):
    """Each person is augmented by a key of its number and the copy, whatever the batch."""
    rows, epochs = np.array([3, 0, 4]), np.array([0, 1, 1])
    found = cache_in(tmp_path).batch(rows, epochs)
    assert [maps.shape for maps in found.features] == [(3, 6, 8, 6), (3, 3, 4, 6)]
    for place, (row, copy) in enumerate(zip(rows, epochs, strict=True)):
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(7), int(copy)), int(row))
        expected = augmented(key[None], PEOPLE.batch(np.array([row])))
        maps = front_maps(FILTERS, expected.images).coarse
        for ours, theirs in zip(found.features, maps, strict=True):
            # In half precision.
            scale = float(np.abs(theirs).max())
            np.testing.assert_allclose(ours[place], theirs[0], rtol=1e-3, atol=2e-3 * scale)
        np.testing.assert_allclose(found.points[place], expected.points[0], atol=1e-3)
        np.testing.assert_allclose(found.torso[place], expected.torso[0], atol=1e-3)


def test_hosts_have_the_features_of_one_host(tmp_path):
    numbers = np.array([1, 4])
    own = cache_in(tmp_path / "own", people=prepare(RECORDS, SHAPE, margin=0.25, rows=numbers), numbers=numbers)
    every = cache_in(tmp_path / "all").copy(1)
    for name, values in own.copy(1).items():
        np.testing.assert_allclose(values, every[name][numbers], rtol=1e-3, atol=1e-3)


def test_an_epoch_has_the_copy_of_its_number_modulo_the_copies(tmp_path, computed):
    cache = cache_in(tmp_path)
    rows = np.arange(5)
    by_epoch = [cache.batch(rows, np.full(5, epoch)) for epoch in range(4)]
    for one, other in ((0, 2), (1, 3)):
        jax.tree.map(np.testing.assert_array_equal, by_epoch[one], by_epoch[other])
    assert (by_epoch[0].features[0] != by_epoch[1].features[0]).any()
    mixed = cache.batch(rows, np.array([2, 3, 3, 4, 5]))
    for place, copy in enumerate((0, 1, 1, 0, 1)):
        for ours, of_copy in zip(mixed.features, by_epoch[copy].features, strict=True):
            np.testing.assert_array_equal(ours[place], of_copy[place])
    parts = [range(0, 2), range(2, 4), range(4, 5)]
    assert computed == [(copy, part) for copy in (0, 1) for part in parts]


def test_two_copies_are_in_memory(tmp_path, computed):
    cache = cache_in(tmp_path, plan=dataclasses.replace(PLAN, copies=3))
    for epoch in (0, 1, 0, 2, 1, 0):
        cache.batch(np.array([1]), np.array([epoch]))
        assert len(cache._loaded) <= 2
    # What left the memory is read again, not computed.
    assert len(computed) == 3 * 3


def test_an_interrupted_cache_is_continued_to_the_same_bytes(tmp_path, monkeypatch, computed):
    expected = cache_in(tmp_path / "whole").batch(np.arange(5), np.zeros(5, int))
    computed.clear()
    compute = FeatureCache._compute

    def killed(self, copy, people):
        if people.start == 2:
            raise KeyboardInterrupt
        return compute(self, copy, people)

    with monkeypatch.context() as patched:
        patched.setattr(FeatureCache, "_compute", killed)
        with pytest.raises(KeyboardInterrupt):
            cache_in(tmp_path / "other").copy(0)
    assert computed == [(0, range(2))]
    found = cache_in(tmp_path / "other").batch(np.arange(5), np.zeros(5, int))
    assert [people for _, people in computed] == [range(2), range(2, 4), range(4, 5)]
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    assert files_of(tmp_path / "whole") == files_of(tmp_path / "other")


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 8},
        {"plan": dataclasses.replace(PLAN, augmentation=PLAN.augmentation._replace(degrees=9.0))},
        {"people": prepare(RECORDS[::-1], SHAPE, margin=0.25)},
        {"numbers": np.arange(1, 6)},
        # Other frames of the same people.
        {"people": prepare(RECORDS, dataclasses.replace(SHAPE, frame_px=30.0), margin=0.25)},
        {"shape": dataclasses.replace(SHAPE, left_right_pairs=SHAPE.left_right_pairs[1:])},
    ],
    ids=["seed", "augmentation", "people", "numbers", "frames", "pairs"],
)
def test_features_of_other_settings_are_computed_again(tmp_path, computed, changes):
    cache_in(tmp_path).copy(0)
    cache_in(tmp_path).copy(0)
    assert len(computed) == 3
    cache_in(tmp_path, **changes).copy(0)
    assert len(computed) == 6


def test_a_front_begins_with_trained_filters_and_principal_components(tmp_path, monkeypatch):
    monkeypatch.setattr(batches.weights, "load", random_weights)
    params = cascade.init(jax.random.key(0), SHAPE)

    def begun(architecture=SHAPE):
        options = {"architecture": architecture, "scale": True, "folder": tmp_path}
        return with_pretrained_front(params, RECORDS, **options)["front"]

    found, trained = begun(), random_weights().params
    for name, filters in trained.items():
        np.testing.assert_array_equal(found[name]["kernel"], filters.kernel)
    for maps in front_maps(found, PEOPLE.inputs(np.arange(5), SHAPE.input_size)).coarse:
        columns = np.asarray(maps).reshape(-1, SHAPE.front_features)
        np.testing.assert_allclose(columns.mean(axis=0), 0, atol=1e-3)
        covariance = np.cov(columns.T, bias=True)
        assert np.trace(covariance) / SHAPE.front_features == pytest.approx(1, rel=1e-3)
        np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=2e-3)
    monkeypatch.setattr(batches, "_projections", None)
    jax.tree.map(np.testing.assert_array_equal, begun(), found)
    with pytest.raises(TypeError):
        begun(dataclasses.replace(SHAPE, frame_px=30.0))
