from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.pose import layers
from tests.reference import torch_pose

normalize = jax.jit(layers.normalize)


@pytest.mark.parametrize("size", [(32, 48), (27, 38)])
def test_the_pyramid_is_torchs(rng, size):
    images = rng.integers(0, 256, (2, *size, 3), dtype=np.uint8)
    found = jax.jit(partial(layers.pyramid, levels=3))(images)
    expected = torch_pose.pyramid(torch_pose.channels_first(images), 3)
    assert len(found) == 3
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, torch_pose.channels_last(theirs), atol=2e-5)


def test_gain_and_offset_of_the_light_do_not_matter(rng):
    image = jnp.asarray(rng.uniform(0, 100, (1, 24, 24, 3)), jnp.float32)
    usual = normalize(image)
    np.testing.assert_allclose(normalize(2 * image + 30), usual, atol=1e-4)
    assert 0.5 < float(usual.std()) < 2


def test_an_image_without_contrast_gives_zeros():
    flat = jnp.full((1, 20, 20, 3), 173.0)
    assert float(abs(normalize(flat)).max()) < 1e-3


def test_one_bright_pixel_stays_where_it_is():
    """Its centre of mass, seen in the halved image, is where `coords.resize` has it."""
    image = jnp.zeros((1, 16, 24, 1)).at[0, 6, 9].set(1)
    halved = np.asarray(layers.halve(image))[0, :, :, 0]
    mass = np.einsum("hw,hwd->d", halved, coords.cell_grid(halved.shape)) / halved.sum()
    expected = coords.resize((16, 24), (8, 12))(np.array([9.0, 6.0]))
    np.testing.assert_allclose(mass, expected, atol=1e-6)
    assert halved.sum() == pytest.approx(1 / 4)


def test_it_differentiates(rng):
    image = jnp.asarray(rng.uniform(0, 255, (1, 12, 12, 3)), jnp.float32)
    slope = jax.jit(jax.grad(lambda x: normalize(x)[0, 5, 6, 1]))(image)
    change = normalize(image.at[0, 5, 6, 1].add(1)) - normalize(image)
    assert float(slope[0, 5, 6, 1]) == pytest.approx(float(change[0, 5, 6, 1]), rel=0.05)
