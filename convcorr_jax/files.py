"""Reading photographs and writing results: the package's border with the file system.

Reading refuses what it cannot read faithfully, in one sentence. Writing goes to a temporary name beside
the target and is renamed at the end, so that a crash or a full disk leaves nothing half-written.
"""

import contextlib
import io
import json
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image as PillowImage
from PIL import ImageOps, UnidentifiedImageError

from convcorr_jax.coords import Size
from convcorr_jax.errors import InputError
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


def check_file(path: Path, kind: str) -> None:
    """Refuse a path that is not a readable, non-empty file.

    Raises:
        InputError: as said; ``kind`` names in its sentence what the file should have been.
    """
    try:
        there = path.exists()
    except OSError as error:
        raise InputError(f"{path} may not be read: {error.strerror}") from error
    if not there:
        article = "an" if kind[0] in "aeiou" else "a"
        raise InputError(f"{path} does not exist; {article} {kind} file is expected")
    if not path.is_file():
        raise InputError(f"{path} is not a file")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path} may not be read: permission denied")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty")


def check_writable(path: str | Path) -> None:
    """Refuse a path at which no file could be written, before work is done for it; leaves no trace.

    Raises:
        InputError: it is a folder, or its folder is not there and cannot be made, or cannot be written.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder; a file name is expected")
        nearest = next(folder for folder in path.absolute().parents if folder.exists())
        if not nearest.is_dir():
            raise InputError(f"{path} cannot be written: {nearest} is not a folder")
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error


@contextlib.contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on success rename it to ``path``, else remove it.

    Raises:
        InputError: the folder does not exist and cannot be made, or cannot be written.
    """
    path = Path(path)
    if os.path.isdir(path):
        raise InputError(f"{path} is a folder; a file name is expected")
    make_folder(path.parent)
    # mkstemp keeps the file private; the umask decides, as for any other file.
    try:
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent
        )
    except OSError as error:
        raise InputError(f"{path.parent} cannot be written: {error.strerror}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(folder: str | Path) -> Path:
    """Make a folder that can be written, with its parents, unless it is there already.

    Raises:
        InputError: it cannot be made or written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"folder {folder} cannot be made: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"folder {folder} cannot be written: permission denied")
    return folder


def write_at(path: Path, start: int, content: bytes) -> None:
    """Write at a place of a file, cut off what lies behind, and wait until the disk has it.

    For files that grow and whose good part is told elsewhere; one that is not there is made.

    Raises:
        InputError: it cannot be written.
    """
    try:
        with path.open("r+b" if path.exists() else "w+b") as stream:
            stream.seek(start)
            stream.write(content)
            stream.truncate()
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error


def with_ending(path: Path, ending: str) -> Path:
    """The path of one of two files, ``.npz`` and ``.json``, given by that of either or by what they share.

    >>> with_ending(Path("cat.json"), ".npz").name, with_ending(Path("cat.v2"), ".npz").name
    ('cat.npz', 'cat.v2.npz')
    """
    known = path.suffix in (".npz", ".json")
    return path.with_suffix(ending) if known else path.with_name(path.name + ending)


@contextlib.contextmanager
def json_file(path: Path, kind: str) -> Iterator[Any]:
    """What a JSON file holds, to be taken apart in a ``with`` block.

    Raises:
        InputError: the file is missing, empty or no JSON, or the block met what it did not expect; the
            sentence names the file, and by ``kind`` what it should have been.
    """
    check_file(path, kind)
    try:
        yield json.loads(path.read_text(encoding="utf-8"))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (OSError, ValueError, OverflowError, RecursionError) as error:
        raise InputError(f"{path} is damaged, or is no {kind}: {error}") from error
    except (LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is damaged, or is no {kind} ({type(error).__name__}: {error})"
        ) from error


def write_json(path: str | Path, value: Mapping[str, Any]) -> None:
    """Write a mapping as indented JSON; NaN and infinity are refused, since JSON has neither."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_image(path: str | Path, image: Image) -> None:
    """Write an RGB image in the format that the file name's ending names."""
    with written_whole(path) as temporary:
        PillowImage.fromarray(image).save(temporary)


def write_arrays(path: str | Path, **arrays: np.ndarray | np.generic) -> None:
    """Write named arrays as one compressed ``.npz``."""
    with written_whole(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
