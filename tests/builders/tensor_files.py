"""Files of named tensors in every format that is read."""

import io
import json
import struct
from pathlib import Path

import numpy as np

Arrays = dict[str, np.ndarray]


def safetensors_bytes(arrays: Arrays, *, kind: str = "F32", **changes: object) -> bytes:
    """Write arrays as safetensors; ``changes`` replace entries of the header."""
    header, numbers = {"__metadata__": {"format": "pt"}}, b""
    for name, array in arrays.items():
        stored = array.astype("<f4").tobytes()
        if kind == "BF16":
            stored = (np.frombuffer(stored, "<u4") >> 16).astype("<u2").tobytes()
        offsets = [len(numbers), len(numbers) + len(stored)]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": offsets}  # type: ignore
        numbers += stored
    header |= changes  # type: ignore[assignment]
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + numbers


def write_sharded(folder: Path, arrays: Arrays, *, kinds: tuple[str, ...] = ("F32", "F32")) -> Path:
    """Write arrays in turn to as many files of safetensors as there are kinds, and return their index."""
    files = [f"model-{k:05}-of-{len(kinds):05}.safetensors" for k in range(1, len(kinds) + 1)]
    folder.mkdir(parents=True, exist_ok=True)
    places = {name: files[number % len(files)] for number, name in enumerate(arrays)}
    for file, kind in zip(files, kinds, strict=True):
        own = {name: array for name, array in arrays.items() if places[name] == file}
        (folder / file).write_bytes(safetensors_bytes(own, kind=kind))
    index = folder / "model.safetensors.index.json"
    size = sum(array.nbytes for array in arrays.values())
    index.write_text(json.dumps({"metadata": {"total_size": size}, "weight_map": places}), encoding="utf-8")
    return index


def torch_bytes(arrays: Arrays, *, new_format: bool = True) -> bytes:
    """Write arrays as torch does."""
    import torch

    stream = io.BytesIO()
    state = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    torch.save(state, stream, _use_new_zipfile_serialization=new_format)
    return stream.getvalue()


def npz_bytes(arrays: Arrays) -> bytes:
    """Write arrays as NumPy does."""
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def field(number: int, value: int | bytes) -> bytes:
    """Write a field of a protobuf message."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + _varint(rest) if rest else bytes([low])


def onnx_bytes(arrays: Arrays) -> bytes:
    """Write arrays as an exported graph, in which matrices are transposed and named by numbers."""
    nodes, tensors = b"", b""
    for number, (name, array) in enumerate(arrays.items()):
        if array.ndim == 2 and name.endswith(".weight"):
            node = "/" + name.removesuffix(".weight").replace(".", "/") + "/MatMul"
            name, array = f"onnx::MatMul_{number}", array.T
            fields = [(1, b"x"), (1, name.encode()), (2, b"y"), (3, node.encode()), (4, b"MatMul")]
            nodes += field(1, b"".join(field(*each) for each in fields))
        shape = b"".join(field(1, length) for length in array.shape)
        content = field(2, 1) + field(8, name.encode()) + field(9, array.astype("<f4").tobytes())
        tensors += field(5, shape + content)
    counter = field(5, field(1, 1) + field(2, 7) + field(8, b"steps") + field(9, bytes(8)))
    return field(1, 8) + field(2, b"pytorch") + field(7, nodes + tensors + counter)


WRITERS = {
    "safetensors": safetensors_bytes,
    "torch": torch_bytes,
    "torch, old": lambda arrays: torch_bytes(arrays, new_format=False),
    "npz": npz_bytes,
    "onnx": onnx_bytes,
}
"""The writer of each kind of file."""
