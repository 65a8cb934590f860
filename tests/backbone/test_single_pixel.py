import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax.backbone import (
    NETWORKS,
    Conv,
    LocalResponseNorm,
    MaxPool,
    Network,
    activations,
    receptive_field,
    single_pixel_activations,
)
from tests.reference.caffe_model import random_params

# Every kind of layer, in the order of the real tables, with a stride of 8 and a field of 49 pixels.
NETWORK = Network(
    "small",
    NETWORKS["caffenet"].preprocessing,
    image_side=64,
    layers=(
        Conv("conv1", 8, window=5, stride=2, padding=2),
        LocalResponseNorm("norm1"),
        MaxPool("pool1", window=3, stride=2, ceil=True),
        Conv("conv2", 16, window=5, padding=2, groups=2),
        MaxPool("pool2", window=3, stride=2, ceil=False),
        Conv("conv3", 12, window=3, padding=1, groups=2),
    ),
)


@pytest.mark.parametrize("layer", ["norm1", "conv3"])
def test_each_pixel_has_what_the_shifted_image_would_give_at_the_stride(layer, rng):
    params = random_params(NETWORK, rng)
    field = receptive_field(NETWORK, layer)
    side, margin = field.size_px + 6, 48
    # Of a large image the network's zero padding does not reach the fields in the middle.
    large = rng.standard_normal((1, side + 2 * margin, side + 2 * margin, 3), dtype=np.float32)
    inside = large[:, margin : margin + side, margin : margin + side]
    found = single_pixel_activations(params, jnp.asarray(inside), network=NETWORK, layer=layer)[0]
    assert found.shape[:2] == (7, 7)
    first_pixel = field.first_center_px - (field.size_px - 1) / 2
    for x, y in [(0, 0), (1, 0), (0, 1), (5, 3), (6, 6)]:
        from_first = np.array([x, y]) + margin - first_pixel
        column, row = (from_first // field.stride_px).astype(int)
        right, down = (from_first % field.stride_px).astype(int)
        shifted = jnp.asarray(large[:, down : down + side + 80, right : right + side + 80])
        expected = activations(params, shifted, network=NETWORK, layers=[layer])[layer][0, row, column]
        # Sums in another order.
        np.testing.assert_allclose(found[y, x], expected, rtol=1e-4, atol=1e-5)


def test_sides_need_not_be_multiples_of_the_stride(rng):
    params = random_params(NETWORK, rng)
    large = jnp.asarray(rng.standard_normal((2, 70, 83, 3), dtype=np.float32))
    all_of_it = single_pixel_activations(params, large, network=NETWORK, layer="pool1")
    assert all_of_it.shape[1:3] == (62, 75)
    part = single_pixel_activations(params, large[:, 3:34, 9:], network=NETWORK, layer="pool1")
    np.testing.assert_allclose(all_of_it[:, 3:26, 9:], part, rtol=1e-4, atol=1e-5)
