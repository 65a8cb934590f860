"""Arrays of HDF5 files, checked before they are read.

The values of an HDF5 array need not be in its file: *external storage*, *virtual* arrays and *external links*
name other files, which the library then opens. Predictions could so be the ground truth itself, or any file of
the reader's. Only arrays whose values are in the file itself are read.
"""

import math
import struct
from typing import Any

import h5py
import numpy as np

MAX_BYTES = 2**28
"""The limit of the size of an array; the largest published file of joints, of all of MPII, takes some 10 MB."""

# Lists of names of joints are shorter.
_MAX_TEXTS = 10_000
_MAX_FILE_BYTES = 2**26
# A text in an array: its length, and the address of the heap and the index in it of the object that has it.
_TEXT = struct.Struct("<IQI")
# The head of a heap (its signature, version and size), and that of an object (its index, uses and length).
_HEAP, _OBJECT = struct.Struct("<4sB3xQ"), struct.Struct("<HH4xQ")


def member(group: h5py.Group, name: str) -> Any:
    """Return what a group has under a name, None for nothing; a link to another place is a ValueError."""
    link = group.get(name, getlink=True)
    if link is not None and not isinstance(link, h5py.HardLink):
        raise ValueError(f"{name} is a link to another place, which is not followed")
    return group.get(name)


def read(stored: h5py.Dataset, *, most: int = MAX_BYTES) -> np.ndarray:
    """Read an array of at most ``most`` bytes whose values are in its file; texts of any length are bytes.

    A ValueError's message is the reason, such as "it takes ..."; of a damaged file h5py raises many kinds of
    errors.
    """
    if stored.external or stored.is_virtual:
        raise ValueError("its values are in another file, which is not opened")
    chunk = math.prod(stored.chunks or ()) * stored.dtype.itemsize
    if max(stored.nbytes, chunk) > most:
        raise ValueError(f"it takes more than {most} bytes")
    return _texts(stored) if stored.dtype.hasobject else stored[()]


def _texts(stored: h5py.Dataset) -> np.ndarray:
    """Read texts of any length, which are stored apart from the array."""
    # The library allocates whatever length a text states, and can search a damaged heap of texts forever.
    start, count = stored.id.get_offset(), stored.size or 0
    plain = h5py.check_string_dtype(stored.dtype) is not None and start is not None
    whole = stored.file.id.get_create_plist().get_sizes() == (8, 8) and not stored.file.userblock_size
    if not (plain and whole):
        raise ValueError("its texts are not stored as a plain list")
    if count > _MAX_TEXTS:
        raise ValueError(f"it is a list of more than {_MAX_TEXTS} texts")
    with open(stored.file.filename, "rb") as stream:
        content = stream.read(_MAX_FILE_BYTES + 1)
    if len(content) > _MAX_FILE_BYTES:
        raise ValueError(f"its texts are in a file of more than {_MAX_FILE_BYTES} bytes")
    heaps: dict[int, dict[int, bytes]] = {}
    texts = np.empty(count, object)
    for number in range(count):
        length, address, index = _TEXT.unpack_from(content, start + number * _TEXT.size)
        if address not in heaps:
            heaps[address] = _heap(content, address)
        texts[number] = heaps[address][index][:length] if length else b""
    return texts.reshape(stored.shape)


def _heap(content: bytes, address: int) -> dict[int, bytes]:
    """Return the objects of a global heap by index. Source: "HDF5 File Format Specification", 3.0, III.E."""
    signature, _version, size = _HEAP.unpack_from(content, address)
    if signature != b"GCOL" or address + size > len(content):
        raise ValueError("its texts are damaged")
    objects, at = {}, address + _HEAP.size
    while at + _OBJECT.size <= address + size:
        index, _count, length = _OBJECT.unpack_from(content, at)
        # The object 0 is the free space at the end.
        if index == 0:
            break
        at += _OBJECT.size
        objects[index] = content[at : at + length]
        at += length + -length % 8
    return objects
