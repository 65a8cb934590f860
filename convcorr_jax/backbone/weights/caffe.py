"""Reader of Caffe's ``.caffemodel`` files, new and old, without Caffe or protobuf.

A file is one protobuf message, ``NetParameter``: a sequence of fields, each a number, a wire type and a value.
The reader uses only these fields, by their numbers in Caffe's ``caffe.proto``:

    NetParameter      layers = 2 (V1LayerParameter, before 2015)   layer = 100 (LayerParameter)
    V1LayerParameter  name = 4   blobs = 6
    LayerParameter    name = 1   blobs = 7
    BlobProto         data = 5 (float)   shape = 7   num, channels, height, width = 1-4 (before 2015)
    BlobShape         dim = 1
"""

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convcorr_jax.backbone.networks import Network, filter_shapes
from convcorr_jax.backbone.weights.layout import Stored, check_shapes, count_numbers
from convcorr_jax.backbone.weights.protobuf import Fields, integers
from convcorr_jax.errors import InputError
from convcorr_jax.io import check_file

# A caffemodel begins with the tag of its name (field 1) or of its first layer (field 2 or 100).
MAGIC = (b"\x0a", b"\x12", b"\xa2\x06")

# Batch normalization has three; no layer of a network here has more.
_MAX_BLOBS = 8
_MAX_AXES = 4
# A file may hold a gradient beside each number, and layers that the network here does not have.
_BYTES_PER_NUMBER = 8
_FURTHER_BYTES = 2**26


class _Layer(NamedTuple):
    name: str
    blobs: list[memoryview]


def read(path: Path, network: Network) -> dict[str, Stored]:
    """Read kernel and bias of each of the network's convolutions that the file contains.

    Raises:
        InputError: the network is not one of Caffe's; the file is larger than one of it can be, or is that of
            the other one. CaffeNet and AlexNet have the same names and shapes; they differ in whether
            pooling or normalisation comes first.
        ValueError, TypeError: the file is damaged.
    """
    if not network.preprocessing.bgr:
        raise InputError(f"{path} is a caffemodel, and {network.name} is torchvision's, not Caffe's")
    most_bytes = _BYTES_PER_NUMBER * count_numbers(network) + _FURTHER_BYTES
    check_file(path, "caffemodel", most_bytes=most_bytes)
    fields = _Fields()
    named = (
        layer for layer in fields.layers(memoryview(path.read_bytes())) if layer.name in network.layer_names
    )
    # One more than the network has is too many, however many there are.
    layers = list(itertools.islice(named, len(network.layer_names) + 1))
    order = [layer.name for layer in layers]
    expected = [name for name in network.layer_names if name in order]
    if order != expected:
        raise InputError(
            f"{path} is not {network.name}: its layers come in the order {', '.join(order)}; "
            f"{', '.join(expected)} is expected"
        )
    shapes = filter_shapes(network)
    return {
        layer.name: _filters(fields, layer, shapes[layer.name], path)
        for layer in layers
        if layer.name in shapes
    }


def _filters(fields: "_Fields", layer: _Layer, expected: tuple[int, int, int, int], path: Path) -> Stored:
    """Check the shapes of a layer's arrays, and only then read their values."""
    if len(layer.blobs) != 2:
        raise InputError(f"{layer.name} in {path} has {len(layer.blobs)} arrays; kernel and bias are expected")
    kernel, bias = map(fields.shape, layer.blobs)
    check_shapes(kernel, bias, expected, what=f"{layer.name} in {path}")
    return Stored(fields.values(layer.blobs[0], kernel), fields.values(layer.blobs[1], bias))


class _Fields(Fields):
    """Caffe's messages."""

    def layers(self, message: memoryview) -> Iterator[_Layer]:
        """Yield the layers of a NetParameter."""
        for number, value in self.of(message):
            if number == 2:
                yield self._layer(value, name_field=4, blob_field=6)
            elif number == 100:
                yield self._layer(value, name_field=1, blob_field=7)

    def shape(self, blob: memoryview) -> tuple[int, ...]:
        """Return a BlobProto's shape: a list of sizes, or four numbers with the default 1."""
        legacy, shape = [1, 1, 1, 1], None
        for number, value in self.of(blob):
            if number == 7:
                sizes = (size for n, sizes in self.of(value) if n == 1 for size in integers(sizes))
                # One more axis than any array has is too many, however many there are.
                shape = list(itertools.islice(sizes, _MAX_AXES + 1))
            elif 1 <= number <= 4:
                legacy[number - 1] = int(value)
        return tuple(legacy if shape is None else shape)

    def values(self, blob: memoryview, shape: tuple[int, ...]) -> np.ndarray:
        """Return a BlobProto's values in its shape."""
        values, end = np.empty(math.prod(shape), "<f4"), 0
        for number, value in self.of(blob):
            if number == 5:
                run = np.frombuffer(value, "<f4")
                # Values beyond the end of the array do not fit into what is left of it.
                values[end : end + run.size] = run
                end += run.size
        if end != values.size:
            raise ValueError(f"an array of shape {shape} has {end} values")
        return values.reshape(shape)

    def _layer(self, message: memoryview, *, name_field: int, blob_field: int) -> _Layer:
        name, blobs = "", []
        for number, value in self.of(message):
            if number == name_field:
                name = str(value, "utf-8")
            elif number == blob_field:
                blobs.append(value)
                if len(blobs) > _MAX_BLOBS:
                    raise ValueError(f"a layer has more than {_MAX_BLOBS} arrays")
        return _Layer(name, blobs)
