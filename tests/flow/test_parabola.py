"""The vertex of a parabola through three samples, of NumPy and of JAX arrays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax.flow import parabola_vertex


@pytest.mark.parametrize("asarray", [np.asarray, jnp.asarray])
def test_the_vertex_of_a_known_parabola_is_found(rng, asarray):
    vertex = rng.uniform(-0.5, 0.5, 50)
    samples = [asarray(3 * (x - vertex) ** 2 + 1, np.float32) for x in (-1, 0, 1)]
    found = parabola_vertex(*samples)
    assert isinstance(found, type(samples[0]))
    np.testing.assert_allclose(found, vertex, atol=1e-5)


@pytest.mark.parametrize("samples", [(1, 1, 1), (0, 1, 2), (1, 2, 1), (np.inf, 0, 1), (np.inf, 0, np.inf)])
def test_without_a_finite_minimum_in_the_middle_the_offset_is_zero(samples):
    assert parabola_vertex(*(np.array([x], float) for x in samples)).tolist() == [0]


def test_the_offset_is_at_most_half_a_sample(rng):
    before, center, after = rng.normal(size=(3, 1000)).astype(np.float32)
    lowest = np.minimum(np.minimum(before, after), center)
    plateau = np.where(rng.random(1000) < 0.5, lowest, before)
    offset = parabola_vertex(plateau, lowest, after)
    assert np.abs(offset).max() <= 0.5
    mirrored = parabola_vertex(after, lowest, plateau)
    np.testing.assert_allclose(mirrored, -offset, atol=1e-6)
    np.testing.assert_allclose(jax.jit(parabola_vertex)(plateau, lowest, after), offset, atol=1e-6)
