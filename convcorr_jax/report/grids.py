"""Images in rows, with labels and captions."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure

from convcorr_jax.report.canvas import (
    LINE_PX,
    TITLE_PX,
    add_panel,
    add_text,
    fit_size,
    new_figure,
)

_GAP_PX = 6


def image_grid(
    rows: Sequence[Sequence[UInt8[np.ndarray, "_ _ 3"] | None]],
    *,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    captions: Sequence[Sequence[Sequence[str]]] = (),
    cell_px: int = 160,
) -> Figure:
    """Arrange images in rows, as in Figure 3 of Long et al. 2014.

    Args:
        rows: 8-bit RGB images of any size, None for an empty cell; rows may differ in length.
        row_labels: one for each row, written above it.
        column_labels: one for each column, written above the first row.
        captions: for each image in each row, the lines written below it.
        cell_px: the longer side of each image in the figure.
    """
    columns = max((len(row) for row in rows), default=0)
    above = TITLE_PX if column_labels else 0
    between = TITLE_PX if row_labels else _GAP_PX
    below = LINE_PX * max((len(lines) for row in captions for lines in row), default=0)
    sizes = [
        [None if image is None else fit_size(image.shape[:2], cell_px) for image in row]
        for row in rows
    ]
    heights = [max((size.height for size in row if size is not None), default=0) for row in sizes]
    width = 2 * _GAP_PX + columns * (cell_px + _GAP_PX) - _GAP_PX
    figure = new_figure(width, 2 * _GAP_PX + above + sum(heights) + (between + below) * len(rows))
    for column, label in enumerate(column_labels):
        middle = _GAP_PX + column * (cell_px + _GAP_PX) + cell_px / 2
        add_text(figure, (middle, _GAP_PX + above / 2), label, horizontalalignment="center")
    top = _GAP_PX + above
    for i, row in enumerate(rows):
        if row_labels:
            add_text(figure, (_GAP_PX, top + between / 2), row_labels[i])
        top += between
        for column, (image, size) in enumerate(zip(row, sizes[i], strict=True)):
            if image is None or size is None:
                continue
            cell = _GAP_PX + column * (cell_px + _GAP_PX)
            add_panel(figure, image, (cell + (cell_px - size.width) // 2, top), size, "")
            for number, line in enumerate(captions[i][column] if captions else ()):
                add_text(figure, (cell, top + size.height + (number + 0.6) * LINE_PX), line)
        top += heights[i] + below
    return figure
