"""Caffe's two files for a layer table: the network as text, and random or given weights as protobuf.

The wire format is written here by hand from its definition, so that the reader is tested against another
writing of it, and OpenCV's importer against both.
"""

import struct
from collections.abc import Mapping

import numpy as np

from convcorr_jax.backbone import Conv, LocalResponseNorm, MaxPool, Network, Params, filter_shapes
from convcorr_jax.backbone.weights.layout import Stored, assemble

# V1LayerParameter.LayerType
_V1_TYPE = {Conv: 4, LocalResponseNorm: 15, MaxPool: 17}
_TYPE = {Conv: "Convolution", LocalResponseNorm: "LRN", MaxPool: "Pooling"}


def random_weights(network: Network, rng: np.random.Generator) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Draw each layer's kernel [outputs, inputs, height, width] and bias, scaled to keep activations' size."""
    weights = {}
    for name, (height, width, inputs, outputs) in filter_shapes(network).items():
        deviation = np.sqrt(2 / (height * width * inputs))
        kernel = rng.standard_normal((outputs, inputs, height, width), dtype=np.float32)
        bias = rng.standard_normal(outputs, dtype=np.float32)
        weights[name] = (kernel * np.float32(deviation), bias * np.float32(0.1))
    return weights


def random_params(network: Network, rng: np.random.Generator) -> Params:
    """Draw weights and convert them to the network's filters."""
    weights = random_weights(network, rng)
    return assemble({name: Stored(*pair) for name, pair in weights.items()}, network, source="test")


def prototxt(network: Network, *, side: int) -> str:
    """Write the network's definition; fc6 and fc7 as inner products, every ReLU as a layer of its own."""
    lines = [f'input: "data" input_dim: 1 input_dim: 3 input_dim: {side} input_dim: {side}']
    bottom = "data"
    for layer in network.layers:
        match layer:
            case Conv(name=name) if name.startswith("fc"):
                kind, options = ("InnerProduct", f"inner_product_param {{ num_output: {layer.channels} }}")
            case Conv():
                kind = "Convolution"
                options = (
                    f"convolution_param {{ num_output: {layer.channels} kernel_size: {layer.window} "
                    f"stride: {layer.stride} pad: {layer.padding} group: {layer.groups} }}"
                )
            case MaxPool():
                kind = "Pooling"
                options = f"pooling_param {{ pool: MAX kernel_size: {layer.window} stride: {layer.stride} }}"
            case LocalResponseNorm():
                kind = "LRN"
                options = f"lrn_param {{ local_size: {layer.window} alpha: {layer.alpha} beta: 0.75 }}"
        top = f"{layer.name}_linear" if isinstance(layer, Conv) else layer.name
        lines.append(
            f'layer {{ name: "{layer.name}" type: "{kind}" bottom: "{bottom}" top: "{top}" {options} }}'
        )
        if isinstance(layer, Conv):
            lines.append(
                f'layer {{ name: "{layer.name}_relu" type: "ReLU" bottom: "{top}" top: "{layer.name}" }}'
            )
        bottom = layer.name
    return "\n".join(lines)


def caffemodel(
    network: Network,
    weights: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    old_messages: bool = False,
    packed: bool = True,
) -> bytes:
    """Encode a NetParameter message; ``old_messages`` have the format before 2015, with four-number shapes."""
    message = _bytes(1, network.name.encode())
    for layer in network.layers:
        blobs = [_blob(array, old_shape=old_messages, packed=packed) for array in weights.get(layer.name, ())]
        if old_messages:
            body = _bytes(4, layer.name.encode()) + _integer(5, _V1_TYPE[type(layer)])
            body += b"".join(_bytes(6, blob) for blob in blobs)
            # blobs_lr, loss_weight: floats that are not packed, with tags of one and of two bytes
            body += (_tag(7, 5) + struct.pack("<f", 1.0)) * 2 + _tag(35, 5) + struct.pack("<f", 0.0)
            message += _bytes(2, body)
        else:
            body = _bytes(1, layer.name.encode()) + _bytes(2, _TYPE[type(layer)].encode())
            body += b"".join(_bytes(7, blob) for blob in blobs)
            message += _bytes(100, body)
    return message


def _blob(array: np.ndarray, *, old_shape: bool, packed: bool) -> bytes:
    if old_shape:
        four = (1,) * (4 - array.ndim) + array.shape
        shape = b"".join(_integer(i + 1, size) for i, size in enumerate(four))
    else:
        shape = _bytes(7, _bytes(1, b"".join(_varint(size) for size in array.shape)))
    if packed:
        return shape + _bytes(5, array.astype("<f4").tobytes())
    tagged = np.empty(array.size, [("tag", "u1"), ("value", "<f4")])
    tagged["tag"], tagged["value"] = _tag(5, 5)[0], array.ravel()
    return tagged.tobytes() + shape


def _bytes(number: int, value: bytes) -> bytes:
    return _tag(number, 2) + _varint(len(value)) + value


def _integer(number: int, value: int) -> bytes:
    return _tag(number, 0) + _varint(value)


def _tag(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _varint(value: int) -> bytes:
    groups = []
    while True:
        value, group = value >> 7, value & 127
        groups.append(group | (128 if value else 0))
        if not value:
            return bytes(groups)
