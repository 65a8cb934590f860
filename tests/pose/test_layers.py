import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from convcorr_jax.pose.layers import convolution


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
        params = jax.eval_shape(layer.init, jax.random.key(0), maps)
        traced = jax.jit(layer.apply).trace(params, maps)
        return traced.lower(lowering_platforms=(platform,)).as_text().count("stablehlo.convolution")

    assert convolutions(dtype="float32", platform="cpu") > 1
    assert convolutions(dtype="bfloat16", platform="cpu") == 1
    assert convolutions(dtype="float32", platform="cuda") == 1
    assert convolutions(dtype="float32", platform="tpu") == 1
