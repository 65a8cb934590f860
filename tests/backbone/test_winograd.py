from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax.backbone.convolution import cheapest_tile, transforms, winograd_correlate


@pytest.mark.parametrize(("outputs", "taps"), [(1, 3), (2, 3), (5, 3), (6, 3), (3, 5), (4, 5)])
def test_the_transforms_filter_exactly(outputs, taps, rng):
    signal, filter_taps = rng.standard_normal(outputs + taps - 1), rng.standard_normal(taps)
    a, g, b = transforms(outputs, taps)
    expected = np.correlate(signal, filter_taps, mode="valid")
    np.testing.assert_allclose(a @ ((g @ filter_taps) * (b @ signal)), expected, atol=1e-12)


def plain_convolution(images, kernel, *, padding):
    return jax.lax.conv_general_dilated(
        images, kernel, (1, 1), [(padding, padding)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def arrays_of(rng, *, taps, width):
    images = jnp.asarray(rng.standard_normal((2, 9, width, 16), dtype=np.float32))
    return images, jnp.asarray(rng.standard_normal((taps, taps, 16, 8), dtype=np.float32))


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(("taps", "padding"), [(3, 1), (3, 0), (5, 2)])
@pytest.mark.parametrize("width", [5, 13, 28])
def test_it_equals_the_plain_convolution(taps, padding, width, rng):
    images, kernel = arrays_of(rng, taps=taps, width=width)
    plain = plain_convolution(images, kernel, padding=padding)
    assert_close(winograd_correlate(images, kernel, padding=padding), plain)


@pytest.mark.parametrize(("taps", "padding"), [(3, 0), (5, 2)])
def test_its_derivatives_are_those_of_the_plain_convolution(taps, padding, rng):
    """Of reverse mode, of forward mode, and the second derivative."""
    images, kernel = arrays_of(rng, taps=taps, width=11)

    def derivatives(convolution):
        def loss(images, kernel):
            return (convolution(images, kernel, padding=padding) ** 3).sum()

        def roughness(kernel):
            return (jax.grad(loss)(images, kernel) ** 2).sum()

        correlate = partial(convolution, padding=padding)
        return (
            *jax.grad(loss, argnums=(0, 1))(images, kernel),
            jax.jvp(correlate, (images, kernel), (jnp.cos(images), jnp.sin(kernel)))[1],
            jax.grad(roughness)(kernel),
        )

    pairs = zip(derivatives(winograd_correlate), derivatives(plain_convolution), strict=True)
    for found, expected in pairs:
        assert_close(found, expected)


def test_the_cheapest_tile_is_cheapest():
    for taps, most in ((3, 6), (5, 4)):
        for width in range(1, 60):
            cost = {m: -(-width // m) * (m + taps - 1) for m in range(1, most + 1)}
            assert cost[cheapest_tile(width, taps)] == min(cost.values())
