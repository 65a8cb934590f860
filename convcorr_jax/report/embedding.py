"""Images and arrays as text inside a page."""

import base64
import functools
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image as PillowImage

from convcorr_jax.errors import InputError
from convcorr_jax.io import read_image
from convcorr_jax.shapes import Image

# Photographs at this quality show no artefacts at the size of the page.
_QUALITY = 82
# The most pixels of an embedded figure, twice the width of the page's column for sharp screens.
_MAX_WIDTH_PX, _MAX_HEIGHT_PX = 1600, 2400
# The least effort takes a quarter of the usual one's time, for files that are a sixth larger.
_EFFORT = 0


def image_url(image: Image) -> str:
    """Return an 8-bit RGB image as a ``data:`` URL, compressed as WebP."""
    return _webp_url(PillowImage.fromarray(image), lossless=False)


class EmbeddedFigure(NamedTuple):
    """A figure that is part of a page."""

    url: str
    """The image as a ``data:`` URL."""
    width: int
    """In pixels."""
    height: int
    """In pixels."""


def embedded_figure(path: Path) -> EmbeddedFigure:
    """Encode a figure's file for a page.

    Figures that are larger than a page shows are reduced. Charts (``.png``) are compressed without loss where
    that is smaller.

    Raises:
        InputError: the file is missing or no image.
    """
    try:
        changed = path.stat().st_mtime_ns
        return _encoded(path, changed)
    except OSError as error:
        raise InputError(f"{path} is missing, or is no image: {error}") from error


@functools.lru_cache(maxsize=256)
def _encoded(path: Path, changed: int) -> EmbeddedFigure:
    """Encode a figure; ``changed`` tells versions of the file apart in the cache."""
    figure = PillowImage.fromarray(read_image(path))
    figure.thumbnail((_MAX_WIDTH_PX, _MAX_HEIGHT_PX), PillowImage.Resampling.LANCZOS)
    url = _webp_url(figure, lossless=False)
    if path.suffix == ".png":
        # Charts of few colours are smaller, and sharp, without loss.
        url = min(url, _webp_url(figure, lossless=True), key=len)
    return EmbeddedFigure(url, figure.width, figure.height)


def _webp_url(image: PillowImage.Image, *, lossless: bool) -> str:
    stream = io.BytesIO()
    image.save(stream, "webp", lossless=lossless, quality=_QUALITY, method=_EFFORT)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"


def array_text(array: np.ndarray) -> str:
    """Return the bytes of an array, in the order of its axes, as base64 text.

    >>> array_text(np.array([1, 2, 255], np.uint8))
    'AQL/'
    """
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
