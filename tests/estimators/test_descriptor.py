"""`Descriptor` against the features of the library, and in scikit-learn's pipelines and checks."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import SkipTestWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks

from convcorr_jax.backbone.weights import load, save
from convcorr_jax.descriptors import global_features
from convcorr_jax.errors import InputError
from convcorr_jax.estimators import Descriptor, RidgeProbe
from convcorr_jax.images import resize
from convcorr_jax.io import write_image

SIDE = 35
# Checks that scikit-learn runs on estimators of rows of features only, although they use no features.
CHECKS = (
    *("estimator_cloneable", "estimator_tags_renamed", "valid_tag_types", "estimator_repr"),
    *("no_attributes_set_in_init", "estimators_overwrite_params", "dont_overwrite_parameters"),
    *("estimators_fit_returns_self", "do_not_raise_errors_in_init_or_set_params", "mixin_order"),
    *("parameters_default_constructible", "get_params_invariance", "set_params"),
)


@pytest.fixture(scope="module")
def descriptor():
    return Descriptor(layer="pool1", side_px=SIDE)


@pytest.fixture
def images(rng):
    """Images of which every second one is dark."""
    brightest = np.array([256, 32] * 4).reshape(8, 1, 1, 1)
    return list(rng.integers(0, brightest, (8, 40, 50, 3)).astype(np.uint8))


@pytest.mark.parametrize("check", CHECKS)
def test_scikit_learn_checks(descriptor, check):
    getattr(estimator_checks, f"check_{check}")("Descriptor", descriptor)


def test_check_estimator_accepts_it_as_a_transformer_of_other_than_rows(descriptor):
    with pytest.warns(SkipTestWarning, match="two_d_array=False"):
        estimator_checks.check_estimator(descriptor)


def test_features_are_those_of_resized_images_and_have_names(descriptor, images):
    squares = [resize(image, (SIDE, SIDE)).image for image in images]
    expected = global_features(squares, weights=load("alexnet"), layer="pool1")
    np.testing.assert_array_equal(descriptor.transform(images), expected)
    np.testing.assert_array_equal(descriptor.transform(np.stack(images)), expected)
    np.testing.assert_array_equal(descriptor.fit_transform(images, range(8)), expected)
    names = descriptor.get_feature_names_out()
    assert (names.shape, names[1]) == (expected.shape[1:], "descriptor1")


def test_paths_and_arrays_of_any_size_mix(descriptor, images, tmp_path):
    write_image(tmp_path / "a.png", images[1])
    tall = np.repeat(images[2], 2, axis=0)
    found = descriptor.transform([images[0], tmp_path / "a.png", str(tmp_path / "a.png"), tall])
    np.testing.assert_array_equal(found[:3], descriptor.transform(images)[[0, 1, 1]])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)


def test_weights_of_a_file(descriptor, images, tmp_path):
    weights = load("alexnet")
    save(tmp_path / "weights.npz", weights.params, network=weights.network)
    other = clone(descriptor).set_params(weights_path=tmp_path / "weights.npz")
    np.testing.assert_array_equal(other.transform(images), descriptor.transform(images))


def test_default_layer_and_size(images):
    features = Descriptor().transform(images[:1])
    assert features.shape == (1, 6 * 6 * 256)
    squares = [resize(images[0], (224, 224)).image]
    expected = global_features(squares, weights=load("alexnet"), layer="pool5")
    np.testing.assert_array_equal(features, expected)


def test_pickles_without_weights(descriptor, images):
    descriptor.fit(images)
    pickled = pickle.dumps(descriptor)
    assert len(pickled) < 1000
    np.testing.assert_array_equal(pickle.loads(pickled).transform(images), descriptor.transform(images))


def test_works_in_pipelines_and_searches(descriptor, images):
    dark = np.arange(8) % 2
    pipeline = make_pipeline(clone(descriptor), LogisticRegression(C=100.0))
    assert cross_val_score(pipeline, images, dark, cv=2).tolist() == [1.0, 1.0]
    probe = make_pipeline(clone(descriptor), RidgeProbe(penalty=0.1))
    search = GridSearchCV(probe, {"descriptor__layer": ["conv1", "pool1"]}, cv=2)
    search.fit(images, dark)
    assert search.predict(images).round().tolist() == dark.tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": "lenet"}, "no network"),
        ({"layer": "conv9"}, "no layer"),
        ({"layer": "fc6", "side_px": 224}, "no fc6"),
        ({"network": ["alexnet"]}, "name of a network"),
        ({"side_px": 5}, "5"),
        *(({"side_px": bad}, "side_px is") for bad in (63.7, "a", True, [63])),
        ({"weights_path": "absent.npz"}, "absent.npz"),
    ],
)
def test_wrong_options_are_refused(descriptor, images, options, message):
    with pytest.raises(InputError, match=message):
        clone(descriptor).set_params(**options).fit(images)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([np.zeros((40, 50, 3))], "image 0 is an array of float64"),
        ([np.zeros((9, 9, 3), np.uint8), np.zeros((40, 50), np.uint8)], r"image 1 .* of shape \(40, 50\)"),
        ([[[[0, 0, 0]]]], "image 0 is of type list"),
        (["absent.jpg"], "absent.jpg"),
        ([], "no images"),
    ],
)
def test_wrong_images_are_refused(descriptor, wrong, message):
    with pytest.raises(InputError, match=message):
        descriptor.transform(wrong)
