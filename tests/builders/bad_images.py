"""Image files that must be refused, written byte by byte where Pillow would not write them."""

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
import tifffile
from PIL import Image as PillowImage

# PNG's colour type.
_RGB = 2
_DEEP = np.arange(3 * 32 * 32, dtype=np.uint16).reshape(3, 32, 32)
_BITS = "other numbers than 8 or 16 bits without a sign"


def png(width: int, height: int, *, depth: int, kind: int, rows: bytes) -> bytes:
    """A PNG with these rows, each of which begins with its filter's number."""

    def chunk(name: bytes, data: bytes) -> bytes:
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    )


def encoded(image: PillowImage.Image, kind: str, **options: Any) -> bytes:
    """An image as the bytes of a file."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _photograph() -> PillowImage.Image:
    return PillowImage.fromarray(skimage.data.chelsea()[:200, :200])


def _tiff(values: np.ndarray, **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, **options)
    return stream.getvalue()


BAD_IMAGES: Mapping[str, tuple[str, Callable[[], bytes], str]] = {
    "empty": ("a.jpg", lambda: b"", "is empty"),
    "text": ("a.jpg", lambda: b"not an image at all", "is not an image that can be read"),
    "truncated JPEG": ("a.jpg", lambda: encoded(_photograph(), "JPEG")[:4000], "damaged or cut short"),
    "truncated PNG": ("a.png", lambda: encoded(_photograph(), "PNG")[:9000], "damaged or cut short"),
    "only a header": ("a.png", lambda: encoded(_photograph(), "PNG")[:40], "damaged or cut short|not an"),
    # Pillow would run Ghostscript on it.
    "EPS": ("a.jpg", lambda: encoded(_photograph(), "EPS"), "is not an image that can be read"),
    "DDS": ("a.jpg", lambda: encoded(_photograph(), "DDS"), "is not an image that can be read"),
    "float TIFF": ("a.tif", lambda: _tiff(np.zeros((32, 32), np.float32)), _BITS),
    "32-bit TIFF": ("a.tif", lambda: _tiff(np.zeros((32, 32), np.uint32)), _BITS),
    "signed TIFF": ("a.tif", lambda: _tiff(np.zeros((32, 32), np.int16)), _BITS),
    "planes": ("a.tif", lambda: _tiff(_DEEP, photometric="rgb", planarconfig="separate"), "in separate planes"),
    "white at 0": ("a.tif", lambda: _tiff(_DEEP[0], photometric="miniswhite"), "white at 0"),
    "transparent": (
        "a.png",
        lambda: encoded(PillowImage.fromarray(_DEEP[0]), "PNG", transparency=5),
        "a transparent colour",
    ),
    "one pixel": (
        "a.png",
        lambda: png(1, 1, depth=8, kind=_RGB, rows=bytes(4)),
        "is 1 x 1 pixels; at least 16",
    ),
    # No pixels follow the header: whoever decodes it finds it cut short instead of too large.
    "20,000 x 20,000": (
        "a.png",
        lambda: png(20_000, 20_000, depth=8, kind=_RGB, rows=b""),
        "is too large: at most 64 megapixels",
    ),
    "9,000 x 8,000": (
        "a.png",
        lambda: png(9_000, 8_000, depth=8, kind=_RGB, rows=b""),
        r"is too large \(9000 x 8000\): at most 64 megapixels",
    ),
}
"""By name: the file's name, its bytes, and what the refusal says."""


def write_bad_image(folder: Path, name: str) -> tuple[Path, str]:
    """One of `BAD_IMAGES` as a file, and what its refusal says."""
    file_name, content, sentence = BAD_IMAGES[name]
    path = folder / file_name
    path.write_bytes(content())
    return path, sentence
