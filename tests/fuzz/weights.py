"""Files of filters: Caffe's, torch's old and new ones, and ``.npz``; and files of any tensors."""

import pickle
from pathlib import Path

import numpy as np

from convcorr_jax.backbone import filter_shapes
from convcorr_jax.backbone.weights import read_params, read_tensors
from tests.builders.tensor_files import WRITERS
from tests.builders.weight_files import file_of, tiny
from tests.fuzz.mutation import Target, mutated, mutated_archive, unzipped, zipped

# Files of a kilobyte.
_LAYERS = 4


def _files(*kinds: str) -> list[bytes]:
    return [file_of(kind, layers=_LAYERS)[1] for kind in kinds]


def _torch_of_python_2() -> list[bytes]:
    """Return an archive whose pickle has other instructions."""
    members = unzipped(_files("torch")[0])
    (name,) = (name for name in members if name.endswith("data.pkl"))
    other = pickle.dumps({"features.0.weight": [1, 2.5, None, True, (1, 2, 3, 4)]}, 4)
    return [zipped(members | {name: other})]


def _reader(name: str):
    network = tiny(name, layers=_LAYERS)
    shapes = filter_shapes(network)

    def read(path: Path) -> object:
        params = read_params(path, network=network)
        assert all(filters.kernel.shape == shapes[layer] for layer, filters in params.items())
        return params

    return read


def _tensors(kind: str) -> list[bytes]:
    return [WRITERS[kind]({"a.weight": np.ones((3, 5), np.float32), "b": np.zeros((2, 0, 3), np.float32)})]


_CAFFE = ("caffe", "caffe, unpacked", "caffe, old", "caffe, old, unpacked")
TARGETS = [
    Target("caffemodel", lambda: _files(*_CAFFE), _reader("caffenet"), mutated),
    Target("pth", lambda: _files("torch") + _torch_of_python_2(), _reader("alexnet"), mutated_archive),
    Target("pth-old", lambda: _files("torch, old"), _reader("vgg16"), mutated),
    Target("safetensors", lambda: _tensors("safetensors"), read_tensors, mutated),
    Target("onnx", lambda: _tensors("onnx"), read_tensors, mutated),
    Target("pth-tensors", lambda: _tensors("torch"), read_tensors, mutated_archive),
    Target("npz-weights", lambda: _files("native"), _reader("vgg16"), mutated_archive),
]
