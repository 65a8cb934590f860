"""The page on which a person reviews what was found in photographs, and a sheet of the same photographs.

Both show first what one should look at next. A point is doubtful if its confidence is below
`convcorr_jax.matching.DOUBTFUL_POINT`: it is a grey ring, and a sure one is a dot in the colour of its name.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from matplotlib.colors import to_hex
from PIL import Image as PillowImage
from PIL import ImageOps

from convcorr_jax.errors import InputError
from convcorr_jax.images import resize_longest_side
from convcorr_jax.io import read_image
from convcorr_jax.labels import Found, FoundObject, FoundPhotograph
from convcorr_jax.matching import DOUBTFUL_POINT
from convcorr_jax.report.drawing import DOUBTFUL, FRAME, name_colors, points_overlay
from convcorr_jax.report.grids import sheet_of_cells
from convcorr_jax.report.page import fill_template, script_json
from convcorr_jax.report.plots import image_url
from convcorr_jax.shapes import Image

# The strip of small photographs shows them at this length of their longer side.
_THUMBNAIL_PX = 112


def review_page(
    found: Found,
    *,
    title: str,
    images: Callable[[Path], Image] | None = None,
    longest_px: int = 1024,
    most: int = 400,
) -> str:
    """Return one HTML page, without other files, on which the points of photographs are corrected.

    The page saves ``corrected.json``, COCO's keypoints in pixels of the photographs themselves, whatever the
    size of the copies on the page. Each of its images has a field ``reviewed``: true if a person labelled,
    accepted or corrected the photograph; without annotations, there is no object in it. Corrections stay in
    the browser until the content of the page is another one.

    Args:
        found: what was found in the photographs.
        title: of the page.
        images: reads a photograph; `convcorr_jax.io.read_image` by default.
        longest_px: the most pixels of the longer side of a copy; 200 copies of 1024 pixels take some 30 MB.
        most: the most photographs that the page shows, in the order of their ranks; the file that it saves has
            the others as they were found.

    Raises:
        InputError: there is no photograph, or one has another size than it was found with.
    """
    photographs = [
        _photograph_data(photograph, (images or read_image) if place < most else None, longest_px)
        for place, photograph in enumerate(_most_useful_first(found))
    ]
    content = {
        "names": list(found.names),
        "category": found.category,
        "skeleton": [list(limb) for limb in found.skeleton],
        "colors": [to_hex(color) for color in name_colors(len(found.names))],
        "doubtful": DOUBTFUL_POINT,
        "photographs": photographs,
    }
    key = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
    data = script_json({"key": key, **content})
    return fill_template("review.html", ("review.js",), title=title, data=data, doubtful=DOUBTFUL_POINT)


def _most_useful_first(found: Found) -> list[FoundPhotograph]:
    """Sort photographs by rank; those without one, such as examples, are last."""
    if not found.photographs:
        raise InputError("a review needs at least one photograph")
    return sorted(found.photographs, key=lambda one: len(found.photographs) if one.rank is None else one.rank)


def _read(photograph: FoundPhotograph, images: Callable[[Path], Image]) -> Image:
    image = images(photograph.path)
    if image.shape[:2] != tuple(photograph.size):
        now, then = (f"{width} x {height}" for height, width in (image.shape[:2], photograph.size))
        raise InputError(f"photograph {photograph.path} has {now} pixels, but its points were found in {then}")
    return image


def _photograph_data(
    photograph: FoundPhotograph, images: Callable[[Path], Image] | None, longest_px: int
) -> dict[str, Any]:
    urls = {"image": None, "thumbnail": None}
    if images is not None:
        image = _read(photograph, images)
        for name, most in (("image", longest_px), ("thumbnail", _THUMBNAIL_PX)):
            urls[name] = image_url(resize_longest_side(image, min(most, max(image.shape[:2]))).image)
    return {
        "file": str(photograph.path),
        "size": [int(length) for length in photograph.size[::-1]],
        "verdict": photograph.verdict,
        "objects": [_object_data(one) for one in photograph.objects],
        **urls,
    }


def _object_data(one: FoundObject) -> dict[str, Any]:
    return {
        "points": [_numbers(point) if np.isfinite(point).all() else None for point in one.points],
        "absent": _absent(one).tolist(),
        "confidence": None if one.confidence is None else _numbers(one.confidence),
        "radius": None if one.radius_px is None else _numbers(one.radius_px),
        "box": _numbers(np.array(one.box)),
        "score": one.score if one.score is None else round(float(one.score), 4),
    }


def _numbers(values: np.ndarray) -> list[float | None]:
    """Round to a thousandth; None for what is unknown (NaN)."""
    return [round(float(value), 3) if np.isfinite(value) else None for value in values]


def _absent(one: FoundObject) -> Bool[np.ndarray, " n"]:
    likely = np.zeros(len(one.points), bool) if one.absent is None else one.absent
    return likely | ~np.isfinite(one.points).all(axis=1)


# Okabe and Ito's colours, which stay distinct in every kind of colour vision.
_FRAMES = {"good": "#009e73", "doubtful": "#e69f00", "poor": "#d55e00", "labelled": "#0072b2"}
_FRAME_PX = 5


def found_sheet(
    found: Found,
    *,
    images: Callable[[Path], Image] | None = None,
    most: int = 48,
    columns: int = 6,
    cell_px: int = 240,
) -> Image:
    """Draw small photographs with the points that were found, framed in the colours of their verdicts.

    Green is good, yellow doubtful, red poor, and blue labelled by a person. Absent points are left out. Lines
    below a photograph are its verdict and the name of its file. At most ``most`` photographs are drawn.

    Raises:
        InputError: as `review_page` does.
    """
    cells = []
    for photograph in _most_useful_first(found)[:most]:
        image = _read(photograph, images or read_image)
        framed = ImageOps.expand(
            PillowImage.fromarray(_draw_points(photograph, image, len(found.names), cell_px - 2 * _FRAME_PX)),
            _FRAME_PX,
            _FRAMES.get(photograph.verdict or "", FRAME),
        )
        cells.append((np.asarray(framed), (photograph.verdict or "no verdict", photograph.path.name)))
    return sheet_of_cells(cells, columns=columns, cell_px=cell_px)


def _draw_points(
    photograph: FoundPhotograph, image: Image, count: int, longest_px: int
) -> UInt8[np.ndarray, "_ _ 3"]:
    objects = photograph.objects
    present = [np.where(_absent(one)[:, None], np.nan, one.points) for one in objects]
    confidence = [np.ones(count) if one.confidence is None else one.confidence for one in objects]
    # NaN, an unknown confidence, is no doubt.
    doubtful = np.concatenate([np.zeros(0), *confidence]) < DOUBTFUL_POINT
    colors = np.tile(name_colors(count), (len(objects), 1))
    colors[doubtful] = DOUBTFUL
    points = np.concatenate([np.zeros((0, 2)), *present])
    return points_overlay(image, points, colors=colors, hollow=doubtful, longest_px=longest_px)
