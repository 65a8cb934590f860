"""Photographs in rows."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt, UInt8
from matplotlib.figure import Figure

from convcorr_jax.datasets import IGNORED_LABEL, Record, load_image, load_label_map
from convcorr_jax.metrics import LabelArray, validate_labels
from convcorr_jax.report.drawing import (
    LEFT,
    LINE_PX,
    NEITHER,
    RIGHT,
    TITLE_PX,
    add_panel,
    add_text,
    fit_size,
    name_colors,
    new_figure,
    pixels,
    points_overlay,
)
from convcorr_jax.shapes import Image

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

    Images are 8-bit RGB of any size, None for an empty cell; rows may differ in length. Labels of rows stand
    above them, those of columns above the first row, the lines of ``captions`` below each image in each row.
    ``cell_px`` is the longer side of each image in the figure.
    """
    columns = max((len(row) for row in rows), default=0)
    above = TITLE_PX if column_labels else 0
    between = TITLE_PX if row_labels else _GAP_PX
    below = LINE_PX * max((len(lines) for row in captions for lines in row), default=0)
    sizes = [[None if image is None else fit_size(image.shape[:2], cell_px) for image in row] for row in rows]
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


def reconstruction_figure(
    originals: Sequence[UInt8[np.ndarray, "_ _ 3"]],
    rebuilt: Mapping[str, Sequence[Sequence[UInt8[np.ndarray, "_ _ 3"]]]],
    scores: Mapping[str, Float[np.ndarray, "images ks 3"]],
    *,
    names: Sequence[str],
    neighbors: Sequence[int],
) -> Image:
    """Draw originals beside their reconstructions by method, image and number of neighbours, with scores.

    The method "uniform" samples receptive fields uniformly. Scores are the colour error, gradient error and
    correlation of detail.
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
    return pixels(image_grid(rows, row_labels=labels, column_labels=head, captions=captions, cell_px=230))


BACKGROUND = "background"
# With many classes hues are close to each other; consecutive ones differ in brightness.
_SHADES = np.array([1.0, 0.75, 0.5])


class Segmented(NamedTuple):
    """An image with the true and predicted label of every pixel, and its response to every class."""

    photograph: Image
    truth: UInt[np.ndarray, "height width"]
    predicted: UInt[np.ndarray, "height width"]
    responses: Float[np.ndarray, "height width classes"]


def segmentation_figure(examples: Sequence[Segmented], classes: Sequence[str], *, cell_px: int = 120) -> Figure:
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
    return image_grid(rows, column_labels=("photograph", "true", "predicted", *classes), cell_px=cell_px)


def label_colors(labels: LabelArray, classes: Sequence[str]) -> Image:
    """Color a label map of class numbers and 255: the background is black, pixels without label are white.

    >>> label_colors(np.array([[0, 255]], np.uint8), ["background", "cat"]).tolist()
    [[[0, 0, 0], [255, 255, 255]]]
    """
    checked = validate_labels(labels, classes=len(classes), what="pixels'", absent=IGNORED_LABEL)
    table = np.zeros((IGNORED_LABEL + 1, 3))
    named = [k for k, name in enumerate(classes) if name != BACKGROUND]
    table[named] = name_colors(len(named)) * _SHADES[np.arange(len(named)) % len(_SHADES), None]
    table[IGNORED_LABEL] = 1
    return np.round(255 * table[checked]).astype(np.uint8)


def _grey(response: Float[np.ndarray, "height width"]) -> Image:
    level = np.round(255 * np.clip(response, 0, 1)).astype(np.uint8)
    return np.repeat(level[..., None], 3, axis=2)


_LABEL_OPACITY = 0.55
# Width of a letter in the lines below an image.
_PX_A_LETTER = 9.0


def contact_sheet(records: Sequence[Record], *, columns: int = 4, cell_px: int = 320) -> Image:
    """Draw every record's image with its boxes and keypoints, and its label map beside it if it has one.

    Keypoints of left/right pairs are blue if left and orange if right, others white; in a category without
    pairs each keypoint has a colour of its own. Dots are visible keypoints, rings hidden ones. The lines below
    an image are category and split, and the source id.
    """
    cells = [cell for record in records for cell in _cells(record, cell_px)]
    return sheet_of_cells(cells, columns=columns, cell_px=cell_px)


def sheet_of_cells(
    cells: Sequence[tuple[UInt8[np.ndarray, "_ _ 3"], Sequence[str]]], *, columns: int, cell_px: int
) -> Image:
    """Arrange images, each with the lines below it, which are shortened to its width."""
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    most = int(cell_px / _PX_A_LETTER)
    captions = [[[_shortened(line, most) for line in lines] for _, lines in row] for row in rows]
    return pixels(image_grid([[image for image, _ in row] for row in rows], captions=captions, cell_px=cell_px))


def draw_annotations(record: Record, *, longest_px: int = 320) -> Image:
    """Draw a record's image with its boxes and keypoints, as on a `contact_sheet`."""
    boxes = () if record.box is None else (record.box,)
    return points_overlay(
        load_image(record),
        record.points,
        names=record.names,
        colors=_side_colors(record),
        hollow=~record.visible,
        boxes=(*boxes, *record.other_boxes.values()),
        longest_px=longest_px,
    )


def _cells(record: Record, cell_px: int) -> list[tuple[Image, tuple[str, ...]]]:
    """Return the images of a record with the lines below each."""
    lines: tuple[str, ...] = (f"{record.category} · {record.split}", record.source_id)
    cells = [(draw_annotations(record, longest_px=cell_px), lines)]
    label_map = load_label_map(record)
    return cells if label_map is None else [*cells, (_labelled(record, label_map, cell_px), ())]


def _labelled(record: Record, label_map: np.ndarray, cell_px: int) -> Image:
    """Draw the image under the colours of its labels, with each label's name on it."""
    colors = name_colors(len(record.label_names))
    table = np.zeros((256, 3))
    table[1 : len(colors) + 1] = colors
    table[IGNORED_LABEL] = 1.0
    opacity = np.where(label_map > 0, _LABEL_OPACITY, 0.0)[..., None]
    mixed = (1 - opacity) * load_image(record) + opacity * 255 * table[label_map]
    positions = np.array([_inner_position(label_map == 1 + k) for k in range(len(colors))]).reshape(-1, 2)
    image, names = np.round(mixed).astype(np.uint8), record.label_names
    return points_overlay(image, positions, names=names, colors=colors, longest_px=cell_px)


def _inner_position(mask: Bool[np.ndarray, "height width"]) -> tuple[float, float]:
    """Find the pixel (x, y) of a mask nearest to its centre of mass; NaN if the mask is empty."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return np.nan, np.nan
    nearest = np.hypot(rows - rows.mean(), columns - columns.mean()).argmin()
    return float(columns[nearest]), float(rows[nearest])


def _side_colors(record: Record) -> Float[np.ndarray, "n 3"]:
    if not record.left_right_pairs:
        return name_colors(len(record.names))
    colors = np.tile(NEITHER, (len(record.names), 1))
    for pair in record.left_right_pairs:
        left, right = pair
        if _leftness(record.names[right]) > _leftness(record.names[left]):
            left, right = right, left
        colors[left], colors[right] = LEFT, RIGHT
    return colors


def _leftness(name: str) -> int:
    """Score how clearly a name means "left": ``lower_left`` 2, ``l_eye`` 1, ``r_eye`` 0."""
    name = name.lower()
    return 2 * ("left" in name) + name.startswith("l")


def _shortened(text: str, most: int) -> str:
    """Return the text, without its middle if it is longer than ``most`` letters."""
    if len(text) <= most:
        return text
    end = most // 2
    return f"{text[: most - end - 1]}…{text[-end:]}"
