from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from convcorr_jax import coords
from convcorr_jax.pose import layers
from convcorr_jax.pose.layers import convolution
from tests.reference import torch_pose

normalize = jax.jit(layers.normalize)


@pytest.mark.parametrize(
    ("window", "side", "channels"),
    [
        pytest.param(1, 6, 16, id="a product of matrices"),
        pytest.param(3, 6, 16, id="Winograd"),
        pytest.param(5, 6, 16, id="Winograd, 5 taps"),
        pytest.param(5, 6, 3, id="few channels"),
        pytest.param(5, 4, 16, id="wider than the maps"),
        pytest.param(4, 6, 16, id="even"),
    ],
)
def test_every_algorithm_is_the_convolution_of_flax(window, side, channels, rng):
    maps = jnp.asarray(rng.standard_normal((2, side, side + 1, channels), dtype=np.float32))
    ours = convolution(8, window, dtype="float32", name="one")
    plain = nn.Conv(8, (window, window), name="one")
    params = ours.init(jax.random.key(0), maps)

    def outputs_and_gradients(layer):
        def loss(params, maps):
            outputs = layer.apply(params, maps)
            return (outputs**3).sum(), outputs

        return jax.grad(loss, argnums=(0, 1), has_aux=True)(params, maps)

    pairs = zip(
        jax.tree.leaves(outputs_and_gradients(ours)), jax.tree.leaves(outputs_and_gradients(plain)), strict=True
    )
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


def test_low_precision_and_accelerators_have_the_plain_convolution():
    """Winograd's algorithm loses too many digits in bfloat16, and is slower on an accelerator."""

    def convolutions(*, dtype, platform):
        layer = convolution(8, 3, dtype=dtype, name="one")
        maps = jax.ShapeDtypeStruct((2, 6, 6, 16), jnp.float32)
        traced = jax.jit(layer.apply).trace(jax.eval_shape(layer.init, jax.random.key(0), maps), maps)
        return traced.lower(lowering_platforms=(platform,)).as_text().count("stablehlo.convolution")

    assert convolutions(dtype="float32", platform="cpu") > 1
    assert convolutions(dtype="bfloat16", platform="cpu") == 1
    assert convolutions(dtype="float32", platform="cuda") == 1
    assert convolutions(dtype="float32", platform="tpu") == 1


@pytest.mark.parametrize("size", [(32, 48), (27, 38)])
def test_the_pyramid_is_torchs(rng, size):
    images = rng.integers(0, 256, (2, *size, 3), dtype=np.uint8)
    found = jax.jit(partial(layers.pyramid, levels=3))(images)
    expected = torch_pose.pyramid(torch_pose.channels_first(images), 3)
    assert len(found) == 3
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, torch_pose.channels_last(theirs), atol=2e-5)


def test_an_image_without_contrast_gives_zeros():
    assert float(abs(normalize(jnp.full((1, 20, 20, 3), 173.0))).max()) < 1e-3


def test_one_bright_pixel_stays_where_it_is():
    """Its centre of mass, seen in the halved image, is where `coords.resize` has it."""
    halved = np.asarray(layers.halve(jnp.zeros((1, 16, 24, 1)).at[0, 6, 9].set(1)))[0, :, :, 0]
    mass = np.einsum("hw,hwd->d", halved, coords.cell_grid(halved.shape)) / halved.sum()
    np.testing.assert_allclose(mass, coords.resize((16, 24), (8, 12))(np.array([9.0, 6.0])), atol=1e-6)
    assert halved.sum() == pytest.approx(1 / 4)


def test_it_differentiates(rng):
    image = jnp.asarray(rng.uniform(0, 255, (1, 12, 12, 3)), jnp.float32)
    slope = jax.jit(jax.grad(lambda x: normalize(x)[0, 5, 6, 1]))(image)
    change = normalize(image.at[0, 5, 6, 1].add(1)) - normalize(image)
    assert float(slope[0, 5, 6, 1]) == pytest.approx(float(change[0, 5, 6, 1]), rel=0.05)
