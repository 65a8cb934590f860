"""The real photographs that scikit-image, scikit-learn and matplotlib install with themselves.

They need no network and are free to use; none is copied into this package. The arrays are shared by
all callers and read-only.
"""

import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from convcorr_jax.errors import InputError
from convcorr_jax.io import read_image
from convcorr_jax.shapes import Image


class Photograph(NamedTuple):
    """A photograph, and whom to thank for it."""

    name: str
    image: Image
    credit: str


# Package, path in it, and the credit that the package states.
_PHOTOGRAPHS = (
    ("skimage", "data/astronaut.png", "Eileen Collins; NASA, public domain"),
    ("skimage", "data/chelsea.png", "Chelsea the cat; Stefan van der Walt, CC0"),
    ("skimage", "data/coffee.png", "Coffee cup; Rachel Michetti, CC0"),
    ("skimage", "data/motorcycle_left.png", "Motorcycle; Middlebury stereo benchmark 2014"),
    ("skimage", "data/rocket.jpg", "Falcon 9 and DSCOVR; SpaceX, public domain"),
    ("skimage", "data/camera.png", "Cameraman; Lav Varshney, CC0"),
    ("sklearn", "datasets/images/china.jpg", "Summer Palace; danielbuechele, CC BY 2.0"),
    ("sklearn", "datasets/images/flower.jpg", "Dahlia; vultilion, CC BY 2.0"),
    ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg", "Grace Hopper; US Navy, public domain"),
)
_SURFACES = (
    ("skimage", "data/brick.png", "Bricks25; CC0Textures, CC0"),
    ("skimage", "data/grass.png", "Grass-01; linolafett, CC0"),
    ("skimage", "data/gravel.png", "Gravel04; CC0Textures, CC0"),
)


@lru_cache(maxsize=1)
def photographs() -> tuple[Photograph, ...]:
    """Photographs of things and scenes: a cat, a cup, a motorcycle, a temple and others.

    Raises:
        InputError: a package no longer carries its photograph.
    """
    return tuple(_load(*entry) for entry in _PHOTOGRAPHS)


@lru_cache(maxsize=1)
def surfaces() -> tuple[Photograph, ...]:
    """Grey photographs of a surface that fills the frame: brick, grass, gravel.

    Raises:
        InputError: a package no longer carries its photograph.
    """
    return tuple(_load(*entry) for entry in _SURFACES)


def _load(package: str, path: str, credit: str) -> Photograph:
    # Found without importing the package, which would take longer than reading its photograph.
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise InputError(f"package {package} is not installed, and {path} is read from it")
    file = Path(found.origin).parent / path
    image = read_image(file)
    image.flags.writeable = False
    return Photograph(file.stem, image, credit)
