"""Features of whole images against the network's own activations, one image at a time."""

import jax
import numpy as np
import pytest

from convcorr_jax.backbone import NETWORKS, Filters, activations, filter_shapes, preprocess
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.descriptors import default_layer, global_features
from convcorr_jax.errors import InputError

NETWORK = NETWORKS["alexnet"]


@pytest.fixture(scope="module")
def weights():
    rng = np.random.default_rng(5)
    params = {
        name: Filters(
            jax.numpy.asarray(rng.standard_normal(shape, np.float32) / 30), jax.numpy.zeros(shape[-1])
        )
        for name, shape in filter_shapes(NETWORK).items()
        if name in ("conv1", "conv2")
    }
    return Weights(params, NETWORK, "drawn", ("conv1", "pool1", "conv2", "pool2"))


def test_they_are_the_flattened_activations_at_unit_length(rng, weights):
    images = rng.integers(0, 256, (19, 67, 67, 3), np.uint8)
    found = global_features(iter(images), weights=weights, layer="conv2")
    for image, feature in zip(images, found, strict=True):
        inputs = preprocess(image[None], network=NETWORK)
        maps = activations(weights.params, inputs, network=NETWORK, layers=["conv2"])["conv2"]
        flat = np.asarray(maps, np.float64).ravel()
        np.testing.assert_allclose(feature, flat / np.linalg.norm(flat), atol=1e-5)


def test_the_layer_is_fc6_where_there_is_one(weights):
    assert default_layer(weights) == "pool5"
    assert default_layer(Weights({}, NETWORK, "drawn", NETWORK.layer_names)) == "fc6"


def test_bad_input_is_refused(rng, weights):
    with pytest.raises(InputError, match="no images"):
        global_features([], weights=weights, layer="conv2")
    sizes = [rng.integers(0, 256, (side, side, 3), np.uint8) for side in (67, 80)]
    with pytest.raises(InputError, match="one size is expected"):
        global_features(sizes, weights=weights, layer="conv2")
    with pytest.raises(InputError, match="end before conv3"):
        global_features(sizes[:1], weights=weights, layer="conv5")
