"""Small photographs of textures on which an asymmetric object of four known points is drawn, turned at will."""

import contextlib
import csv
from collections.abc import Collection, Iterator, Sequence
from importlib import import_module
from pathlib import Path

import jax
import numpy as np
import pytest
from jaxtyping import Float
from PIL import Image as PillowImage
from PIL import ImageDraw

from convcorr_jax.annotation import template
from convcorr_jax.annotation.people import METHODS
from convcorr_jax.io import write_image, written_whole

NAMES = ("nose", "tail", "fin", "horn")
SIZE = (120, 160)
DIAMETER_PX = 56
_POINTS = np.array([[0.5, 0.0], [-0.5, 0.0], [-0.15, -0.4], [0.25, 0.3]])
_PARTS = (
    ((150, 140, 130), [(0.5, -0.06), (0.5, 0.06), (0.1, 0.2), (-0.3, 0.13), (-0.3, -0.13), (0.1, -0.2)]),
    ((200, 30, 30), [(0.56, -0.09), (0.56, 0.09), (0.4, 0.13), (0.4, -0.13)]),
    (
        (30, 60, 200),
        [(-0.28, -0.05), (-0.44, -0.16), (-0.56, -0.16), (-0.56, 0.16), (-0.44, 0.16), (-0.28, 0.05)],
    ),
    ((230, 200, 40), [(-0.25, -0.12), (-0.22, -0.45), (-0.08, -0.45), (0.05, -0.16)]),
    ((30, 160, 70), [(0.1, 0.15), (0.19, 0.36), (0.31, 0.36), (0.28, 0.12)]),
    ((20, 20, 20), [(0.25, -0.09), (0.34, -0.09), (0.34, 0.0), (0.25, 0.0)]),
)
# The places of the horn among points and parts.
_HORN, _DRAWN_HORN = 3, 4
_FINER = 4

Objects = Float[np.ndarray, "objects 4 2"]


@contextlib.contextmanager
def learning_little() -> Iterator[None]:
    """Let `annotate` learn few channels from few windows in few steps, with templates at few angles."""
    # The room has a function of the module's name.
    annotating = import_module("convcorr_jax.annotation.annotate")
    few = {"_LEAST_WINDOWS": 32, "_WINDOWS_EACH": 4, "_STEPS": 60}
    with pytest.MonkeyPatch.context() as patched:
        for name, number in few.items():
            patched.setattr(annotating, name, number)
        patched.setattr(template, "_ANGLES", 12)
        patched.setattr(template, "_SCALES", (1.0,))
        for method in METHODS.values():
            few_channels = tuple(one._replace(channels=12) for one in method.designs)
            patched.setattr(method, "designs", few_channels)
        jax.clear_caches()
        jax.config.update("jax_disable_most_optimizations", False)
        yield
        jax.clear_caches()
        jax.config.update("jax_disable_most_optimizations", True)


def _placed(shape, place: Sequence[float], degrees: float, diameter_px: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.asarray(shape) @ turn * diameter_px + place


def paste_objects(
    folder: Path, degrees: Sequence[Sequence[float]], *, hidden: Collection[int] = (), seed: int = 0
) -> dict[Path, Objects]:
    """Write a photograph with an object for each angle of it, and return the points of its objects.

    Of several objects, the first is on the left and the second on the right. The horn of the photographs that
    are ``hidden`` is not drawn.
    """
    rng, truth = np.random.default_rng(seed), {}
    for number, angles in enumerate(degrees):
        coarse = PillowImage.fromarray(rng.integers(60, 200, (6, 8, 3), np.uint8))
        texture = np.asarray(coarse.resize(SIZE[::-1], PillowImage.Resampling.BICUBIC), float)
        texture = (texture + rng.normal(0, 12, texture.shape)).clip(0, 255).astype(np.uint8)
        drawn = PillowImage.fromarray(texture).resize(
            (SIZE[1] * _FINER, SIZE[0] * _FINER), PillowImage.Resampling.NEAREST
        )
        objects = []
        for place, angle in enumerate(angles):
            middle = np.array([SIZE[1] * (place + 0.5) / len(angles), SIZE[0] / 2]) - 0.5
            middle = middle + rng.uniform(-1, 1, 2) * ((18, 18) if len(angles) == 1 else (6, 18))
            size = DIAMETER_PX * rng.uniform(0.92, 1.08)
            points, parts = _placed(_POINTS, middle, angle, size), _PARTS
            if number in hidden:
                points[_HORN], parts = np.nan, [part for k, part in enumerate(_PARTS) if k != _DRAWN_HORN]
            for color, part in parts:
                corners = (_placed(part, middle, angle, size) + 0.5) * _FINER - 0.5
                ImageDraw.Draw(drawn).polygon([tuple(corner) for corner in corners.tolist()], color)
            objects.append(points)
        path = folder / f"{number}.png"
        write_image(path, np.asarray(drawn.resize(SIZE[::-1], PillowImage.Resampling.BOX)))
        truth[path] = np.array(objects)
    return truth


def write_labels(path: Path, labelled: dict[Path, Objects]) -> Path:
    """Write a table of labels; points that are NaN are absent."""
    with written_whole(path) as temporary, temporary.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(("photograph", "object", "name", "x", "y"))
        for photograph, objects in labelled.items():
            for number, points in enumerate(objects, start=1):
                rows.writerows(
                    (photograph.name, number, name, *("" if np.isnan(v) else v for v in point))
                    for name, point in zip(NAMES, points.tolist(), strict=True)
                )
    return path
