"""Reader of protobuf messages: sequences of fields, each a number, a wire type and a value."""

from collections.abc import Iterator
from typing import Any

import numpy as np

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# The fields of all messages of a file, whose numbers are packed; some microseconds each.
_MOST_FIELDS = 1_000_000
# A float of a list that is not packed: the field's tag precedes every value.
_TAGGED_FLOAT = np.dtype([("tag", "u1"), ("value", "<f4")])


class Fields:
    """The fields of the messages of one file, of which a limited number is read."""

    def __init__(self) -> None:
        self._count = 0

    def of(self, message: memoryview) -> Iterator[tuple[int, Any]]:
        """Yield number and value (an integer, or bytes) of every field; unpacked floats are packed."""
        position = 0
        while position < len(message):
            self._count += 1
            if self._count > _MOST_FIELDS:
                raise ValueError(f"it has more than {_MOST_FIELDS} fields")
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
    # The part that is compared doubles, so that the time is proportional to the length of the run.
    end, is_other = 1, np.zeros(1, np.bool_)
    while end < count and not is_other.any():
        end = min(2 * end, count)
        is_other = records["tag"][:end] != records["tag"][0]
    return records[: int(is_other.argmax())] if is_other.any() else records


def integers(value: int | memoryview) -> Iterator[int]:
    """Yield the integers of a list's field, which is packed into bytes or a single integer."""
    if isinstance(value, int):
        yield value
        return
    position = 0
    while position < len(value):
        integer, position = _varint(value, position)
        yield integer


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
