"""Label maps and response maps as images: Figure 5 of Sharif Razavian et al. 2014."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt
from matplotlib.figure import Figure

from convcorr_jax.datasets.records import IGNORED_LABEL
from convcorr_jax.metrics import LabelArray, checked_labels
from convcorr_jax.report.colors import name_colors
from convcorr_jax.report.grids import image_grid
from convcorr_jax.shapes import Image

BACKGROUND = "background"
# With many classes hues are close to each other; consecutive ones differ in brightness.
_SHADES = np.array([1.0, 0.75, 0.5])


class Segmented(NamedTuple):
    """An image with its true and predicted labels."""

    photograph: Image
    truth: UInt[np.ndarray, "height width"]
    """True label of every pixel."""
    predicted: UInt[np.ndarray, "height width"]
    """Predicted label of every pixel."""
    responses: Float[np.ndarray, "height width classes"]
    """Response to every class at every pixel."""


def segmentation_figure(
    examples: Sequence[Segmented], classes: Sequence[str], *, cell_px: int = 120
) -> Figure:
    """Draw one example a row: image, truth, prediction, then the response to every class.

    Responses of 0 and below are black, of 1 and above white, for all classes.
    """
    rows = [
        [
            example.photograph,
            label_colors(example.truth, classes),
            label_colors(example.predicted, classes),
            *(_grey(example.responses[..., k]) for k in range(len(classes))),
        ]
        for example in examples
    ]
    return image_grid(
        rows, column_labels=("photograph", "true", "predicted", *classes), cell_px=cell_px
    )


def label_colors(labels: LabelArray, classes: Sequence[str]) -> Image:
    """Color a label map: the background is black, pixels without label are white.

    >>> label_colors(np.array([[0, 255]], np.uint8), ["background", "cat"]).tolist()
    [[[0, 0, 0], [255, 255, 255]]]

    Raises:
        InputError: a label is not a whole number, or neither that of a class nor 255.
    """
    checked = checked_labels(labels, classes=len(classes), what="pixels'", absent=IGNORED_LABEL)
    table = np.zeros((IGNORED_LABEL + 1, 3))
    named = [k for k, name in enumerate(classes) if name != BACKGROUND]
    table[named] = name_colors(len(named)) * _SHADES[np.arange(len(named)) % len(_SHADES), None]
    table[IGNORED_LABEL] = 1
    return np.round(255 * table[checked]).astype(np.uint8)


def _grey(response: Float[np.ndarray, "height width"]) -> Image:
    level = np.round(255 * np.clip(response, 0, 1)).astype(np.uint8)
    return np.repeat(level[..., None], 3, axis=2)
