"""Reader of the trained tensors in ``.onnx`` files, without ONNX or protobuf.

A file is one protobuf message. These fields are used, by their numbers in ONNX's ``onnx.proto``:

    ModelProto   graph = 7
    GraphProto   node = 1   initializer = 5
    NodeProto    input = 1   name = 3   op_type = 4
    TensorProto  dims = 1   data_type = 2   name = 8   raw_data = 9

Exporters name most tensors as the module had them. The matrices of linear layers, which torch transposes when
it exports, and other results of computations with parameters alone have names such as ``onnx::MatMul_1966``.
They are named here after the node that uses them: ``/encoder/query/MatMul`` makes ``encoder.query.weight``,
which is transposed back, and ``/embeddings/Concat_6`` makes ``embeddings.Concat_6``.
"""

import math
from typing import NamedTuple

import numpy as np

from convcorr_jax.backbone.weights.protobuf import Fields, integers
from convcorr_jax.backbone.weights.torch_files import float32

MAGIC = b"\x08"
"""The tag of the first field, the version of the format."""

_DTYPES = {1: "<f4", 10: "<f2", 11: "<f8", 16: "<u2"}
_MAX_AXES = 8
_COMPUTED = "onnx::"


class Initializer(NamedTuple):
    """A trained tensor: the bytes of its numbers in the file, and whether it is transposed."""

    shape: tuple[int, ...]
    kind: str
    numbers: memoryview
    transposed: bool

    def array(self) -> np.ndarray:
        """Return the numbers in single precision."""
        stored = float32(np.frombuffer(self.numbers, self.kind))
        return stored.reshape(self.shape[::-1]).T if self.transposed else stored.reshape(self.shape)


def initializers(content: memoryview) -> dict[str, Initializer]:
    """Find the float tensors of a file, by name.

    Raises:
        ValueError: the file is damaged.
    """
    fields, found = Fields(), {}
    users: dict[str, tuple[str, str]] = {}
    for number, graph in fields.of(content):
        if number != 7:
            continue
        for kind, message in fields.of(graph):
            if kind == 1:
                users |= _users(fields, message)
            elif kind == 5 and (named := _initializer(fields, message)):
                found[named[0]] = named[1]
    return dict(_renamed(name, tensor, users) for name, tensor in found.items())


def _users(fields: Fields, node: memoryview) -> dict[str, tuple[str, str]]:
    """Return the name and the type of a node by the names of its inputs, if those were computed."""
    inputs, name, operation = [], "", ""
    for number, value in fields.of(node):
        if number == 1 and bytes(value[: len(_COMPUTED)]) == _COMPUTED.encode():
            inputs.append(str(value, "utf-8"))
        elif number == 3:
            name = str(value, "utf-8")
        elif number == 4:
            operation = str(value, "utf-8")
    return dict.fromkeys(inputs, (name, operation))


def _initializer(fields: Fields, tensor: memoryview) -> tuple[str, Initializer] | None:
    shape: list[int] = []
    name, kind, numbers = "", 0, memoryview(b"")
    for number, value in fields.of(tensor):
        if number == 1:
            shape += integers(value)
            if len(shape) > _MAX_AXES:
                raise ValueError("a tensor has more than 8 axes")
        elif number == 2:
            kind = int(value)
        elif number == 8:
            name = str(value, "utf-8")
        elif number == 9:
            numbers = value
    if kind not in _DTYPES:
        return None
    if len(numbers) != math.prod(shape) * np.dtype(_DTYPES[kind]).itemsize:
        raise ValueError(f"{name} has {len(numbers)} bytes, which are not those of shape {tuple(shape)}")
    return name, Initializer(tuple(shape), _DTYPES[kind], numbers, transposed=False)


def _renamed(name: str, tensor: Initializer, users: dict[str, tuple[str, str]]) -> tuple[str, Initializer]:
    node, operation = users.get(name, ("", ""))
    if not name.startswith(_COMPUTED) or not node:
        return name, tensor
    path = node.strip("/").replace("/", ".")
    if operation == "MatMul" and len(tensor.shape) == 2:
        return f"{path.rpartition('.')[0]}.weight", tensor._replace(shape=tensor.shape[::-1], transposed=True)
    return path, tensor
