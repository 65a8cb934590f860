import jax
import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.backbone import (
    NETWORKS,
    Conv,
    Filters,
    cell_centers,
    convolution,
    filter_shapes,
    forward,
    grid_size,
    receptive_field,
)


def test_table_1_of_the_paper():
    fields = {x: receptive_field(NETWORKS["caffenet"], x) for x in NETWORKS["caffenet"].layer_names}
    published = {"conv1": (11, 4), "conv2": (51, 8), "conv3": (99, 16)}
    published |= {"conv4": (131, 16), "conv5": (163, 16), "pool5": (195, 32)}
    assert {x: fields[x][:2] for x in published} == published
    # An image of 227 pixels has its middle at 113, and fc6 is its only cell.
    assert fields["fc6"].first_center_px == 113


@pytest.mark.parametrize("name", [name for name, network in NETWORKS.items() if network.vit is None])
def test_the_grid_is_the_shape_of_the_activations(name):
    network = NETWORKS[name]
    params = jax.eval_shape(
        lambda: {
            layer: Filters(jnp.zeros(shape), jnp.zeros(shape[3]))
            for layer, shape in filter_shapes(network).items()
        }
    )
    for size in ((network.image_side, network.image_side), (251, 362)):
        inputs = jax.ShapeDtypeStruct((1, *size, 3), jnp.float32)
        found = jax.eval_shape(
            lambda p, x: forward.activations(p, x, network=network, layers=network.layer_names), params, inputs
        )
        for layer, value in found.items():
            assert value.shape[1:3] == grid_size(network, layer, size), (layer, size)


def positive_network(name: str, side: int):
    """Few channels, positive filters, no bias: every pixel of a cell's field adds to it."""
    network = NETWORKS[name]
    layers = tuple(
        x._replace(channels=2 * x.groups) if isinstance(x, Conv) else x
        for x in network.layers
        if not x.name.startswith("fc")
    )
    network = network._replace(layers=layers, image_side=side)
    params = {
        layer: Filters(jnp.full(shape, 1 / np.prod(shape[:3]), jnp.float32), jnp.zeros(shape[3]))
        for layer, shape in filter_shapes(network).items()
    }
    return network, params


@pytest.mark.parametrize(("name", "layer"), [("caffenet", "conv4"), ("alexnet", "conv5"), ("vgg16", "conv4")])
def test_a_cell_responds_to_the_pixels_of_its_field_and_no_others(name, layer, monkeypatch):
    # Plain convolution, whose zeros are exact.
    monkeypatch.setattr(convolution, "on_cpu", lambda: False)
    side = 227
    network, params = positive_network(name, side)
    field = receptive_field(network, layer)
    # As many pixels as the stride has leave a cell's field no other place.
    pixels = np.array([120, 97]) + np.arange(field.stride_px)[:, None]
    lit = (
        jnp.zeros((len(pixels), side, side, 3)).at[np.arange(len(pixels)), pixels[:, 1], pixels[:, 0]].set(1.0)
    )
    uncompiled = forward._activations.__wrapped__
    found = uncompiled(params, lit, network=network, layers=(layer,))[layer].sum(axis=-1)
    cells = coords.cell_grid(grid_size(network, layer, (side, side)))
    distance = np.abs(cell_centers(network, layer)(cells) - pixels[:, None, None])
    np.testing.assert_array_equal(np.asarray(found) > 0, (distance <= (field.size_px - 1) / 2).all(-1))
