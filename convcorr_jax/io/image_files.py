"""Reading and writing image files.

Reading refuses what it cannot read faithfully, in one sentence.
"""

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image as PillowImage
from PIL import ImageOps, UnidentifiedImageError

from convcorr_jax.coords import Size
from convcorr_jax.errors import InputError
from convcorr_jax.io.atomic import written_whole
from convcorr_jax.io.paths import check_file
from convcorr_jax.shapes import Image

# A decoded photograph takes three bytes a pixel and is copied a few times on its way; 64 megapixels is
# beyond today's cameras and still under a gigabyte.
MAX_PIXELS = 64_000_000
# Smaller than this there is nothing to align: AlexNet's first filter alone is 11 pixels wide.
MIN_SIDE = 16


def read_image(path: str | Path, *, upright: bool = True) -> Image:
    """Read a photograph as 8-bit RGB, upright as its camera meant it.

    Grey images are repeated over the channels; transparent pixels are laid over white; of an animation
    the first frame is taken; an EXIF rotation is applied unless ``upright`` is false.

    Raises:
        InputError: the file is missing, empty, cut short, not an image, CMYK, deeper than 8 bits a
            channel, under 16 pixels a side or over 64 megapixels.
    """
    path = Path(path)
    check_file(path, "image")
    return _decode(path, name=str(path), upright=upright)


def decode_image(encoded: bytes, *, name: str, upright: bool = True) -> Image:
    """Decode the bytes of an image file, by the same rules as `read_image`.

    Raises:
        InputError: as `read_image`; ``name`` stands in its sentence for the path.
    """
    return _decode(io.BytesIO(encoded), name=name, upright=upright)


def read_labels(path: str | Path) -> UInt8[np.ndarray, "height width"]:
    """Read an image whose grey levels or palette indices are labels, as PASCAL VOC keeps its masks.

    Raises:
        InputError: as `read_image`, or the image is neither grey nor of a palette.
    """
    path = Path(path)
    check_file(path, "image")
    return _decode_labels(path, name=str(path))


def decode_labels(encoded: bytes, *, name: str) -> UInt8[np.ndarray, "height width"]:
    """Decode the bytes of an image of labels, by the same rules as `read_labels`."""
    return _decode_labels(io.BytesIO(encoded), name=name)


def image_size(path: str | Path) -> Size:
    """Height and width of an image as it is stored, from the head of its file.

    Raises:
        InputError: the file is missing, empty or not an image, or `read_image` would refuse its format.
    """
    path = Path(path)
    check_file(path, "image")
    return _size(path, name=str(path))


def encoded_image_size(encoded: bytes, *, name: str) -> Size:
    """Height and width of an image from the bytes of its file, by the same rules as `image_size`."""
    return _size(io.BytesIO(encoded), name=name)


def write_image(path: str | Path, image: Image) -> None:
    """Write an RGB image in the format that the file name's ending names."""
    with written_whole(path) as temporary:
        PillowImage.fromarray(image).save(temporary)


def _size(source: Path | io.BytesIO, *, name: str) -> Size:
    with _opened(source, name=name) as opened:
        width, height = opened.size
    return Size(height, width)


def _decode(source: Path | io.BytesIO, *, name: str, upright: bool) -> Image:
    with _opened(source, name=name) as opened:
        opened.load()
        return _as_rgb(ImageOps.exif_transpose(opened) if upright else opened)


def _decode_labels(source: Path | io.BytesIO, *, name: str) -> UInt8[np.ndarray, "height width"]:
    with _opened(source, name=name) as opened:
        if opened.mode not in ("L", "P"):
            raise InputError(
                f"{name} is a {opened.mode} image; labels are grey levels or palette indices"
            )
        opened.load()
        return np.array(opened, np.uint8)


@contextlib.contextmanager
def _opened(source: Path | io.BytesIO, *, name: str) -> Iterator[PillowImage.Image]:
    """The image file, its head checked; damage met while it is open is said in one sentence."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of large files; the limit below speaks more plainly.
            warnings.simplefilter("ignore", PillowImage.DecompressionBombWarning)
            with PillowImage.open(source) as opened:
                _check_readable(name, opened)
                yield opened
    except PillowImage.DecompressionBombError as error:
        raise InputError(_too_large(name)) from error
    except UnidentifiedImageError as error:
        raise InputError(
            f"{name} is not an image that can be read (JPEG or PNG is expected)"
        ) from error
    except InputError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise InputError(f"{name} is damaged or cut short: {error}") from error


def _check_readable(name: str, opened: PillowImage.Image) -> None:
    width, height = opened.size
    if width * height > MAX_PIXELS:
        raise InputError(_too_large(name, f" ({width} x {height})"))
    if min(width, height) < MIN_SIDE:
        raise InputError(
            f"{name} is {width} x {height} pixels; at least {MIN_SIDE} a side are needed"
        )
    if opened.mode in ("CMYK", "YCCK", "LAB", "HSV"):
        raise InputError(f"{name} is a {opened.mode} image; convert it to RGB or grey first")
    raw_modes = " ".join(str(tile[3]) for tile in getattr(opened, "tile", ()))
    if opened.mode.startswith(("I", "F")) or ";16" in raw_modes or ";32" in raw_modes:
        raise InputError(f"{name} has more than 8 bits a channel; convert it to 8 bits first")


def _too_large(name: str, size: str = "") -> str:
    return f"{name} is too large{size}: at most {MAX_PIXELS // 1_000_000} megapixels are read"


def _as_rgb(image: PillowImage.Image) -> Image:
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        image = PillowImage.alpha_composite(PillowImage.new("RGBA", layer.size, "white"), layer)
    return np.asarray(image.convert("RGB"))
