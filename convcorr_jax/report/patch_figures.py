"""Figures 1 and 2 of Long et al. 2014: reconstructions, and mean receptive fields."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, UInt8

from convcorr_jax.report.canvas import pixels
from convcorr_jax.report.grids import image_grid
from convcorr_jax.shapes import Image


def reconstruction_figure(
    originals: Sequence[UInt8[np.ndarray, "_ _ 3"]],
    rebuilt: Mapping[str, Sequence[Sequence[UInt8[np.ndarray, "_ _ 3"]]]],
    scores: Mapping[str, Float[np.ndarray, "images ks 3"]],
    *,
    names: Sequence[str],
    neighbors: Sequence[int],
) -> Image:
    """Draw originals beside their reconstructions by every method, with the scores below.

    Args:
        originals: 8-bit RGB images.
        rebuilt: by method, for each image, one reconstruction for each number of neighbours. The method
            "uniform" samples receptive fields uniformly.
        scores: by method, the colour error, gradient error and correlation of detail of each reconstruction.
        names: one for each image.
        neighbors: numbers of neighbours.
    """
    rows, labels, captions = [], [], []
    for i, original in enumerate(originals):
        for j, k in enumerate(neighbors):
            rows.append([original, *(images[i][j] for images in rebuilt.values())])
            labels.append(f"{names[i]}, {'1 neighbour' if k == 1 else f'{k} neighbours'}")
            lines = [
                [f"colour {color:.1f}, gradient {gradient:.2f}", f"detail {detail:.2f}"]
                for color, gradient, detail in (of_method[i, j] for of_method in scores.values())
            ]
            captions.append([[""], *lines])
    head = ("original", *("uniform rf" if name == "uniform" else name for name in rebuilt))
    return pixels(
        image_grid(rows, row_labels=labels, column_labels=head, captions=captions, cell_px=230)
    )
