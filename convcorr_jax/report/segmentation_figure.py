"""Label maps and maps of responses as pictures: Figure 5 of Sharif Razavian et al. 2014."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.figure import Figure

from convcorr_jax.datasets.records import IGNORED_LABEL
from convcorr_jax.report.colors import name_colors
from convcorr_jax.report.figures import image_grid
from convcorr_jax.shapes import Image

BACKGROUND = "background"
# Hues of many classes come close to each other; neighbouring ones then differ in brightness.
_SHADES = np.array([1.0, 0.75, 0.5])


class Segmented(NamedTuple):
    """A photograph, its true label map, the predicted one, and the response to every class at every pixel."""

    photograph: Image
    truth: UInt8[np.ndarray, "height width"]
    predicted: UInt8[np.ndarray, "height width"]
    responses: Float[np.ndarray, "height width classes"]


def segmentation_figure(
    examples: Sequence[Segmented], classes: Sequence[str], *, cell_px: int = 120
) -> Figure:
    """One example a row: photograph, truth, prediction, then the response to every class.

    Responses of 0 and less are black, of 1 and more white, alike for all classes.
    """
    rows = [
        [
            one.photograph,
            label_colors(one.truth, classes),
            label_colors(one.predicted, classes),
            *(_grey(one.responses[..., k]) for k in range(len(classes))),
        ]
        for one in examples
    ]
    return image_grid(
        rows, column_labels=("photograph", "true", "predicted", *classes), cell_px=cell_px
    )


def label_colors(labels: UInt8[np.ndarray, "height width"], classes: Sequence[str]) -> Image:
    """A label map in colours: the background is black, what has no label is white.

    >>> label_colors(np.array([[0, 255]], np.uint8), ["background", "cat"]).tolist()
    [[[0, 0, 0], [255, 255, 255]]]
    """
    table = np.zeros((256, 3))
    named = [k for k, name in enumerate(classes) if name != BACKGROUND]
    table[named] = name_colors(len(named)) * _SHADES[np.arange(len(named)) % len(_SHADES), None]
    table[IGNORED_LABEL] = 1
    return np.round(255 * table[labels]).astype(np.uint8)


def _grey(response: Float[np.ndarray, "height width"]) -> Image:
    level = np.round(255 * np.clip(response, 0, 1)).astype(np.uint8)
    return np.repeat(level[..., None], 3, axis=2)
