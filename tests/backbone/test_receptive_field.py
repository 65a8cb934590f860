import jax
import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.backbone import (
    NETWORKS,
    Conv,
    Filters,
    activations,
    cell_centers,
    convolution,
    filter_shapes,
    forward,
    grid_size,
    receptive_field,
)
from convcorr_jax.errors import InputError


def test_table_1_of_the_paper():
    fields = {x: receptive_field(NETWORKS["caffenet"], x) for x in NETWORKS["caffenet"].layer_names}
    published = {
        "conv1": (11, 4),
        "conv2": (51, 8),
        "conv3": (99, 16),
        "conv4": (131, 16),
        "conv5": (163, 16),
        "pool5": (195, 32),
    }
    assert {x: fields[x][:2] for x in published} == published
    # An image of 227 pixels has its middle at 113, and fc6 is its only cell.
    assert fields["fc6"].first_center_px == 113


@pytest.mark.parametrize("name", NETWORKS)
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
    x, y = 120, 97
    lit = jnp.zeros((1, side, side, 3)).at[0, y, x].set(1.0)
    uncompiled = forward._activations.__wrapped__
    found = uncompiled(params, lit, network=network, layers=(layer,))[layer][0].sum(axis=-1)
    cells = coords.cell_grid(grid_size(network, layer, (side, side)))
    distance = np.abs(cell_centers(network, layer)(cells) - np.array([x, y]))
    np.testing.assert_array_equal(np.asarray(found) > 0, (distance <= (field.size_px - 1) / 2).all(-1))


@pytest.mark.parametrize(("name", "layer"), [("caffenet", "conv4"), ("alexnet", "conv5"), ("vgg16", "conv4")])
def test_the_input_gradient_is_centred_on_the_cell(name, layer, rng):
    side = 227
    network, params = positive_network(name, side)
    height, width = grid_size(network, layer, (side, side))
    row, column = height // 2, width // 2
    # Averaged over images, every pixel of a pooling window is equally often its maximum.
    noise = jnp.asarray(rng.random((8, side, side, 3), dtype=np.float32))

    def response(images):
        return activations(params, images, network=network, layers=(layer,))[layer][:, row, column].sum()

    weight = np.abs(jax.grad(response)(noise)).sum(axis=(0, 3))
    positions = coords.cell_grid((side, side))
    centroid = (weight[..., None] * positions).sum(axis=(0, 1)) / weight.sum()
    expected = cell_centers(network, layer)(np.array([column, row], np.float64))
    # What eight images leave of chance; a cell off by one would be 8 or 16 pixels away.
    np.testing.assert_allclose(centroid, expected, atol=1.5)


def test_refusals_name_the_layer_and_the_size():
    network = NETWORKS["alexnet"]
    with pytest.raises(InputError, match=r"30 x 200 pixels is too small for conv5 of alexnet \(at pool2\)"):
        grid_size(network, "conv5", (200, 30))
    with pytest.raises(InputError, match="alexnet has no layer 'norm1'"):
        receptive_field(network, "norm1")
