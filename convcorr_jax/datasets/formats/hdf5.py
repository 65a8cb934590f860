"""Checks of arrays in HDF5 files before they are read.

The values of an HDF5 array need not be in its file: *external storage*, *virtual* arrays and *external links*
name other files, which the library then opens. Predictions could so be the ground truth itself, or any file of
the reader's. Only arrays whose values are in the file itself are read.
"""

import math
from typing import Any

import h5py

MAX_BYTES = 2**28
"""The limit of the size of an array; the largest published file of joints, of all of MPII, takes some 10 MB."""

# Lists of names of joints are shorter.
_MAX_TEXTS = 1000


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
    # Texts of any length are stored apart from the array, and many elements can be of one text.
    count = stored.size or 0
    if stored.dtype.hasobject and not (
        count <= _MAX_TEXTS and count * stored.file.id.get_filesize() <= MAX_BYTES
    ):
        raise ValueError(f"it is a list of more than {_MAX_TEXTS} texts, or of long ones")
