import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage import data

from convcorr_jax import coords, descriptors, images
from convcorr_jax.backbone import NETWORKS, Filters, activations, cell_centers, filter_shapes, preprocess
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.descriptors import default_layer, global_features
from convcorr_jax.errors import InputError
from tests.builders.residual_networks import RESIDUAL

ALEXNET = NETWORKS["alexnet"]


@pytest.fixture(scope="module")
def params():
    rng = np.random.default_rng(7)
    shapes = {name: shape for name, shape in filter_shapes(ALEXNET).items() if "conv" in name}
    return {
        name: Filters(
            jnp.asarray(rng.normal(0, np.sqrt(2 / np.prod(shape[:3])), shape), jnp.float32),
            jnp.asarray(rng.normal(0, 0.1, shape[-1]), jnp.float32),
        )
        for name, shape in shapes.items()
    }


def levels(*sides):
    return [images.resize(data.chelsea(), (side, side)).image[None] for side in sides]


def test_one_layer_uncentred_is_the_layer_at_unit_length(params):
    (level,) = levels(131)
    recipe = descriptors.Recipe(("conv3",), (131,), center=False)
    found = descriptors.convolutional_descriptors(params, [level], network=ALEXNET, recipe=recipe)
    inputs = preprocess(level, network=ALEXNET)
    raw = np.asarray(activations(params, inputs, network=ALEXNET, layers=["conv3"])["conv3"])
    np.testing.assert_allclose(found, raw / np.linalg.norm(raw, axis=-1, keepdims=True), atol=1e-5)


def test_every_recipe_gives_unit_columns_on_its_grid(params):
    recipe = descriptors.Recipe(("conv3", "conv4", "conv5"), (99, 163))
    found = descriptors.convolutional_descriptors(params, levels(99, 163), network=ALEXNET, recipe=recipe)
    assert found.shape == (1, *descriptors.descriptor_grid(ALEXNET, recipe).size, 2 * (384 + 256 + 256))
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1, atol=1e-4)


def test_other_maps_are_read_at_the_same_pixels(params):
    """A finer layer beside a coarse one equals SciPy's linear interpolation at the coarse cells."""
    from scipy.interpolate import RegularGridInterpolator

    recipe = descriptors.Recipe(("conv2", "conv3"), (131,), center=False)
    (level,) = levels(131)
    found = np.asarray(descriptors.convolutional_descriptors(params, [level], network=ALEXNET, recipe=recipe))[
        0, :, :, :192
    ]
    inputs = preprocess(level, network=ALEXNET)
    fine = np.asarray(activations(params, inputs, network=ALEXNET, layers=["conv2"])["conv2"])[0]
    pixels = cell_centers(ALEXNET, "conv3")(coords.cell_grid(found.shape[:2]).astype(float))
    at = cell_centers(ALEXNET, "conv2").inverse(pixels)
    at = np.clip(at, 0, fine.shape[0] - 1)
    axes = (np.arange(fine.shape[0]), np.arange(fine.shape[1]))
    columns = RegularGridInterpolator(axes, fine)(at[..., ::-1])
    columns /= np.linalg.norm(columns, axis=-1, keepdims=True)
    np.testing.assert_allclose(found * np.sqrt(2), columns, atol=1e-4)


def test_the_mean_column_is_taken_away(params):
    recipe = descriptors.Recipe(("conv3",), (131,))
    found = descriptors.convolutional_descriptors(params, levels(131), network=ALEXNET, recipe=recipe)
    plain = descriptors.Recipe(("conv3",), (131,), center=False)
    raw = descriptors.convolutional_descriptors(params, levels(131), network=ALEXNET, recipe=plain)
    assert np.abs(np.asarray(found).mean()) < np.abs(np.asarray(raw).mean())
    cosine = np.einsum("yxc,vuc->yxvu", found[0], found[0])
    assert cosine.min() < 0 <= np.einsum("yxc,vuc->yxvu", raw[0], raw[0]).min()


def test_refuses_a_pyramid_of_other_sizes(params):
    with pytest.raises(InputError, match="squares of"):
        descriptors.convolutional_descriptors(
            params, levels(99), network=ALEXNET, recipe=descriptors.Recipe(("conv3",), (131,))
        )


def test_every_network_has_recipes_that_fit_it():
    assert set(descriptors.RECIPES) == set(descriptors.PAPER_RECIPES) == set(NETWORKS) - set(RESIDUAL[:-1])
    for recipes in (descriptors.RECIPES, descriptors.PAPER_RECIPES):
        for name, recipe in recipes.items():
            assert min(descriptors.descriptor_grid(NETWORKS[name], recipe).size) >= 12


def test_a_column_of_zeros_stays_zero_with_a_finite_gradient():
    zeros = jnp.zeros((2, 3))
    np.testing.assert_array_equal(descriptors.unit_length(zeros), zeros)
    short = jnp.array([[0.6e-3, 0.8e-3], [0.6e-6, 0.8e-6]])
    np.testing.assert_allclose(jnp.linalg.norm(descriptors.unit_length(short), axis=1), [1, 0.5**0.5], 1e-6)
    assert np.isfinite(jax.grad(lambda x: descriptors.unit_length(x).sum())(zeros)).all()


@pytest.fixture
def weights(params):
    first = {name: params[name] for name in ("conv1", "conv2")}
    return Weights(first, ALEXNET, "drawn", ("conv1", "pool1", "conv2", "pool2"))


def test_global_features_are_the_flattened_activations_at_unit_length(rng, weights):
    photographs = rng.integers(0, 256, (19, 67, 67, 3), np.uint8)
    found = global_features(iter(photographs), weights=weights, layer="conv2")
    for photograph, feature in zip(photographs, found, strict=True):
        inputs = preprocess(photograph[None], network=ALEXNET)
        maps = activations(weights.params, inputs, network=ALEXNET, layers=["conv2"])["conv2"]
        flat = np.asarray(maps, np.float64).ravel()
        np.testing.assert_allclose(feature, flat / np.linalg.norm(flat), atol=1e-5)


def test_larger_maps_are_averaged_over_equal_areas(rng, weights):
    photographs = rng.integers(0, 256, (2, 67, 67, 3), np.uint8)
    # Maps of 16 x 16 and 7 x 7 cells.
    for layer, side in (("conv1", 16), ("conv2", 7)):
        cells = global_features(photographs, weights=weights, layer=layer).reshape(2, side, side, -1)
        found = global_features(photographs, weights=weights, layer=layer, cells=7)
        for all_cells, feature in zip(cells, found, strict=True):
            channels = [
                cv2.resize(one, (7, 7), interpolation=cv2.INTER_AREA) for one in all_cells.transpose(2, 0, 1)
            ]
            flat = np.stack(channels, axis=-1).ravel()
            np.testing.assert_allclose(feature, flat / np.linalg.norm(flat), atol=1e-6)
    with pytest.raises(InputError, match="cells is 0"):
        global_features(photographs, weights=weights, layer="conv1", cells=0)


def test_the_layer_is_fc6_where_there_is_one(weights):
    assert default_layer(weights) == "pool5"
    assert default_layer(Weights({}, ALEXNET, "drawn", ALEXNET.layer_names)) == "fc6"


@pytest.mark.parametrize(
    ("sides", "layer", "sentence"),
    [
        ((), "conv2", "no images"),
        ((67, 80), "conv2", "one size is expected"),
        ((67,), "conv5", "end before conv3"),
    ],
)
def test_images_without_global_features_are_refused(weights, sides, layer, sentence):
    squares = [np.zeros((side, side, 3), np.uint8) for side in sides]
    with pytest.raises(InputError, match=sentence):
        global_features(squares, weights=weights, layer=layer)
