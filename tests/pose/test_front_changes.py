"""The changes of a front's filters in 8 bits."""

import jax
import numpy as np
import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.pose import front, front_changes
from tests.builders.front_weights import random_weights

ALEXNET = "alexnet"
TRAINED = random_weights().params
TUNED = front.FRONTS[ALEXNET].tuned


@pytest.fixture(scope="module")
def tuned():
    """Filters after training: changes of very different sizes, and one channel without any."""
    rng = np.random.default_rng(8)
    filters = jax.device_get(front.init(jax.random.key(0), ALEXNET, features=5))
    filters = jax.device_get(front.with_filters(filters, TRAINED))
    for layer, size in zip(TUNED, (1e-1, 1e-3, 1e-5), strict=True):
        own = filters[layer]
        change = size * rng.standard_normal(own["kernel"].shape).astype(np.float32)
        change[..., 3] = 0
        filters[layer] = {"kernel": own["kernel"] + change, "bias": own["bias"] + np.float32(0.01)}
    return filters


def test_kernels_come_back_within_half_a_step(tuned):
    arrays = front_changes.changes(tuned, TRAINED, front=ALEXNET)
    found = front_changes.apply_changes(arrays, TRAINED, front=ALEXNET)
    assert found.keys() == tuned.keys()
    for layer in TUNED:
        changes, steps = arrays[f"{layer}/change"], arrays[f"{layer}/step"].astype(float)
        assert (changes.dtype, steps.shape) == (np.int8, changes.shape[-1:])
        before = np.asarray(TRAINED[layer].kernel, float)
        change = tuned[layer]["kernel"] - before
        greatest = np.abs(change).max(axis=(0, 1, 2))
        # The smallest steps that half precision holds; it has 10 bits, and no number below 6e-8.
        assert (steps >= greatest / 127).all()
        assert (steps <= greatest / 127 * (1 + 2**-10) + 6e-8).all()
        # Sums in single precision are rounded, too.
        error = np.abs(np.asarray(found[layer]["kernel"]) - tuned[layer]["kernel"])
        assert (error <= steps / 2 + 1e-7 * np.abs(before).max()).all()
        np.testing.assert_array_equal(found[layer]["kernel"][..., 3], before[..., 3])
        np.testing.assert_allclose(found[layer]["bias"], tuned[layer]["bias"], atol=1e-7)


def test_other_layers_are_those_of_the_network(tuned):
    arrays = front_changes.changes(tuned, TRAINED, front=ALEXNET)
    found = front_changes.apply_changes(arrays, TRAINED, front=ALEXNET)
    assert {name.split("/")[0] for name in arrays} == {*TUNED, "project_conv2", "project_conv5"}
    for layer in ("conv1", "conv2"):
        np.testing.assert_array_equal(found[layer]["kernel"], TRAINED[layer].kernel)
        np.testing.assert_array_equal(found[layer]["bias"], TRAINED[layer].bias)
    for layer in ("project_conv2", "project_conv5"):
        np.testing.assert_array_equal(found[layer]["kernel"], tuned[layer]["kernel"])


def test_an_untrained_front_comes_back_exactly():
    filters = front.with_filters(front.init(jax.random.key(0), ALEXNET, features=5), TRAINED)
    arrays = front_changes.changes(filters, TRAINED, front=ALEXNET)
    assert not any(values.any() for name, values in arrays.items() if name.endswith("/change"))
    found = front_changes.apply_changes(arrays, TRAINED, front=ALEXNET)
    jax.tree.map(np.testing.assert_array_equal, found, dict(filters))


def test_arrays_have_the_expected_types_and_shapes(tuned):
    arrays = front_changes.changes(tuned, TRAINED, front=ALEXNET)
    expected = front_changes.expected_arrays(tuned, front=ALEXNET)
    assert arrays.keys() == expected.keys()
    for name, (kind, shape, *_) in expected.items():
        assert np.issubdtype(arrays[name].dtype, kind)
        assert arrays[name].shape == shape


def test_the_fingerprint_is_that_of_the_layers_in_use():
    usual = front_changes.fingerprint(TRAINED, front=ALEXNET)
    assert len(usual) == 32
    assert front_changes.fingerprint({**TRAINED, "fc6": TRAINED["conv1"]}, front=ALEXNET) == usual
    other = dict(TRAINED)
    other["conv2"] = other["conv2"]._replace(bias=other["conv2"].bias + 1)
    assert front_changes.fingerprint(other, front=ALEXNET) != usual
    del other["conv2"]
    with pytest.raises(InputError, match="the trained network lacks conv2"):
        front_changes.fingerprint(other, front=ALEXNET)
