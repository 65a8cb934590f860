"""Real photographs that scikit-image, scikit-learn and matplotlib install with themselves.

They are free to use and need no network; this package contains no copy. All callers share the arrays, which
are read-only.
"""

import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from convcorr_jax.errors import InputError
from convcorr_jax.io import read_image
from convcorr_jax.io.image_files import Image


class Photograph(NamedTuple):
    """A photograph and its credit."""

    name: str
    """The file's name without suffix."""
    image: Image
    """8-bit RGB ``[height, width, 3]``, read-only."""
    credit: str
    """Title, author and licence, as the package states them."""


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
    """Return photographs of objects and scenes: a cat, a cup, a motorcycle, a temple and others.

    Raises:
        InputError: a package is not installed, or no longer contains its photograph.
    """
    return tuple(_load(*entry) for entry in _PHOTOGRAPHS)


@lru_cache(maxsize=1)
def surfaces() -> tuple[Photograph, ...]:
    """Return grey photographs of surfaces that fill the frame: brick, grass, gravel.

    Raises:
        InputError: a package is not installed, or no longer contains its photograph.
    """
    return tuple(_load(*entry) for entry in _SURFACES)


def _load(package: str, path: str, credit: str) -> Photograph:
    # Importing the package would take longer than reading its photograph.
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise InputError(f"package {package} is not installed; {path} is read from it")
    file = Path(spec.origin).parent / path
    image = read_image(file)
    image.flags.writeable = False
    return Photograph(file.stem, image, credit)
