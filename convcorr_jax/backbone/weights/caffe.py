"""Reader of Caffe's ``.caffemodel`` files, new and old, without Caffe or protobuf.

A file is one protobuf message, ``NetParameter``: a sequence of fields, each a number, a wire type and a value.
The reader uses only these fields, by their numbers in Caffe's ``caffe.proto``:

    NetParameter      layers = 2 (V1LayerParameter, before 2015)   layer = 100 (LayerParameter)
    V1LayerParameter  name = 4   blobs = 6
    LayerParameter    name = 1   blobs = 7
    BlobProto         data = 5 (float)   shape = 7   num, channels, height, width = 1-4 (before 2015)
    BlobShape         dim = 1
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from convcorr_jax.backbone.networks import Conv, Network
from convcorr_jax.backbone.weights.layout import Stored
from convcorr_jax.errors import InputError

# A caffemodel begins with the tag of its name (field 1) or of its first layer (field 2 or 100).
MAGIC = (b"\x0a", b"\x12", b"\xa2\x06")

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# A float of a list that is not packed: the field's tag precedes every value.
_TAGGED_FLOAT = np.dtype([("tag", "u1"), ("value", "<f4")])


class _Layer(NamedTuple):
    name: str
    blobs: list[memoryview]


def read(path: Path, network: Network) -> dict[str, Stored]:
    """Read kernel and bias of each of the network's convolutions that the file contains.

    Args:
        path: the file.
        network: the layer table.

    Raises:
        InputError: the network is not one of Caffe's, or the file is that of the other one. CaffeNet and
        AlexNet
            have the same names and shapes; they differ in whether pooling or normalisation comes first.
        ValueError, TypeError: the file is damaged.
    """
    if not network.preprocessing.bgr:
        raise InputError(
            f"{path} is a caffemodel, and {network.name} is torchvision's, not Caffe's"
        )
    layers = list(_layers(memoryview(path.read_bytes())))
    order = [layer.name for layer in layers if layer.name in network.layer_names]
    expected = [name for name in network.layer_names if name in order]
    if order != expected:
        raise InputError(
            f"{path} is not {network.name}: its layers come in the order {', '.join(order)}; "
            f"{', '.join(expected)} is expected"
        )
    convolutions = {layer.name for layer in network.layers if isinstance(layer, Conv)}
    stored = {}
    for layer in layers:
        if layer.name in convolutions:
            if len(layer.blobs) != 2:
                raise InputError(
                    f"{layer.name} in {path} has {len(layer.blobs)} arrays; kernel and bias are expected"
                )
            stored[layer.name] = Stored(*map(_blob, layer.blobs))
    return stored


def _layers(message: memoryview) -> Iterator[_Layer]:
    for number, value in _fields(message):
        if number == 2:
            yield _layer(value, name_field=4, blob_field=6)
        elif number == 100:
            yield _layer(value, name_field=1, blob_field=7)


def _layer(message: memoryview, *, name_field: int, blob_field: int) -> _Layer:
    name, blobs = "", []
    for number, value in _fields(message):
        if number == name_field:
            name = str(value, "utf-8")
        elif number == blob_field:
            blobs.append(value)
    return _Layer(name, blobs)


def _blob(message: memoryview) -> np.ndarray:
    """Return a BlobProto's values in its shape: a list of sizes, or four numbers with the default 1."""
    runs, legacy, shape = [], [1, 1, 1, 1], None
    for number, value in _fields(message):
        if number == 5:
            runs.append(np.frombuffer(value, "<f4"))
        elif number == 7:
            shape = [size for n, sizes in _fields(value) if n == 1 for size in _integers(sizes)]
        elif 1 <= number <= 4:
            legacy[number - 1] = value
    values = runs[0] if len(runs) == 1 else np.concatenate(runs)
    if shape is None:
        shape = legacy
    if math.prod(shape) != values.size:
        raise ValueError(f"an array of shape {tuple(shape)} has {values.size} values")
    return values.reshape(shape)


def _fields(message: memoryview) -> Iterator[tuple[int, Any]]:
    """Yield number and value (an integer, or bytes) of every field; unpacked floats are packed."""
    position = 0
    while position < len(message):
        start = position
        tag, position = _varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if wire_type == _FIXED32 and position == start + 1:
            run = _tagged_floats(message[start:])
            yield number, run["value"].tobytes()
            position = start + run.nbytes
            continue
        if wire_type == _BYTES:
            length, position = _varint(message, position)
        elif wire_type in (_FIXED32, _FIXED64):
            length = 4 if wire_type == _FIXED32 else 8
        else:
            raise ValueError(f"field {number} has the unknown wire type {wire_type}")
        if position + length > len(message):
            raise ValueError(f"field {number} ends beyond the end of its message")
        yield number, message[position : position + length]
        position += length


def _tagged_floats(message: memoryview) -> np.ndarray:
    """Return the unpacked floats at the start of a message, up to a float with another tag."""
    count = len(message) // _TAGGED_FLOAT.itemsize
    if not count:
        raise ValueError("it ends within a number")
    records = np.frombuffer(message, _TAGGED_FLOAT, count)
    other = records["tag"] != records["tag"][0]
    return records[: int(other.argmax())] if other.any() else records


def _integers(value: int | memoryview) -> list[int]:
    """Return the integers of a list's field, which is packed into bytes or a single integer."""
    if isinstance(value, int):
        return [value]
    integers, position = [], 0
    while position < len(value):
        integer, position = _varint(value, position)
        integers.append(integer)
    return integers


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """Decode an integer in groups of seven bits, the lowest first; return it and the position after it."""
    value = 0
    for shift in range(0, 64, 7):
        if position >= len(message):
            raise ValueError("it ends within a number")
        byte = message[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
    raise ValueError("an integer has more than 64 bits")
