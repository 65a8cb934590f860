"""Every format is read back as it was written, by its content; what is not whole and right is refused.

`tests/fuzz/weights.py` changes bytes of all of them.
"""

import io
import pickle

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convcorr_jax.backbone import NETWORKS
from convcorr_jax.backbone.weights import layout, load, loading, read_params
from convcorr_jax.errors import InputError
from tests.builders.weight_files import FILES, file_of, tiny, torch_bytes, weights_of
from tests.reference import caffe_model
from tests.reference.caffe_model import random_params


def assert_read_back(params, network):
    """Compare filters with the network's weights, from the first layer on."""
    for name, filters in params.items():
        kernel, bias = weights_of(network)[name]
        np.testing.assert_array_equal(filters.kernel, kernel.transpose(2, 3, 1, 0))
        np.testing.assert_array_equal(filters.bias, bias)


@pytest.mark.parametrize("kind", FILES)
def test_a_file_of_any_format_is_read_back(kind, tmp_path):
    network, content = file_of(kind)
    path = tmp_path / "a file without a known ending"
    path.write_bytes(content)
    params = read_params(path, network=network)
    assert list(params) == list(weights_of(network))
    assert_read_back(params, network)


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
    assert_read_back(params, network)


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
    params = random_params(network, np.random.default_rng(0))
    layout.save(tmp_path / "w.npz", params, network=network)
    again = read_params(tmp_path / "w.npz", network=network)
    for name, filters in params.items():
        np.testing.assert_array_equal(filters.kernel, again[name].kernel)
        np.testing.assert_array_equal(filters.bias, again[name].bias)
    with pytest.raises(InputError, match="holds weights of caffenet, not of bvlc_alexnet"):
        read_params(tmp_path / "w.npz", network=tiny("bvlc_alexnet"))


@pytest.mark.parametrize(
    ("kind", "other", "sentence"),
    [
        ("caffe", "alexnet", "is a caffemodel, and alexnet is torchvision's"),
        ("caffe", "bvlc_alexnet", "is not bvlc_alexnet: its layers come in the order conv1, pool1, norm1"),
        ("torch", "caffenet", "is a torch checkpoint, and caffenet is Caffe's"),
    ],
)
def test_a_file_of_another_network_is_refused(kind, other, sentence, tmp_path):
    path = tmp_path / "net"
    path.write_bytes(file_of(kind)[1])
    with pytest.raises(InputError, match=sentence):
        read_params(path, network=tiny(other))


CHANGES = {
    r"conv3 in .* has 0 arrays; kernel and bias are expected": lambda w: {n: w[n] for n in w if n != "conv3"},
    r"kernel of conv2 in .* has shape \(1, 2, 5, 5\); \(2, 1, 5, 5\)": lambda w: (
        w | {"conv2": (w["conv2"][0].transpose(1, 0, 2, 3), w["conv2"][1])}
    ),
    r"bias of fc7 in .* has shape \(1,\); \(2,\)": lambda w: w | {"fc7": (w["fc7"][0], w["fc7"][1][:1])},
    r"conv5 in .* holds values that are not finite": lambda w: (
        w | {"conv5": (w["conv5"][0] * np.nan, w["conv5"][1])}
    ),
}


def test_a_missing_layer_and_a_wrong_shape_are_refused_by_name(tmp_path):
    network, path = tiny("caffenet"), tmp_path / "net.caffemodel"
    for sentence, change in CHANGES.items():
        path.write_bytes(caffe_model.caffemodel(network, change(weights_of(network))))
        with pytest.raises(InputError, match=sentence):
            read_params(path, network=network)
    without = network._replace(layers=tuple(x for x in network.layers if x.name != "conv3"))
    path.write_bytes(caffe_model.caffemodel(without, weights_of(network)))
    with pytest.raises(InputError, match="has no conv3, which caffenet needs"):
        read_params(path, network=network)


def test_a_large_unpacked_file_is_read_in_reasonable_memory_and_time(tmp_path):
    # Unpacked floats one at a time in Python would take minutes for a network of this size.
    network = NETWORKS["caffenet"]
    without_fc = network._replace(layers=tuple(x for x in network.layers if not x.name.startswith("fc")))
    weights = weights_of(without_fc)
    path = tmp_path / "net.caffemodel"
    path.write_bytes(caffe_model.caffemodel(without_fc, weights, packed=False))
    loaded = load("caffenet", path=path)
    assert (loaded.layers, loaded.source) == (without_fc.layer_names, "net.caffemodel")
    np.testing.assert_array_equal(loaded.params["conv5"].bias, weights["conv5"][1])
