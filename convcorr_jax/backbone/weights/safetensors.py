"""Reader of ``.safetensors`` files: eight bytes with the length of a header, the header, the numbers.

The header is JSON: for each tensor its name, the type of its numbers, its shape, and where it begins and ends
behind the header. Together the tensors take all bytes to the end of the file, in any order and without gaps.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from convcorr_jax.backbone.weights.torch_files import float32

# The header of DINOv3's largest network takes 70 kB. The format allows 100 MB.
_MOST_HEADER_BYTES = 2**24
_MAX_AXES = 8
_METADATA = "__metadata__"
# Bfloat16 are the upper halves of 32-bit floats. Others than floats are checked and not read.
FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_OTHER_BYTES = {
    **{"I64": 8, "U64": 8, "I32": 4, "U32": 4, "I16": 2, "U16": 2, "I8": 1, "U8": 1, "BOOL": 1},
    **{"F8_E4M3": 1, "F8_E5M2": 1, "C64": 8},
}


class Entry(NamedTuple):
    """A tensor in a file."""

    path: Path
    kind: str
    shape: tuple[int, ...]
    start: int
    """Its first byte, from the beginning of the file."""


def read_header(path: Path) -> dict[str, Entry]:
    """Read where every tensor is, and check that all tensors fill the file.

    Raises:
        ValueError: the header is damaged, or the tensors overlap or are not those of the whole file.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > min(size - 8, _MOST_HEADER_BYTES):
            raise ValueError(f"its header of {length} bytes does not fit into the {size} bytes of the file")
        try:
            header = json.loads(stream.read(length), object_pairs_hook=_unique)
        except RecursionError as error:
            raise ValueError("its header is nested too deeply") from error
    if not isinstance(header, dict):
        raise ValueError("its header is no list of tensors by name")
    end, entries = 0, {}
    spans = [(name, *_span(name, value)) for name, value in header.items() if name != _METADATA]
    for name, kind, shape, start, stop in sorted(spans, key=lambda span: span[3:]):
        if start != end:
            raise ValueError(f"{name} begins at byte {start} of the numbers; {end} is expected")
        end = stop
        entries[name] = Entry(path, kind, shape, 8 + length + start)
    if 8 + length + end != size:
        raise ValueError(f"it has {size} bytes; {8 + length + end} are expected")
    return entries


def read_entries(entries: Sequence[Entry]) -> list[np.ndarray]:
    """Read tensors of floats in single precision."""
    return [
        float32(np.fromfile(path, FLOATS[kind], math.prod(shape), offset=start)).reshape(shape)
        for path, kind, shape, start in entries
    ]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("its header has a name twice")
    return found


def _span(name: str, value: Any) -> tuple[str, tuple[int, ...], int, int]:
    """Return kind, shape, start and stop of a tensor's entry in the header."""
    match value:
        case {"dtype": str(kind), "shape": [*shape], "data_offsets": [start, stop]}:
            plain = all(type(number) is int and number >= 0 for number in (*shape, start, stop))
            if plain and len(shape) <= _MAX_AXES and (kind in FLOATS or kind in _OTHER_BYTES):
                itemsize = np.dtype(FLOATS[kind]).itemsize if kind in FLOATS else _OTHER_BYTES[kind]
                if stop - start != math.prod(shape) * itemsize:
                    raise ValueError(f"{name} has {stop - start} bytes, which are not those of {kind} {shape}")
                return kind, tuple(shape), start, stop
    raise ValueError(f"the entry of {name} in its header has no known type, shape and place")
