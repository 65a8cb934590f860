"""Checks of arrays in HDF5 files before they are read.

The values of an HDF5 array need not be in its file: *external storage*, *virtual* arrays and *external links*
name other files, which the library then opens. Predictions could so be the ground truth itself, or any file of
the reader's. Only arrays whose values are in the file itself are read.
"""

import math
from typing import Any

import h5py
import numpy as np

MAX_BYTES = 2**28
"""The limit of the size of an array; the largest published file of joints, of all of MPII, takes some 10 MB."""

# Lists of names of joints are shorter.
_MAX_TEXTS = 10_000
_MAX_TEXT_BYTES = 2**20
_TEXT = np.dtype([("length", "<u4"), ("address", "<u8"), ("index", "<u4")])


def member(group: h5py.Group, name: str) -> Any:
    """Return what a group has under a name, unless the name is a link to another place; None for nothing.

    Args:
        group: the group.
        name: the name.

    Raises:
        ValueError: the name is a soft or an external link.
    """
    link = group.get(name, getlink=True)
    if link is not None and not isinstance(link, h5py.HardLink):
        raise ValueError(f"{name} is a link to another place, which is not followed")
    return group.get(name)


def check_array(stored: h5py.Dataset) -> None:
    """Refuse an array whose values are in another file or take too much memory.

    Args:
        stored: the array.

    Raises:
        ValueError: the array is one of these; the message is the reason, such as "it takes ...".
    """
    if stored.external or stored.is_virtual:
        raise ValueError("its values are in another file, which is not opened")
    chunk = math.prod(stored.chunks or ()) * stored.dtype.itemsize
    if max(stored.nbytes, chunk) > MAX_BYTES:
        raise ValueError(f"it takes more than {MAX_BYTES} bytes")
    if stored.dtype.hasobject:
        _check_texts(stored)


def _check_texts(stored: h5py.Dataset) -> None:
    """Compare the lengths of texts with the limit, before the library allocates what they state.

    Texts of any length are stored apart from the array, which has a length, an address and an index for each.
    """
    start, count = stored.id.get_offset(), stored.size or 0
    plain = h5py.check_string_dtype(stored.dtype) is not None and start is not None
    if not plain or stored.file.id.get_create_plist().get_sizes() != (8, 8):
        raise ValueError("its texts are not stored as a plain list")
    if count > _MAX_TEXTS:
        raise ValueError(f"it is a list of more than {_MAX_TEXTS} texts")
    with open(stored.file.filename, "rb") as stream:
        stream.seek(start)
        content = stream.read(count * _TEXT.itemsize)
    if np.frombuffer(content, _TEXT)["length"].sum(dtype=np.int64) > _MAX_TEXT_BYTES:
        raise ValueError(f"its texts take more than {_MAX_TEXT_BYTES} bytes")
