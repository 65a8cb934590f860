"""Every layer of the residual networks beside slow formulas in double precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax.backbone import (
    NETWORKS,
    activations,
    cell_centers,
    convolution,
    filter_shapes,
    forward,
    grid_size,
    receptive_field,
    single_pixel_activations,
)
from convcorr_jax.backbone.weights import read_params
from convcorr_jax.errors import InputError
from tests.builders.residual_networks import RESIDUAL, TINY
from tests.builders.tensor_files import safetensors_bytes

# Relative to the largest number of a layer; 2e-7 to 2e-6 are measured.
TOLERANCE = 1e-5
SIZES = [(32, 32), (33, 50), (64, 47)]


def read(tmp_path, name, rng):
    """A network's parameters, read from a file of torchvision's names, and its tensors."""
    tensors = TINY[name].tensors(rng)
    path = tmp_path / "x"
    path.write_bytes(safetensors_bytes(tensors))
    return read_params(path, network=TINY[name].network), tensors


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("name", TINY)
def test_every_layer_is_that_of_the_formulas(name, elsewhere, tmp_path, rng, monkeypatch):
    if elsewhere:
        # The algorithms of other devices.
        monkeypatch.setattr(convolution, "on_cpu", lambda: False)
        jax.clear_caches()
    params, tensors = read(tmp_path, name, rng)
    network = TINY[name].network
    for size in SIZES[1:2] if elsewhere else SIZES:
        images = rng.standard_normal((2, *size, 3), np.float32)
        found = activations(params, images, network=network, layers=network.layer_names)
        for number, image in enumerate(images):
            expected = TINY[name].maps(image.astype(np.float64), tensors)
            assert tuple(expected) == network.layer_names
            for layer, values in expected.items():
                tolerance = TOLERANCE * np.abs(values).max()
                np.testing.assert_allclose(found[layer][number], values, rtol=0, atol=tolerance, err_msg=layer)
                assert grid_size(network, layer, size) == values.shape[:2]
    jax.clear_caches()


@pytest.mark.parametrize("name", TINY)
def test_a_cell_depends_on_the_pixels_of_its_field_and_is_at_its_middle(name, tmp_path, rng, monkeypatch):
    """Columns are not standardized here, which keeps far pixels, and zeros exactly 0."""
    monkeypatch.setattr(convolution, "on_cpu", lambda: False)
    monkeypatch.setattr(forward, "_standardized", lambda columns: columns)
    jax.clear_caches()
    network = TINY[name].network
    params = {
        conv: filters._replace(kernel=jnp.abs(filters.kernel), bias=jnp.zeros_like(filters.bias))
        for conv, filters in read(tmp_path, name, rng)[0].items()
    }
    last = [layer for layer in network.layer_names if receptive_field(network, layer).size_px < 100]
    for layer in (last[0], last[-1]):
        field, side = receptive_field(network, layer), 128
        cell = round(64 / field.stride_px)
        # A gradient tells which pixels a cell depends on.
        gradient = jax.grad(
            lambda x, at=cell, of=layer: activations(params, x, network=network, layers=[of])[of][
                0, at, at
            ].sum()
        )(jnp.full((1, side, side, 3), 1e-9))
        rows, columns = (np.flatnonzero(np.abs(gradient[0]).sum(axis=(axis, 2)) > 0) for axis in (1, 0))
        center = field.first_center_px + cell * field.stride_px
        for pixels in (rows, columns):
            assert (pixels[0] + pixels[-1]) / 2 == center
            assert pixels[-1] - pixels[0] + 1 == field.size_px
        np.testing.assert_array_equal(cell_centers(network, layer)(np.array([cell, cell])), [center, center])
    jax.clear_caches()


def test_published_strides_centres_and_receptive_fields():
    expected = {
        # Araujo, Norris and Sim 2019 have 435 for ResNet-18, and 483 for the ResNet-50 with strides elsewhere.
        ("resnet18", "layer4"): (435, 32, 0.0),
        ("resnet50", "layer4"): (427, 32, 0.0),
        ("resnet50", "layer3"): (267, 16, 0.0),
        ("convnext_t", "stem"): (4, 4, 1.5),
        ("convnext_t", "stage3"): (1096, 16, 7.5),
        ("mobilenet_v2", "features18"): (491, 32, 0.0),
    }
    assert {of: tuple(receptive_field(NETWORKS[of[0]], of[1])) for of in expected} == expected


@pytest.mark.parametrize(
    ("name", "millions"),
    # torchvision's counts, without classifiers and with two numbers less for each normalised or scaled channel.
    [
        ("resnet18", 11.17),
        ("resnet50", 23.48),
        ("resnet101", 42.45),
        ("convnext_t", 27.80),
        ("convnext_b", 87.51),
        ("mobilenet_v2", 2.20),
    ],
)
def test_published_numbers_of_parameters(name, millions):
    count = sum(np.prod(shape) + shape[-1] for shape in filter_shapes(NETWORKS[name]).values())
    assert count / 1e6 == pytest.approx(millions, abs=0.01)


def test_aliases_are_the_last_units_of_stages():
    assert set(RESIDUAL) == {"resnet18", "resnet50", "resnet101", "convnext_t", "convnext_b", "mobilenet_v2"}
    for name, stage, last in (("resnet50", "layer3", "layer3_5"), ("convnext_t", "stage3", "stage3_8")):
        network = NETWORKS[name]
        assert network.layer_names[network.position(stage)] == last


def test_many_images_are_computed_a_few_at_a_time(tmp_path, rng, monkeypatch):
    params, _ = read(tmp_path, "bottleneck", rng)
    network = TINY["bottleneck"].network
    images = rng.standard_normal((5, 40, 36, 3), np.float32)
    layers = ["conv1", "layer2_0", "layer4"]
    at_once = activations(params, images, network=network, layers=layers)
    monkeypatch.setattr(forward, "_BYTES_AT_ONCE", 2 * 4 * 20 * 18 * 8)
    jax.clear_caches()
    in_twos = activations(params, images, network=network, layers=layers)
    for layer, expected in at_once.items():
        np.testing.assert_allclose(in_twos[layer], expected, atol=2e-6 * np.abs(expected).max())
    jax.clear_caches()


@pytest.mark.parametrize("name", TINY)
def test_half_precision_is_near_single_precision_and_gradients_are_finite(name, tmp_path, rng):
    params, _ = read(tmp_path, name, rng)
    network = TINY[name].network
    layer = network.layer_names[-1]
    images = rng.standard_normal((1, 64, 64, 3), np.float32)
    whole = activations(params, images, network=network, layers=[layer])[layer]
    half = network._replace(precision="bfloat16")
    rounded = activations(params, images, network=half, layers=[layer])[layer]
    assert rounded.dtype == np.float32
    assert 1e-5 < np.abs(rounded - whole).max() / np.abs(whole).max() < 0.1

    def total(images):
        return activations(params, images, network=half, layers=[layer])[layer].sum()

    assert np.isfinite(jax.grad(total)(jnp.asarray(images))).all()


def test_what_it_cannot_compute_is_refused(tmp_path, rng):
    network = NETWORKS["resnet50"]
    with pytest.raises(InputError, match="resnet50 has no layer 'layer5'; it has conv1, maxpool, layer1_0"):
        grid_size(network, "layer5", (224, 224))
    with pytest.raises(InputError, match="3 x 3 pixels is too small for stem of convnext_t"):
        grid_size(NETWORKS["convnext_t"], "stem", (3, 3))
    with pytest.raises(InputError, match="end before conv1, which is needed for layer1_0"):
        activations({}, jnp.zeros((1, 32, 32, 3)), network=network, layers=["layer1_0"])
    with pytest.raises(InputError, match="layer1_0 of resnet50 has residual units before it or is one"):
        single_pixel_activations({}, jnp.zeros((1, 64, 64, 3)), network=network, layer="layer1_0")
