"""Every format is read back as it was written, by its content; what is not whole and right is refused."""

import contextlib
import functools
import io
import pickle
import warnings

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convcorr_jax.backbone import NETWORKS, Conv, Network
from convcorr_jax.backbone.weights import layout, load, loading, read_params
from convcorr_jax.backbone.weights.layout import Stored, assemble
from convcorr_jax.errors import InputError
from tests.reference import caffe_model

# The first module of every layer in torchvision's lists, from its published models.
TORCH_MODULES = {
    "alexnet": [*(f"features.{i}" for i in (0, 3, 6, 8, 10)), "classifier.1", "classifier.4"],
    "vgg16": [
        *(f"features.{i}" for i in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)),
        "classifier.0",
        "classifier.3",
    ],
}


@functools.cache
def tiny(name: str) -> Network:
    """The network with two channels in every layer: files of a few kilobytes."""
    network = NETWORKS[name]
    layers = tuple(x._replace(channels=2) if isinstance(x, Conv) else x for x in network.layers)
    return network._replace(layers=layers)


@functools.cache
def weights_of(network: Network) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return caffe_model.random_weights(network, np.random.default_rng(1))


def params_of(network: Network):
    weights = weights_of(network)
    return assemble({n: Stored(*w) for n, w in weights.items()}, network, source="test")


def torch_bytes(network: Network, *, new_format: bool) -> bytes:
    state: dict[str, torch.Tensor] = {}
    for module, (name, (kernel, bias)) in zip(
        TORCH_MODULES[network.name], weights_of(network).items(), strict=True
    ):
        flat = kernel.reshape(len(kernel), -1) if name.startswith("fc") else kernel
        state[f"{module}.weight"] = torch.from_numpy(flat)
        state[f"{module}.bias"] = torch.from_numpy(bias)
    stream = io.BytesIO()
    torch.save(state, stream, _use_new_zipfile_serialization=new_format)
    return stream.getvalue()


def native_bytes(network: Network) -> bytes:
    kernels = {f"{name}_w": kernel for name, (kernel, _) in weights_of(network).items()}
    biases = {f"{name}_b": bias for name, (_, bias) in weights_of(network).items()}
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **kernels, **biases)
    return stream.getvalue()


def caffe_bytes(network: Network, **options: bool) -> bytes:
    return caffe_model.caffemodel(network, weights_of(network), **options)


FILES = {
    "caffe": ("caffenet", caffe_bytes),
    "caffe, unpacked": ("caffenet", functools.partial(caffe_bytes, packed=False)),
    "caffe, old": ("bvlc_alexnet", functools.partial(caffe_bytes, old_messages=True)),
    "caffe, old, unpacked": ("caffenet", functools.partial(caffe_bytes, old_messages=True, packed=False)),
    "torch": ("alexnet", functools.partial(torch_bytes, new_format=True)),
    "torch, old": ("vgg16", functools.partial(torch_bytes, new_format=False)),
    "native": ("vgg16", native_bytes),
}


@functools.cache
def file_of(kind: str) -> tuple[Network, bytes]:
    name, write = FILES[kind]
    return tiny(name), write(tiny(name))


@pytest.mark.parametrize("kind", FILES)
def test_a_file_of_any_format_is_read_back(kind, tmp_path):
    network, content = file_of(kind)
    path = tmp_path / "a file without a known ending"
    path.write_bytes(content)
    params = read_params(path, network=network)
    weights = weights_of(network)
    assert list(params) == list(weights)
    for name, (kernel, bias) in weights.items():
        np.testing.assert_array_equal(params[name].kernel, kernel.transpose(2, 3, 1, 0))
        np.testing.assert_array_equal(params[name].bias, bias)


def read_damaged(network: Network, path, content: bytes) -> None:
    """Filters of the right shapes, or an `InputError`; anything else fails the test."""
    path.write_bytes(content)
    with contextlib.suppress(InputError):
        params = read_params(path, network=network)
        whole = {name: kernel.shape for name, (kernel, _) in weights_of(network).items()}
        assert {n: f.kernel.transpose(3, 2, 0, 1).shape for n, f in params.items()}.items() <= whole.items()


@pytest.mark.parametrize("kind", FILES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fraction=st.floats(0, 1, exclude_max=True))
def test_a_cut_file_is_refused_or_has_fewer_layers(kind, tmp_path, fraction):
    network, content = file_of(kind)
    path = tmp_path / "cut"
    path.write_bytes(content[: int(fraction * len(content))])
    try:
        params = read_params(path, network=network)
    except InputError:
        return
    # Only a caffemodel can be cut between two layers; it then is one of fewer layers.
    assert kind.startswith("caffe")
    assert len(params) < len(weights_of(network))
    for name, filters in params.items():
        kernel, bias = weights_of(network)[name]
        np.testing.assert_array_equal(filters.kernel, kernel.transpose(2, 3, 1, 0))
        np.testing.assert_array_equal(filters.bias, bias)


@pytest.mark.parametrize("kind", FILES)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_give_weights_or_a_refusal(kind, tmp_path, data):
    network, content = file_of(kind)
    damaged = bytearray(content)
    # The numbers fill most of a file; half the flips go to its structure at either end.
    edge = min(3000, len(content))
    places = st.one_of(st.integers(0, edge - 1), st.integers(-edge, -1), st.integers(0, len(content) - 1))
    for place in data.draw(st.lists(places, min_size=1, max_size=3)):
        damaged[place] ^= data.draw(st.integers(1, 255))
    read_damaged(network, tmp_path / "damaged", bytes(damaged))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200), head=st.sampled_from([b"", b"\x0a\x01a", b"PK\x03\x04", b"\x80\x03"]))
def test_arbitrary_bytes_are_refused(tmp_path, content, head):
    path = tmp_path / "bytes"
    path.write_bytes(head + content)
    with pytest.raises(InputError):
        read_params(path, network=tiny("alexnet"))


def wrapped(state, prefix):
    return {f"{prefix}{name}": value for name, value in state.items()}


SCRIPTS = {
    "entry": lambda state: {"epoch": 3, "state_dict": state, "best": 0.5},
    "parallel": lambda state: wrapped(state, "module."),
    "parallel features": lambda state: {
        name.replace("features.", "features.module."): value for name, value in state.items()
    },
    "part": lambda state: {"model": wrapped(state, "module.cnn.") | {"txt.weight": torch.ones(2)}},
    "optimizer": lambda state: {
        "model": state,
        "optimizer": {"state": {0: {"step": torch.tensor(7), "avg": torch.ones(3).double()}}},
    },
    "channels last": lambda state: {
        name: value.to(memory_format=torch.channels_last) if value.ndim == 4 else value
        for name, value in state.items()
    },
    **{
        str(dtype): lambda state, dtype=dtype: {n: v.to(dtype) for n, v in state.items()}
        for dtype in (torch.float16, torch.bfloat16, torch.float64)
    },
}


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize("script", SCRIPTS)
def test_checkpoints_of_training_scripts_are_read(tmp_path, script, new_format):
    network = tiny("alexnet")
    state = torch.load(io.BytesIO(torch_bytes(network, new_format=True)))
    path = tmp_path / "model.pth"
    torch.save(SCRIPTS[script](state), path, _use_new_zipfile_serialization=new_format)
    params = read_params(path, network=network)
    for name, (kernel, bias) in weights_of(network).items():
        stored = [torch.from_numpy(kernel), torch.from_numpy(bias)]
        if script.startswith("torch."):
            stored = [one.to(getattr(torch, script[6:])).float() for one in stored]
        np.testing.assert_array_equal(params[name].kernel, stored[0].permute(2, 3, 1, 0))
        np.testing.assert_array_equal(params[name].bias, stored[1])


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ({"net": {"conv.weight": torch.ones(2)}}, r"has no features.0.weight, .* has net/conv.weight"),
        ({"features.0.weight": torch.ones(2).long()}, "is not a float tensor"),
        ({"features.0.weight": torch.ones(4)[::2]}, "is not stored without gaps"),
        (
            {"a.features.0.weight": torch.ones(2), "b.features.0.weight": torch.ones(2)},
            "several networks, a., b.",
        ),
        (
            {"features.0.weight": torch.ones(2), "module.features.0.weight": torch.ones(2)},
            "twice, with and without its wrapper",
        ),
    ],
)
def test_other_checkpoints_are_refused_by_the_names_they_have(tmp_path, state, sentence):
    torch.save(state, tmp_path / "model.pth")
    with pytest.raises(InputError, match=sentence):
        read_params(tmp_path / "model.pth", network=tiny("alexnet"))


@pytest.mark.parametrize("new_format", [True, False])
def test_a_torch_pickle_that_calls_anything_else_is_refused(new_format, tmp_path):
    class Shout:
        def __reduce__(self):
            return print, ("called",)

    stream = io.BytesIO()
    torch.save({"features.0.weight": Shout()}, stream, _use_new_zipfile_serialization=new_format)
    path = tmp_path / "evil.pth"
    path.write_bytes(stream.getvalue())
    with pytest.raises(InputError, match=r"evil.pth names __builtin__.print, which"):
        read_params(path, network=tiny("alexnet"))


def test_the_array_unpickler_admits_arrays_and_nothing_else():
    value = {"a": {"b": np.arange(6, dtype=np.float32).reshape(2, 3)}}
    for protocol in (3, 4):
        read = loading.unpickle_arrays(pickle.dumps(value, protocol=protocol))
        np.testing.assert_array_equal(read["a"]["b"], value["a"]["b"])
    for evil in (print, io.BytesIO, np.load):
        with pytest.raises(InputError, match="does not need"):
            loading.unpickle_arrays(pickle.dumps(evil, protocol=3))


def test_a_changed_file_of_the_package_is_refused_before_it_is_unpickled(tmp_path):
    path = tmp_path / "alexnet.ckpt"
    path.write_bytes(pickle.dumps({"AlexNet_0": {}}, protocol=3))
    with pytest.raises(InputError, match="is not the published file: its sha256 is"):
        read_params(path, network=NETWORKS["alexnet"])


def test_saved_weights_come_back_bit_for_bit(tmp_path):
    network = tiny("caffenet")
    params = params_of(network)
    layout.save(tmp_path / "w.npz", params, network=network)
    again = read_params(tmp_path / "w.npz", network=network)
    for name, filters in params.items():
        np.testing.assert_array_equal(filters.kernel, again[name].kernel)
        np.testing.assert_array_equal(filters.bias, again[name].bias)
    with pytest.raises(InputError, match="holds weights of caffenet, not of bvlc_alexnet"):
        read_params(tmp_path / "w.npz", network=tiny("bvlc_alexnet"))


def test_caffenet_is_not_taken_for_alexnet(tmp_path):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(caffe_bytes(tiny("caffenet")))
    with pytest.raises(
        InputError, match="is not bvlc_alexnet: its layers come in the order conv1, pool1, norm1"
    ):
        read_params(path, network=tiny("bvlc_alexnet"))


@pytest.mark.parametrize(
    ("kind", "other", "sentence"),
    [
        ("caffe", "alexnet", "is a caffemodel, and alexnet is torchvision's"),
        ("torch", "caffenet", "is a torch checkpoint, and caffenet is Caffe's"),
    ],
)
def test_a_format_of_the_other_framework_is_refused(kind, other, sentence, tmp_path):
    path = tmp_path / "net"
    path.write_bytes(file_of(kind)[1])
    with pytest.raises(InputError, match=sentence):
        read_params(path, network=tiny(other))


def test_a_missing_layer_and_a_wrong_shape_are_refused_by_name(tmp_path):
    network = tiny("caffenet")
    weights = weights_of(network)
    path = tmp_path / "net.caffemodel"

    path.write_bytes(caffe_model.caffemodel(network, {n: w for n, w in weights.items() if n != "conv3"}))
    with pytest.raises(InputError, match=r"conv3 in .* has 0 arrays; kernel and bias are expected"):
        read_params(path, network=network)

    without = network._replace(layers=tuple(x for x in network.layers if x.name != "conv3"))
    path.write_bytes(caffe_model.caffemodel(without, weights))
    with pytest.raises(InputError, match="has no conv3, which caffenet needs"):
        read_params(path, network=network)

    kernel, bias = weights["conv2"]
    path.write_bytes(caffe_model.caffemodel(network, weights | {"conv2": (kernel.transpose(1, 0, 2, 3), bias)}))
    with pytest.raises(InputError, match=r"kernel of conv2 in .* has shape \(1, 2, 5, 5\); \(2, 1, 5, 5\)"):
        read_params(path, network=network)

    path.write_bytes(caffe_model.caffemodel(network, weights | {"fc7": (weights["fc7"][0], bias[:1])}))
    with pytest.raises(InputError, match=r"bias of fc7 in .* has shape \(1,\); \(2,\)"):
        read_params(path, network=network)

    path.write_bytes(caffe_model.caffemodel(network, weights | {"conv5": (weights["conv5"][0] * np.nan, bias)}))
    with pytest.raises(InputError, match=r"conv5 in .* holds values that are not finite"):
        read_params(path, network=network)


def test_a_large_unpacked_file_is_read_in_reasonable_memory_and_time(tmp_path):
    # Unpacked floats one at a time in Python would take minutes for a network of this size.
    network = NETWORKS["caffenet"]
    without_fc = network._replace(layers=tuple(x for x in network.layers if not x.name.startswith("fc")))
    weights = weights_of(without_fc)
    path = tmp_path / "net.caffemodel"
    path.write_bytes(caffe_model.caffemodel(without_fc, weights, packed=False))
    loaded = load("caffenet", path=path)
    assert loaded.layers == without_fc.layer_names
    assert loaded.source == "net.caffemodel"
    np.testing.assert_array_equal(loaded.params["conv5"].bias, weights["conv5"][1])


def test_reading_warns_of_nothing(tmp_path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for kind in FILES:
            network, content = file_of(kind)
            (tmp_path / "file").write_bytes(content)
            read_params(tmp_path / "file", network=network)
    assert not caught
