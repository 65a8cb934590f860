"""Reading and writing image files.

JPEG, PNG, WebP, GIF, TIFF, BMP and AVIF are read, whatever the file's name is; HEIC with the extra ``heic``. Of
16 bits a channel the upper 8 are read (65535 becomes 255); real and signed numbers and those of 32 bits are
refused. The inks of CMYK become colours by the product of what each lets through, without a profile.
"""

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from PIL import ExifTags, ImageChops, TiffImagePlugin, UnidentifiedImageError
from PIL import Image as PillowImage

from convcorr_jax.coords import Size
from convcorr_jax.errors import InputError
from convcorr_jax.io.atomic import written_whole
from convcorr_jax.io.outputs import check_file

# Pillow logs what it also raises; without a handler, Python would print it beside our sentence.
logging.getLogger("PIL").addHandler(logging.NullHandler())

# What turns an image upright, by the orientation that its EXIF data state.
_TRANSPOSES = {
    2: PillowImage.Transpose.FLIP_LEFT_RIGHT,
    3: PillowImage.Transpose.ROTATE_180,
    4: PillowImage.Transpose.FLIP_TOP_BOTTOM,
    5: PillowImage.Transpose.TRANSPOSE,
    6: PillowImage.Transpose.ROTATE_270,
    7: PillowImage.Transpose.TRANSVERSE,
    8: PillowImage.Transpose.ROTATE_90,
}

# What turns an upright image back; only quarter turns are not their own inverses.
_INVERSES = {**_TRANSPOSES, 6: _TRANSPOSES[8], 8: _TRANSPOSES[6]}

# The orientations whose upright images have their width and height exchanged.
_QUARTER_TURNS = (5, 6, 7, 8)

# `convcorr_jax.shapes.Image`; that module imports JAX, for which reading a file should not wait.
Image = UInt8[np.ndarray, "height width 3"]

MAX_PIXELS = 64_000_000
"""The most pixels of an image that is read. A few copies, of three bytes a pixel, stay under a gigabyte."""

# The formats of photographs. Pillow knows forty more, and runs Ghostscript, a program, for one of them.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")
_HEIC = re.compile(rb"....ftyp(he[iv][cmsx]|mif1|msf1)", re.DOTALL)

# Rows are converted by parts, so that no more than one part has a copy in each step of the conversion.
_ROWS = 256
# Progressive JPEG files are decoded as often as they have scans, some ten; a hostile one has thousands.
_START_OF_SCAN = b"\xff\xda"
_MOST_DECODED_PIXELS = 20 * MAX_PIXELS

# How Pillow names the format of stored grey levels: their bits, and I where 0 is white.
_RAW_GREY = re.compile(r"'[1L];(?P<bits>[248]?)(?P<inverted>I?)")
_WIDTH, _LENGTH, _BITS, _PHOTOMETRIC, _PLANES = 256, 257, 258, 262, 284

MIN_SIDE = 16
"""The least width and height of an image that is read. AlexNet's first filter alone is 11 pixels wide."""


def read_image(path: str | Path, *, upright: bool = True) -> Image:
    """Read a photograph as 8-bit RGB, from the formats and by the rules of this module.

    Grey images are repeated over the channels, transparent pixels are blended with white, and of an animation
    the first frame is read. ``upright`` applies the rotation of the camera that the file's EXIF data state.

    Raises:
        InputError: the file is missing, empty, cut short, not an image, of other numbers than 8 or 16 bits
            a channel, under 16 pixels a side or over 64 megapixels.
    """
    path = Path(path)
    check_file(path, "image")
    return _decode(path, name=str(path), upright=upright)


def decode_image(encoded: bytes, *, name: str, upright: bool = True) -> Image:
    """Decode the bytes of an image file as 8-bit RGB, by the rules of `read_image`; errors call it ``name``."""
    return _decode(io.BytesIO(encoded), name=name, upright=upright)


def read_labels(path: str | Path) -> UInt8[np.ndarray, "height width"]:
    """Read an image whose grey levels or palette indices are labels, such as the masks of PASCAL VOC.

    The labels are the numbers in the file, of 1, 2, 4 or 8 bits, whatever grey they mean, at the places of the
    stored pixels.

    Raises:
        InputError: `read_image` would refuse the file, the image has neither grey levels nor a palette, or it
            is compressed as JPEG, which changes labels.
    """
    path = Path(path)
    check_file(path, "image")
    return _decode_labels(path, name=str(path))


def decode_labels(encoded: bytes, *, name: str) -> UInt8[np.ndarray, "height width"]:
    """Decode the bytes of an image of labels, by the rules of `read_labels`; errors call it ``name``."""
    return _decode_labels(io.BytesIO(encoded), name=name)


def image_size(path: str | Path, *, upright: bool = False) -> Size:
    """Read the height and width of an image as it is stored, or ``upright``, from the head of its file."""
    path = Path(path)
    check_file(path, "image")
    return _size(path, name=str(path), upright=upright)


def is_deep(path: str | Path) -> bool:
    """Return whether a file is an image of 16 bits a channel, from its head."""
    try:
        with _opened(Path(path), name=str(path)) as opened:
            return _bits(opened) == {16}
    except InputError:
        return False


def encoded_image_size(encoded: bytes, *, name: str) -> Size:
    """Read height and width from the bytes of an image file, as `image_size` does; errors call it ``name``."""
    return _size(io.BytesIO(encoded), name=name)


def write_image(path: str | Path, image: Image) -> None:
    """Write an 8-bit RGB image in the format of the file name's ending."""
    with written_whole(path) as temporary:
        PillowImage.fromarray(image).save(temporary)


def write_labels(path: str | Path, labels: Shaped[np.ndarray, "height width"]) -> None:
    """Write truth values or whole numbers as grey levels, for `read_labels`; refuse all but 0 to 255."""
    if labels.dtype.kind not in "biu" or (labels.size and not 0 <= labels.min() <= labels.max() <= 255):
        raise InputError(f"the labels for {path} are {labels.dtype}; whole numbers from 0 to 255 are expected")
    with written_whole(path) as temporary:
        PillowImage.fromarray(labels.astype(np.uint8)).save(temporary)


_FLO_NUMBER, _FLO_HEAD, _UNKNOWN_FLOW, _KNOWN_FLOW = 202021.25, 12, 1.666666752e9, 1e9


def write_flow(path: str | Path, flow: Float[np.ndarray, "height width 2"]) -> None:
    """Write a flow in Middlebury's format, ``.flo``; NaN becomes its number for unknown flow.

    The file has the number 202021.25, the width, the height, and u and v of each pixel, row by row, of 32 bits
    each, little-endian. Source: Baker et al. 2011, "A Database and Evaluation Methodology for Optical Flow".
    """
    height, width = flow.shape[:2]
    head = np.array([_FLO_NUMBER], "<f4").tobytes() + np.array([width, height], "<i4").tobytes()
    with written_whole(path) as temporary:
        temporary.write_bytes(head + np.where(np.isnan(flow), _UNKNOWN_FLOW, flow).astype("<f4").tobytes())


def read_flow(path: str | Path) -> Float[np.ndarray, "height width 2"]:
    """Read a flow in Middlebury's format, ``.flo`` (`write_flow`); unknown flow, above 1e9, becomes NaN.

    Raises:
        InputError: the file is missing, is of another format, or has not as many numbers as its size states.
    """
    path = Path(path)
    check_file(path, "flow")
    content = path.read_bytes()
    if len(content) < _FLO_HEAD or np.frombuffer(content, "<f4", 1)[0] != np.float32(_FLO_NUMBER):
        raise InputError(f"{path} is no flow in Middlebury's format (.flo)")
    width, height = np.frombuffer(content, "<i4", 2, offset=4).tolist()
    if min(width, height) < 1 or len(content) != _FLO_HEAD + 8 * width * height:
        raise InputError(
            f"{path} states {width} x {height} pixels, and has {len(content)} bytes; it is damaged"
        )
    flow = np.frombuffer(content, "<f4", offset=_FLO_HEAD).reshape(height, width, 2)
    return np.where(np.abs(flow) > _KNOWN_FLOW, np.float32(np.nan), flow)


def _size(source: Path | io.BytesIO, *, name: str, upright: bool = False) -> Size:
    with _opened(source, name=name) as opened:
        width, height = opened.size
        is_turned = upright and opened.getexif().get(ExifTags.Base.Orientation, 1) in _QUARTER_TURNS
        if isinstance(opened, TiffImagePlugin.TiffImageFile):
            # Pillow states the size of the upright image.
            width, height = opened.tag_v2[_WIDTH], opened.tag_v2[_LENGTH]
    return Size(width, height) if is_turned else Size(height, width)


def _decode(source: Path | io.BytesIO, *, name: str, upright: bool) -> Image:
    with _opened(source, name=name) as opened:
        _check_scans(source, opened)
        return _as_rgb(_loaded(opened, upright=upright))


def _loaded(opened: PillowImage.Image, *, upright: bool) -> PillowImage.Image:
    """Load an image, upright or as it is stored; Pillow turns TIFF files when it loads them, and no others."""
    is_tiff = isinstance(opened, TiffImagePlugin.TiffImageFile)
    turned = opened.getexif().get(ExifTags.Base.Orientation, 1) if is_tiff else 1
    opened.load()
    if opened.format == "JPEG" and opened.mode == "CMYK" and "adobe" not in opened.info:
        # Pillow takes inks for inverted, as Adobe's programs store them and state.
        opened = ImageChops.invert(opened)
    transpose = _INVERSES.get(turned)
    if upright:
        # `ImageOps.exif_transpose` also writes the EXIF data anew, which fails for values that only reading
        # allows.
        transpose = _TRANSPOSES.get(opened.getexif().get(ExifTags.Base.Orientation, 1))
    return opened if transpose is None else opened.transpose(transpose)


def _decode_labels(source: Path | io.BytesIO, *, name: str) -> UInt8[np.ndarray, "height width"]:
    with _opened(source, name=name) as opened:
        if opened.mode not in ("1", "L", "P"):
            raise InputError(f"{name} is a {opened.mode} image; labels are grey levels or palette indices")
        if opened.format in ("JPEG", "MPO") or "jpeg" in str(opened.info.get("compression")):
            raise InputError(f"{name} is compressed as JPEG, which changes labels; save it as PNG")
        raw = _RAW_GREY.search(str(getattr(opened, "tile", "")))
        bits, inverted = (raw["bits"] or "8", raw["inverted"]) if raw else ("8", "")
        labels = np.array(_loaded(opened, upright=False), np.uint8)
        if opened.mode == "1":
            return labels ^ np.uint8(bool(inverted))
        # Pillow stretches grey levels of few bits over 0 to 255, and inverts those of which 0 is white.
        return (labels ^ np.uint8(255 if inverted else 0)) // np.uint8(255 // (2 ** int(bits) - 1))


@contextlib.contextmanager
def _opened(source: Path | io.BytesIO, *, name: str) -> Iterator[PillowImage.Image]:
    """Open an image file and check its head; name the file in every error that its damage causes."""
    try:
        # Pillow warns of large files, which `_check_readable` refuses, and of damage that loses no pixels.
        with warnings.catch_warnings(action="ignore"), _open(source, name) as opened:
            _check_readable(name, opened)
            yield opened
    except PillowImage.DecompressionBombError as error:
        raise InputError(_too_large(name)) from error
    except UnidentifiedImageError as error:
        known = f"{', '.join(_FORMATS)} or HEIC"
        raise InputError(f"{name} is not an image that can be read ({known} is expected)") from error
    except InputError:
        raise
    except Exception as error:  # Pillow's decoders raise almost anything on damaged bytes
        raise InputError(f"{name} is damaged or cut short: {error}") from error


def _open(source: Path | io.BytesIO, name: str) -> PillowImage.Image:
    try:
        return PillowImage.open(source, formats=_FORMATS)
    except UnidentifiedImageError:
        with open(source, "rb") if isinstance(source, Path) else io.BytesIO(source.getvalue()) as stream:
            if not _HEIC.match(stream.read(12)):
                raise
    try:
        from pillow_heif import register_heif_opener  # pyrefly: ignore[missing-import]
    except ImportError as error:
        raise InputError(
            f"{name} is a HEIC image; pip install pillow-heif makes it readable, or save it as JPEG"
        ) from error
    register_heif_opener()
    return PillowImage.open(source, formats=("HEIF",))


def _tags(opened: PillowImage.Image) -> Any:
    return opened.tag_v2 if isinstance(opened, TiffImagePlugin.TiffImageFile) else {}


def _raw_modes(opened: PillowImage.Image) -> str:
    return " ".join(str(tile[3]) for tile in getattr(opened, "tile", ()))


def _bits(opened: PillowImage.Image) -> set[int]:
    """Return the bits of the channels as they are stored."""
    return {16} if ";16" in _raw_modes(opened) else set(_tags(opened).get(_BITS, (8,)))


def _check_readable(name: str, opened: PillowImage.Image) -> None:
    width, height = opened.size
    if width * height > MAX_PIXELS:
        raise InputError(_too_large(name, f" ({width} x {height})"))
    if min(width, height) < MIN_SIDE:
        raise InputError(f"{name} is {width} x {height} pixels; at least {MIN_SIDE} a side are needed")
    if opened.mode in ("YCCK", "LAB", "HSV"):
        raise InputError(f"{name} is a {opened.mode} image; convert it to RGB or grey first")
    tiles, tags, bits = getattr(opened, "tile", ()), _tags(opened), _bits(opened)
    if opened.mode in ("I", "F") or ";32" in _raw_modes(opened) or not (bits == {16} or max(bits) <= 8):
        raise InputError(
            f"{name} has channels of other numbers than 8 or 16 bits without a sign; convert it to 8 bits first"
        )
    # Pillow decodes these as if they were of 8 bits, black at 0, or without transparency.
    is_unknown = tags.get(_PLANES) == 2 or tags.get(_PHOTOMETRIC) == 0 or "transparency" in opened.info
    if bits == {16} and is_unknown:
        raise InputError(
            f"{name} has 16 bits a channel in separate planes, white at 0, or a transparent colour; save it as "
            "PNG with 8 bits"
        )
    if opened.format == "BMP" and opened.mode in ("1", "L"):
        # Pillow concludes from a palette of greys how many bits a pixel has; the length of a row has it right.
        bits = 1 if opened.mode == "1" else 8
        row_bytes = (width * bits + 31) // 32 * 4
        if any(tile[0] == "raw" and tile[3][1] != row_bytes for tile in tiles):
            raise InputError(f"{name} has a palette of greys that cannot be read; save it as PNG")


def _check_scans(source: Path | io.BytesIO, opened: PillowImage.Image) -> None:
    """Refuse a JPEG file of so many scans that decoding it takes longer than the largest photograph."""
    if opened.format != "JPEG":
        return
    content = source.getvalue() if isinstance(source, io.BytesIO) else source.read_bytes()
    # Inside of a scan, other bytes follow 0xff; small pictures in the metadata have a few scans of their own.
    scans = content.count(_START_OF_SCAN)
    if scans * opened.width * opened.height > _MOST_DECODED_PIXELS:
        raise ValueError(f"its {scans} scans are more than those of a photograph")


def _too_large(name: str, size: str = "") -> str:
    return f"{name} is too large{size}: at most {MAX_PIXELS // 1_000_000} megapixels are read"


def _as_rgb(image: PillowImage.Image) -> Image:
    width, height = image.size
    result = np.empty((height, width, 3), np.uint8)
    has_alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    for top in range(0, height, _ROWS):
        part = image.crop((0, top, width, min(top + _ROWS, height)))
        if image.mode.startswith("I;16"):
            part = PillowImage.fromarray((np.asarray(part) >> 8).astype(np.uint8))
        if has_alpha:
            layer = part.convert("RGBA")
            part = PillowImage.alpha_composite(PillowImage.new("RGBA", layer.size, "white"), layer)
        result[top : top + _ROWS] = np.asarray(part.convert("RGB"))
    return result
