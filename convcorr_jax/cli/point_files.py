"""The files of points that are found in photographs: which photographs, the table, and COCO's annotations."""

import csv
import glob
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from convcorr_jax.cli import arguments
from convcorr_jax.cli.pairs import PHOTOGRAPH_ENDINGS, list_photographs
from convcorr_jax.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from convcorr_jax import coords

# COCO's flag of a point that is labelled but not visible; here of one whose confidence is low.
_UNSURE, _SURE = 1, 2
UNCERTAIN = 0.2
"""Points with a lower confidence are uncertain."""


class FoundObject(NamedTuple):
    """A face, a person or another object: its points (x, y) in pixels of the photograph, ``[n, 2]``."""

    points: "np.ndarray"
    confidence: "np.ndarray | None"
    box: "coords.Box"
    score: float | None
    """How certain it is that the object is one; None in the user's box."""


class FoundIn(NamedTuple):
    """The objects of a photograph of a size (height, width)."""

    photograph: Path
    size: tuple[int, int]
    objects: Sequence[FoundObject]


def expand(words: Iterable[Path]) -> list[Path]:
    """Return the photographs that files, folders and patterns name, each of them once."""
    found: dict[Path, None] = {}
    for word in words:
        paths = [word]
        if word.is_dir():
            paths = list_photographs(word)
        elif glob.has_magic(str(word)) and not word.exists():
            matches = map(Path, glob.glob(str(word), recursive=True))
            paths = sorted(one for one in matches if one.suffix.lower() in PHOTOGRAPH_ENDINGS and one.is_file())
            if not paths:
                raise InputError(f"no photograph matches {word}")
        found |= dict.fromkeys(paths)
    return list(found)


def point_values(names: Sequence[str], objects: Sequence[FoundObject]) -> list[dict[str, Any]]:
    """Return the points of a photograph as the JSON object lists them; several objects have numbers from 1."""
    return [
        {**({"object": number} if len(objects) > 1 else {}), **value}
        for number, one in enumerate(objects, 1)
        for value in arguments.point_values(names, one.points, confidence=one.confidence)
    ]


def table(names: Sequence[str], found: Iterable[FoundIn]) -> str:
    """Return the points of photographs as CSV, to a thousandth of a pixel; objects have numbers from 1."""
    text = io.StringIO(newline="")
    columns = ["photograph", "object", "name", "x", "y", "confidence"]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for one in found:
        for value in point_values(names, one.objects):
            digits = {"x": 3, "y": 3, "confidence": 4}
            rounded = {key: f"{value[key]:.{digits[key]}f}" for key in value.keys() & digits.keys()}
            writer.writerow({"photograph": one.photograph, "object": 1, **value, **rounded})
    return text.getvalue()


def coco(
    names: Sequence[str], found: Sequence[FoundIn], *, category: str, limbs: Iterable[tuple[int, int]]
) -> Mapping[str, Any]:
    """Return the points of all photographs as COCO's annotations of keypoints.

    The flag of a point is 1 if its confidence is below 0.2, and else 2. Coordinates are those of
    `convcorr_jax.datasets.poses.coco`.
    """
    images = [
        {"id": number, "file_name": str(one.photograph), "width": one.size[1], "height": one.size[0]}
        for number, one in enumerate(found, 1)
    ]
    annotations: list[dict[str, Any]] = []
    for number, one in enumerate(found, 1):
        for each in one.objects:
            sure = [True] * len(names) if each.confidence is None else (each.confidence >= UNCERTAIN).tolist()
            triples = zip(each.points.round(3).tolist(), sure, strict=True)
            box = each.box
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "keypoints": [v for (x, y), s in triples for v in (x, y, _SURE if s else _UNSURE)],
                    "num_keypoints": len(names),
                    "bbox": [box.x0 + 0.5, box.y0 + 0.5, box.width, box.height],
                    "area": box.width * box.height,
                    "iscrowd": 0,
                    "score": each.score,
                }
            )
    skeleton = [[a + 1, b + 1] for a, b in limbs]
    categories = [{"id": 1, "name": category, "keypoints": list(names), "skeleton": skeleton}]
    return {"images": images, "categories": categories, "annotations": annotations}
