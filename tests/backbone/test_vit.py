"""Every block of every kind of vision transformer beside slow formulas in double precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from convcorr_jax.backbone import (
    FACETS,
    NETWORKS,
    activations,
    cell_centers,
    channels,
    forward,
    grid_size,
    prefix_tokens,
    receptive_field,
    vit,
)
from convcorr_jax.backbone.vit import block_features, resizing
from convcorr_jax.backbone.weights import read_vit
from convcorr_jax.errors import InputError
from tests.builders.tensor_files import npz_bytes, safetensors_bytes
from tests.reference import vision_transformer as oracle

# Relative to the largest number of a block; 4e-7 to 1e-6 are measured.
TOLERANCE = 5e-6
# The grid of positions, fewer rows and more columns, more of both; in pixels.
SIZES = [(20, 20), (12, 28), (36, 32)]


def made(path, name, rng):
    """A network of random tensors, read from a file of its publishers' names; and the oracle's."""
    described = oracle.NETWORKS[name]
    arrays = oracle.random_arrays(described, rng)
    named = (oracle.clip_names if name in ("clip", "siglip") else oracle.facebook_names)(arrays)
    if name == "timm_reg":
        named["reg_token"] = named.pop("register_tokens")
    content = npz_bytes(named) if name == "tips" else safetensors_bytes(named)
    path.write_bytes(content)
    network, params = read_vit(path, heads=oracle.HEADS)
    return network, params, described, arrays


@pytest.mark.parametrize("name", oracle.NETWORKS)
def test_every_block_is_that_of_the_formulas(name, tmp_path, rng):
    network, params, described, arrays = made(tmp_path / "x", name, rng)
    assert network.name == f"{described.name}_w24_4"
    layers = [f"{layer}{facet and '_'}{facet}" for layer in network.layer_names for facet in ("", *FACETS)]
    for size in SIZES:
        images = rng.standard_normal((2, *size, 3), np.float32)
        maps = activations(params, images, network=network, layers=layers)
        for number, image in enumerate(images):
            for i, expected in enumerate(oracle.blocks(image, arrays, described)):
                for facet in ("", *FACETS):
                    layer = f"block{i}{facet and '_'}{facet}"
                    whole = expected[facet or "output"]
                    ours = np.asarray(maps[layer][number]).reshape(-1, oracle.WIDTH)
                    if described.has_class or described.registers:
                        first = prefix_tokens(params, images[number][None], network=network, layer=layer)
                        ours = np.concatenate([first[0], ours])
                    tolerance = TOLERANCE * np.abs(whole).max()
                    np.testing.assert_allclose(ours, whole, rtol=0, atol=tolerance, err_msg=f"{layer} {size}")


@pytest.mark.parametrize("length", [5, 14, 37])
def test_grids_are_resized_as_torch_does(length, rng):
    grid = torch.from_numpy(rng.standard_normal((1, 3, length, length)))
    for resized in (2, 5, 9, 16, 60):
        ways = {
            "size": {"mode": "bicubic", "size": (resized, resized)},
            "offset": {"mode": "bicubic", "scale_factor": (resized + 0.1) / length},
            "antialias": {"mode": "bicubic", "size": (resized, resized), "antialias": True},
            "bilinear": {"mode": "bilinear", "size": (resized, resized), "antialias": True},
        }
        for how, options in ways.items():
            expected = torch.nn.functional.interpolate(grid, **options)[0].numpy()
            matrix = resizing(length, resized, how=how).astype(np.float64)
            ours = np.einsum("yh,xw,chw->cyx", matrix, matrix, grid[0].numpy())
            np.testing.assert_allclose(ours, expected, atol=2e-6, err_msg=f"{how} {resized}")


def test_cells_stand_at_the_centres_of_patches():
    network = NETWORKS["vit_s14"]
    centers = cell_centers(network, "block8_key")
    np.testing.assert_array_equal(centers(np.array([[0, 0], [24, 1]])), [[6.5, 6.5], [342.5, 20.5]])
    assert grid_size(network, "block8", (350, 28)) == (2, 25)[::-1]
    assert channels(network, "block0_normed") == 384


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda n: grid_size(n, "block8", (224, 227)), "227 x 224 pixels cannot be divided .* multiples of 14"),
        (lambda n: grid_size(n, "block8", (0, 0)), "0 x 0 pixels cannot be divided"),
        (lambda n: grid_size(n, "block12", (224, 224)), "no layer 'block12'; it has block0, block1"),
        (lambda n: grid_size(n, "block1_keys", (224, 224)), "no layer 'block1_keys'"),
        (lambda n: receptive_field(n, "block8"), "block8 of vit_s14 depend on the whole image"),
        (lambda n: activations({}, jnp.zeros((1, 28, 28, 3)), network=n, layers=["block0"]), "have no patch"),
        (
            lambda n: forward.single_pixel_activations(
                {}, jnp.zeros((1, 28, 28, 3)), network=n, layer="block0"
            ),
            "depend on the whole image",
        ),
    ],
)
def test_what_it_cannot_compute_is_refused(call, sentence):
    with pytest.raises(InputError, match=sentence):
        call(NETWORKS["vit_s14"])


def test_convolutional_networks_have_no_facets_or_tokens(tmp_path, rng):
    with pytest.raises(InputError, match="alexnet has no layer 'conv4_key'"):
        grid_size(NETWORKS["alexnet"], "conv4_key", (224, 224))
    with pytest.raises(InputError, match="alexnet is not a vision transformer"):
        prefix_tokens({}, jnp.zeros((1, 28, 28, 3)), network=NETWORKS["alexnet"], layer="conv4")
    network, params, *_ = made(tmp_path / "x", "siglip", rng)
    with pytest.raises(InputError, match="siglip_w24_4 has neither a class token nor registers"):
        prefix_tokens(params, jnp.zeros((1, 20, 20, 3)), network=network, layer="block0")


def test_many_images_are_computed_a_few_at_a_time(tmp_path, rng, monkeypatch):
    network, params, *_ = made(tmp_path / "x", "dinov2_reg", rng)
    images = rng.standard_normal((5, 12, 16, 3), np.float32)
    at_once = block_features(params, images, network=network, layers=("block1", "block2_key"))
    monkeypatch.setattr(forward, "_ATTENTION_BYTES_AT_ONCE", 2 * 4 * 3 * (5 + 12) ** 2)
    in_twos = activations(params, images, network=network, layers=["block1", "block2_key"])
    for layer, expected in at_once.items():
        np.testing.assert_allclose(in_twos[layer], expected, atol=2e-6 * np.abs(expected).max())


def test_large_images_attend_in_pieces(tmp_path, rng, monkeypatch):
    network, params, *_ = made(tmp_path / "x", "dinov3", rng)
    images = rng.standard_normal((2, 28, 24, 3), np.float32)
    expected = block_features(params, images, network=network, layers=("block2",))["block2"]
    # 47 tokens in pieces of 14 queries: the last one has five of them.
    monkeypatch.setattr(vit, "_WEIGHTS_BYTES", 4 * 2 * 3 * 47**2 / 3.5)
    jax.clear_caches()
    found = block_features(params, images, network=network, layers=("block2",))["block2"]
    np.testing.assert_allclose(found, expected, atol=2e-6 * np.abs(expected).max())
    jax.clear_caches()


def test_half_precision_is_near_single_precision_and_gradients_are_finite(tmp_path, rng):
    network, params, *_ = made(tmp_path / "x", "dinov3", rng)
    images = rng.standard_normal((1, 20, 20, 3), np.float32)
    whole = block_features(params, images, network=network, layers=("block2",))["block2"]
    assert network.vit is not None
    half = network._replace(vit=network.vit._replace(precision="bfloat16"))
    rounded = block_features(params, images, network=half, layers=("block2",))["block2"]
    assert rounded.dtype == np.float32
    assert 1e-5 < np.abs(rounded - whole).max() / np.abs(whole).max() < 0.05

    def total(images):
        return block_features(params, images, network=network, layers=("block2",))["block2"].sum()

    assert np.isfinite(jax.grad(total)(jnp.asarray(images))).all()
