"""Records side by side, drawn with all their annotations."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from convcorr_jax.datasets.records import IGNORED_LABEL, Record, load_image, load_label_map
from convcorr_jax.report.canvas import pixels
from convcorr_jax.report.colors import LEFT, NEITHER, RIGHT, name_colors
from convcorr_jax.report.grids import image_grid
from convcorr_jax.report.overlays import points_overlay
from convcorr_jax.shapes import Image

_LABEL_OPACITY = 0.55
# Width of a letter in the lines below an image.
_PX_A_LETTER = 9.0


class _Cell(NamedTuple):
    image: Image
    caption: tuple[str, ...]


def contact_sheet(records: Sequence[Record], *, columns: int = 4, cell_px: int = 320) -> Image:
    """Draw every record's image with its boxes and keypoints, and its label map beside it if it has one.

    Keypoints of left/right pairs are blue if left and orange if right, others white; in a category without
    pairs each keypoint has a colour of its own. Dots are visible keypoints, rings hidden ones. The lines below
    an image are category and split, and the source id.

    Args:
        records: in reading order.
        columns: images in a row.
        cell_px: the longer side of each image.

    Raises:
        InputError: an image or label map cannot be read.
    """
    cells = [cell for record in records for cell in _cells(record, cell_px)]
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    figure = image_grid(
        [[cell.image for cell in row] for row in rows],
        captions=[[cell.caption for cell in row] for row in rows],
        cell_px=cell_px,
    )
    return pixels(figure)


def annotated(record: Record, *, longest_px: int = 320) -> Image:
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


def _cells(record: Record, cell_px: int) -> list[_Cell]:
    most = int(cell_px / _PX_A_LETTER)
    kind = f"{record.category} · {record.split}"
    caption = (_shortened(kind, most), _shortened(record.source_id, most))
    cells = [_Cell(annotated(record, longest_px=cell_px), caption)]
    label_map = load_label_map(record)
    if label_map is not None:
        cells.append(_Cell(_labelled(record, label_map, cell_px), ()))
    return cells


def _labelled(record: Record, label_map: np.ndarray, cell_px: int) -> Image:
    """Draw the image under the colours of its labels, with each label's name on it."""
    colors = name_colors(len(record.label_names))
    table = np.zeros((256, 3))
    table[1 : len(colors) + 1] = colors
    table[IGNORED_LABEL] = 1.0
    opacity = np.where(label_map > 0, _LABEL_OPACITY, 0.0)[..., None]
    mixed = (1 - opacity) * load_image(record) + opacity * 255 * table[label_map]
    positions = np.array(
        [_inner_position(label_map == label) for label in range(1, len(colors) + 1)]
    ).reshape(-1, 2)
    return points_overlay(
        np.round(mixed).astype(np.uint8),
        positions,
        names=record.label_names,
        colors=colors,
        longest_px=cell_px,
    )


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
