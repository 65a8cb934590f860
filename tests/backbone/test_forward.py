import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from convcorr_jax.backbone import (
    NETWORKS,
    Conv,
    Network,
    Params,
    activations,
    convolution,
    filter_shapes,
    forward,
    preprocess,
)
from convcorr_jax.backbone.weights.layout import Stored, assemble
from tests.builders.processes import printed
from tests.reference import caffe_model, torch_alexnet
from tests.reference.caffe_model import random_params

# Relative to the layer's largest activation. Different orders of summing thousands of float32 products, and
# the few digits that minimal filtering gives away, stay below 1e-5 for every layer measured.
TOLERANCE = 2e-5


def narrow(network: Network, *, divide_by: int = 1, fc: int = 64) -> Network:
    """The same geometry with fewer channels, so that tests are quick."""
    layers = tuple(
        layer._replace(channels=fc if layer.name.startswith("fc") else layer.channels // divide_by)
        if isinstance(layer, Conv)
        else layer
        for layer in network.layers
    )
    return network._replace(layers=layers)


def params_of(module: torch.nn.Module, network: Network) -> Params:
    """The parameters of a network of torch, whose layers come in the same order."""
    tensors = [parameter.detach().numpy() for parameter in module.parameters()]
    layers = zip(filter_shapes(network), tensors[::2], tensors[1::2], strict=False)
    return assemble({name: Stored(kernel, bias) for name, kernel, bias in layers}, network, source="twin")


def channels_last(array) -> np.ndarray:
    """Reorder the axes of Caffe and torch, which omit those of single pixels."""
    array = np.asarray(array)
    return array.reshape(*array.shape[:2], *(array.shape[2:] or (1, 1))).transpose(0, 2, 3, 1)


def assert_layer_close(found, expected, name: str) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max(), err_msg=name)


@pytest.mark.parametrize(
    ("name", "side"),
    # 227 is the published size; at 231 all three of Caffe's poolings reach over the border.
    [("caffenet", 227), ("bvlc_alexnet", 227), ("caffenet", 231), ("vgg16", 64)],
)
def test_every_layer_agrees_with_opencv(name, side, rng, tmp_path):
    network = narrow(NETWORKS[name], divide_by=2)
    if side != network.image_side:
        network = network._replace(layers=tuple(x for x in network.layers if not x.name.startswith("fc")))
    weights = caffe_model.random_weights(network, rng)
    (tmp_path / "net.prototxt").write_text(caffe_model.prototxt(network, side=side))
    (tmp_path / "net.caffemodel").write_bytes(caffe_model.caffemodel(network, weights))
    engine = cv2.dnn.readNetFromCaffe(str(tmp_path / "net.prototxt"), str(tmp_path / "net.caffemodel"))
    engine.enableFusion(False)
    inputs = rng.standard_normal((2, side, side, 3), dtype=np.float32) * 50
    engine.setInput(np.ascontiguousarray(inputs.transpose(0, 3, 1, 2)))
    ends = [f"{x.name}_relu" if isinstance(x, Conv) else x.name for x in network.layers]
    expected = engine.forward(ends)
    params = assemble({n: Stored(*w) for n, w in weights.items()}, network, source="test")
    found = activations(params, jnp.asarray(inputs), network=network, layers=network.layer_names)
    for layer, reference in zip(network.layer_names, expected, strict=True):
        assert_layer_close(found[layer], channels_last(reference), layer)


def test_alexnet_and_its_gradient_agree_with_torch(rng):
    torch.manual_seed(0)
    twin = torch_alexnet.AlexNet(fc=64).eval()
    network = narrow(NETWORKS["alexnet"])
    inputs = preprocess(rng.integers(0, 256, (2, 224, 224, 3), dtype=np.uint8), network=network)
    params = params_of(twin, network)
    their_inputs = torch.from_numpy(np.array(inputs)).permute(0, 3, 1, 2).requires_grad_()
    expected = twin.layers(their_inputs)
    found = activations(params, inputs, network=network, layers=list(expected))
    for layer, reference in expected.items():
        assert_layer_close(found[layer], channels_last(reference.detach()), layer)

    def energy(x):
        return jnp.sum(activations(params, x, network=network, layers=("conv3",))["conv3"] ** 2)

    torch.sum(expected["conv3"] ** 2).backward()
    assert_layer_close(jax.grad(energy)(inputs), channels_last(their_inputs.grad), "gradient")


def test_vgg16_agrees_with_torch_where_pooling_cuts(rng):
    torch.manual_seed(0)
    features = torch_alexnet.vgg16_features()[:10]
    network = NETWORKS["vgg16"]
    network = network._replace(layers=network.layers[:6])
    params = params_of(features, network)
    inputs = rng.standard_normal((1, 67, 93, 3), dtype=np.float32)
    with torch.no_grad():
        expected = features(torch.from_numpy(inputs).permute(0, 3, 1, 2))
    found = activations(params, jnp.asarray(inputs), network=network, layers=("pool2",))
    assert_layer_close(found["pool2"], channels_last(expected), "pool2")


def test_preprocessing_is_the_networks_own():
    image = np.zeros((1, 1, 2, 3), np.uint8)
    image[0, 0, 1] = (255, 0, 0)  # red
    caffe = preprocess(image, network=NETWORKS["caffenet"])
    np.testing.assert_allclose(caffe[0, 0, 0], [-104.007, -116.669, -122.679], rtol=1e-6)
    np.testing.assert_allclose(caffe[0, 0, 1], [-104.007, -116.669, 255 - 122.679], rtol=1e-6)
    ours = preprocess(image.astype(np.float32), network=NETWORKS["alexnet"])
    np.testing.assert_allclose(ours[0, 0, 1], [(1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225], rtol=1e-6)


def test_a_block_name_is_its_last_convolution(rng):
    network = narrow(NETWORKS["vgg16"], divide_by=8)
    params = random_params(network, rng)
    inputs = jnp.asarray(rng.standard_normal((1, 32, 32, 3), dtype=np.float32))
    found = activations(params, inputs, network=network, layers=("conv2", "conv2_2", "conv2_1"))
    np.testing.assert_array_equal(found["conv2"], found["conv2_2"])
    assert not np.array_equal(found["conv2"], found["conv2_1"])


def test_an_image_alone_gives_what_it_gives_in_a_batch_of_uneven_chunks(rng, monkeypatch):
    network = narrow(NETWORKS["caffenet"], divide_by=4)
    params = random_params(network, rng)
    inputs = jnp.asarray(rng.standard_normal((7, 99, 99, 3), dtype=np.float32))
    alone = [activations(params, x[None], network=network, layers=("conv4",)) for x in inputs]
    largest = 23 * 23 * 24 * 4  # conv1
    monkeypatch.setattr(forward, "_BYTES_AT_ONCE", 3.5 * largest)
    together = activations(params, inputs, network=network, layers=("norm1", "conv4"))
    assert (list(together), together["norm1"].shape) == (["norm1", "conv4"], (7, 11, 11, 24))
    assert_layer_close(together["conv4"], np.concatenate([found["conv4"] for found in alone]), "conv4")


def test_on_other_devices_the_plain_convolution_gives_the_same(rng, monkeypatch):
    network = narrow(NETWORKS["bvlc_alexnet"], divide_by=4)
    params = random_params(network, rng)
    inputs = jnp.asarray(rng.standard_normal((1, 99, 131, 3), dtype=np.float32))
    here = activations(params, inputs, network=network, layers=("conv5",))["conv5"]
    monkeypatch.setattr(convolution, "on_cpu", lambda: False)
    plain = forward._activations.__wrapped__(params, inputs, network=network, layers=("conv5",))["conv5"]
    assert_layer_close(here, plain, "conv5")


@pytest.mark.parametrize("name", ["alexnet", "vgg16"])
def test_without_winograd_the_maps_are_the_same(name, rng):
    network = narrow(NETWORKS[name], divide_by=2)
    layers = ("conv2", "conv3") if name == "alexnet" else ("conv1_2", "conv2_1")
    params = random_params(network, rng)
    inputs = jnp.asarray(rng.standard_normal((2, 63, 63, 3), dtype=np.float32))
    fast, plain = (
        activations(params, inputs, network=network._replace(winograd=winograd), layers=layers)
        for winograd in (True, False)
    )
    for layer in layers:
        assert (fast[layer] != plain[layer]).any(), "the option has no effect"
        assert_layer_close(plain[layer], np.asarray(fast[layer]), layer)


def test_it_vmaps_and_compiles_once(rng, monkeypatch):
    network = narrow(NETWORKS["alexnet"], divide_by=8)
    params = random_params(network, rng)
    inputs = jnp.asarray(rng.standard_normal((2, 1, 79, 79, 3), dtype=np.float32))
    traces, stages = [], forward._stages
    monkeypatch.setattr(forward, "_stages", lambda layers: traces.append(1) or stages(layers))

    def run(x):
        return activations(params, x, network=network, layers=("conv3",))["conv3"]

    alone = run(inputs[1])
    np.testing.assert_array_equal(
        alone, activations(params, inputs[1], network=network, layers=["conv3"])["conv3"]
    )
    assert len(traces) == 1
    np.testing.assert_allclose(jax.vmap(run)(inputs)[1], alone, rtol=1e-4, atol=1e-4)


SHARDED = """
import warnings
warnings.simplefilter("error")
import jax, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from convcorr_jax.backbone import activations, preprocess
from tests.builders.fitted_models import random_weights

weights, images = random_weights(), np.random.default_rng(0).integers(0, 256, (4, 67, 67, 3), np.uint8)
inputs, options = preprocess(images, network=weights.network), {"network": weights.network, "layers": ["conv5"]}
devices = Mesh(np.array(jax.devices()), ("batch",))
rows, copies = NamedSharding(devices, PartitionSpec("batch")), NamedSharding(devices, PartitionSpec())
found = activations(jax.device_put(weights.params, copies), jax.device_put(inputs, rows), **options)["conv5"]
alone = [activations(weights.params, inputs[k : k + 2], **options)["conv5"] for k in (0, 2)]
print(len(found.addressable_shards), found.addressable_shards[0].data.shape[0])
print(np.abs(found - np.concatenate(alone)).max() / np.abs(found).max())
"""


def test_devices_compute_their_parts_of_a_batch():
    flags = "--xla_force_host_platform_device_count=2"
    shards, difference = printed("-c", SHARDED, XLA_FLAGS=flags, JAX_PLATFORMS="cpu").splitlines()[-2:]
    assert shards == "2 2"
    assert float(difference) < TOLERANCE
