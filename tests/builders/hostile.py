"""Small files that unpack to many bytes."""

import io
import zipfile

import numpy as np


def zeros(archive: zipfile.ZipFile, name: str, count: int) -> None:
    """Write a member of zeros without holding it in memory."""
    with archive.open(name, "w") as stream:
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
            for _ in range(count >> 20):
                member.write(bytes(1 << 20))
    return stream.getvalue()
