"""Images of the six formats, with EXIF data."""

import contextlib
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from convcorr_jax.errors import InputError
from convcorr_jax.io import image_size, read_image, read_labels
from tests.builders.bad_images import encoded
from tests.fuzz.mutation import Target, mutated


def _seeds() -> list[bytes]:
    photograph = PillowImage.fromarray(np.random.default_rng(0).integers(0, 255, (20, 24, 3), np.uint8))
    exif = PillowImage.Exif()
    exif[0x0112], exif[0x010E], exif[0x8769] = 6, "text", {0x9003: "2020:01:01 00:00:00"}
    formats = [
        *(("JPEG", {"exif": exif}), ("JPEG", {"progressive": True}), ("PNG", {"exif": exif})),
        *(("WEBP", {"exif": exif}), ("WEBP", {"lossless": True}), ("GIF", {}), ("BMP", {})),
        *(("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("TIFF", {"compression": "jpeg"})),
    ]
    others = [photograph.convert(mode) for mode in ("P", "1", "LA", "RGBA")]
    return [
        *(encoded(photograph, kind, **options) for kind, options in formats),
        *(encoded(other, "PNG") for other in others),
    ]


def _read(path: Path) -> None:
    for read in (read_image, read_labels, image_size):
        with contextlib.suppress(InputError):
            read(path)


TARGETS = [Target("image", _seeds, _read, mutated)]
