"""Files of filters: Caffe's, torch's old and new ones, and ``.npz``."""

import functools
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np

from convcorr_jax.backbone import NETWORKS, Conv, Network
from convcorr_jax.backbone.weights import read_params
from tests.fuzz.mutation import Target, mutated, mutated_archive
from tests.reference import caffe_model


def _tiny(name: str) -> Network:
    """Return the first layers of a network with one or two channels: files of a kilobyte."""
    network = NETWORKS[name]
    layers = tuple(x._replace(channels=2) if isinstance(x, Conv) else x for x in network.layers)
    return network._replace(layers=layers[:4])


def _weights(network: Network) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return caffe_model.random_weights(network, np.random.default_rng(1))


def _caffe() -> list[bytes]:
    network = _tiny("caffenet")
    return [
        caffe_model.caffemodel(network, _weights(network), old_messages=old, packed=packed)
        for old in (False, True)
        for packed in (False, True)
    ]


def _torch(*, new_format: bool) -> list[bytes]:
    import torch

    network = _tiny("alexnet")
    state = {
        f"features.{number}.{part}": torch.from_numpy(array)
        for number, arrays in zip((0, 3), _weights(network).values(), strict=True)
        for part, array in zip(("weight", "bias"), arrays, strict=True)
    }
    stream = io.BytesIO()
    torch.save(state, stream, _use_new_zipfile_serialization=new_format)
    return [stream.getvalue()]


def _torch_of_python_2() -> list[bytes]:
    """An archive whose pickle has other instructions."""
    with zipfile.ZipFile(io.BytesIO(_torch(new_format=True)[0])) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    (name,) = (name for name in members if name.endswith("data.pkl"))
    members[name] = pickle.dumps({"features.0.weight": [1, 2.5, None, True, (1, 2, 3, 4)]}, 4)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return [stream.getvalue()]


def _npz() -> list[bytes]:
    stream = io.BytesIO()
    arrays = {
        f"{name}_{part}": array
        for name, (kernel, bias) in _weights(_tiny("vgg16")).items()
        for part, array in (("w", kernel), ("b", bias))
    }
    np.savez(stream, network=np.array("vgg16"), **arrays)
    return [stream.getvalue()]


def _reader(name: str):
    network = _tiny(name)

    def read(path: Path) -> object:
        return read_params(path, network=network)

    return read


TARGETS = [
    Target("caffemodel", _caffe, _reader("caffenet"), mutated),
    Target("pth", lambda: _torch(new_format=True) + _torch_of_python_2(), _reader("alexnet"), mutated_archive),
    Target("pth-old", functools.partial(_torch, new_format=False), _reader("alexnet"), mutated),
    Target("npz-weights", _npz, _reader("vgg16"), mutated_archive),
]
