"""Small files that unpack to many bytes."""

import io
import zipfile
from typing import IO

import numpy as np


def zeros(stream: IO[bytes], count: int) -> None:
    """Write zero bytes, by megabytes, without holding them in memory."""
    for _ in range(count >> 20):
        stream.write(bytes(1 << 20))


def npz_bomb(name: str, count: int, **arrays: np.ndarray) -> bytes:
    """An .npz with arrays, of which one is replaced by, or joined by, so many zero bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as opened:
        for other, array in arrays.items():
            if other != name:
                content = io.BytesIO()
                np.save(content, array)
                opened.writestr(f"{other}.npy", content.getvalue())
        with opened.open(f"{name}.npy", "w") as member:
            header = {"descr": "|u1", "fortran_order": False, "shape": (count,)}
            np.lib.format.write_array_header_1_0(member, header)
            zeros(member, count)
    return stream.getvalue()
