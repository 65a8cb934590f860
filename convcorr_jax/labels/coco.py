"""COCO's annotations of keypoints as labels, and what is found as such annotations.

Whole coordinates of keypoints are pixel centres, as in this package. Edges of boxes, polygons and masks lie
between pixels: the box ``[0, 0, w, h]`` is all of a photograph, from -0.5 to w - 0.5 here.
"""

import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from convcorr_jax import coords
from convcorr_jax.datasets.poses.coco import check_annotations
from convcorr_jax.errors import InputError
from convcorr_jax.io import check_fields, write_json
from convcorr_jax.labels.records import Found, LabelledObject, LabelledPhotograph, Labels, Locate

# COCO's flag of a point that is not labelled, that is labelled but not visible (here: uncertain), and visible.
_ABSENT, _UNSURE, _SURE = 0, 1, 2
UNCERTAIN = 0.2
"""Points with a lower confidence are uncertain."""
_LISTS = ("images", "categories", "annotations")
_KEPT = ("id", "image_id", "category_id", "keypoints", "bbox")
_IMAGE = {"file_name": str, "width": int, "height": int, "reviewed": bool}


def read_coco(content: Any, locate: Locate) -> Labels:
    """Read the content of a COCO file whose labels have one category of keypoints.

    Keypoints of flag 0 are absent, those of flag 1 count as the visible ones of flag 2. Crowds are skipped.
    Without the field ``reviewed``, the photographs with annotations are labelled. If any image has the field,
    those are for which it is true: without an annotation, they show no object.
    """
    if not isinstance(content, dict) or any(not isinstance(content.get(part), list) for part in _LISTS):
        raise InputError(f"an object with COCO's lists {', '.join(_LISTS)} is expected")
    category = _category(content)
    names = tuple(map(str, category["keypoints"]))
    skeleton = tuple((int(a) - 1, int(b) - 1) for a, b in category.get("skeleton") or ())
    if not {*itertools.chain(*skeleton)} <= {*range(len(names))}:
        raise InputError(f"its skeleton names points beyond 1 to {len(names)}")
    own = [each for each in content["annotations"] if each["category_id"] == category["id"]]
    own = [each for each in own if not each.get("iscrowd") and "keypoints" in each]
    if own:
        # Areas matter to OKS alone, and some programs write none, or other counts than there are flags.
        plain = [{"bbox": [0, 0, 0, 0], **_some(each, _KEPT), "area": 1} for each in own]
        check_annotations({**content, "categories": [category], "annotations": plain})
    is_reviewed = any("reviewed" in image for image in content["images"])
    info = content.get("info") or {}
    of_image: dict[Any, list[Any]] = {}
    for each in own:
        of_image.setdefault(each["image_id"], []).append(each)
    photographs = []
    for image in content["images"]:
        annotations = of_image.get(image["id"], [])
        if not (image.get("reviewed") if is_reviewed else annotations):
            continue
        check_fields(_some(image, _IMAGE), _IMAGE, name=f"image {image['id']}", optional=[*_IMAGE][1:])
        size = (image["height"], image["width"]) if {"height", "width"} <= {*image} else None
        path, found = locate(os.path.join(str(info.get("photographs", "")), image["file_name"]), size)
        objects = (_object(each, found) for each in annotations)
        photographs.append(LabelledPhotograph(path, tuple(objects)))
    return Labels(names, tuple(photographs), str(category.get("name") or "object"), skeleton)


def _category(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the category that has keypoints; of several, the one that annotations have."""
    found = {each["id"]: each for each in content["categories"] if each.get("keypoints")}
    used = {each["category_id"] for each in content["annotations"] if each.get("keypoints")}
    candidates = [each for key, each in found.items() if len(found) == 1 or key in used]
    if len(candidates) != 1:
        named = ", ".join(str(each.get("name")) for each in candidates) or "none"
        raise InputError(f"one category with names of keypoints is expected; there are: {named}")
    return candidates[0]


def _some(value: Mapping[str, Any], fields: Any) -> dict[str, Any]:
    return {field: value[field] for field in fields if value.get(field) is not None}


def _object(annotation: Mapping[str, Any], size: coords.Size) -> LabelledObject:
    triples = np.array(annotation["keypoints"], float).reshape(-1, 3)
    points = np.where(triples[:, 2:] > _ABSENT, triples[:, :2], np.nan)
    left, top, width, height = annotation.get("bbox") or (0, 0, 0, 0)
    box = coords.Box(left - 0.5, top - 0.5, left - 0.5 + width, top - 0.5 + height)
    segmentation = annotation.get("segmentation")
    mask = _mask(segmentation, size) if segmentation else None
    return LabelledObject(points, box if width and height else None, mask)


def _mask(segmentation: Any, size: coords.Size) -> Bool[np.ndarray, "h w"]:
    """Return the pixels inside of polygons, or of a run-length code."""
    if isinstance(segmentation, list):
        polygons = [np.array(each, float).reshape(-1, 2) - 0.5 for each in segmentation]
        return polygon_mask(polygons, size)
    counts = segmentation["counts"]
    lengths = np.array(_counts(counts) if isinstance(counts, str) else counts, int)
    if [*segmentation["size"]] != [*size] or lengths.min() < 0 or lengths.sum() != size.height * size.width:
        raise InputError(f"a mask in run lengths does not have the {size.width} x {size.height} pixels")
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(size[::-1]).T


def polygon_mask(polygons: Sequence[np.ndarray], size: coords.Size) -> Bool[np.ndarray, "h w"]:
    """Return the pixels whose centres are inside of a polygon ``[n, 2]`` of points (x, y)."""
    from skimage.draw import polygon

    mask = np.zeros(size, bool)
    for each in polygons:
        if not np.isfinite(each).all():
            raise InputError("a polygon has a coordinate that is no finite number")
        mask[polygon(each[:, 1], each[:, 0], size)] = True
    return mask


def _counts(text: str) -> list[int]:
    """Decode COCO's text of run lengths: 5 bits a character, from the fourth number on differences."""
    counts: list[int] = []
    value = shift = 0
    for code in (ord(character) - 48 for character in text):
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            value -= (code & 16) << (shift - 4)
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    return counts


def write_coco(path: Path, found: Found) -> None:
    """Write what is found as COCO's annotations of keypoints, which CVAT imports.

    The flag of a point is 0 (with coordinates 0) if it is likely to be absent, 1 if its confidence is below
    0.2, and else 2. Beyond COCO's fields, annotations have ``score`` and, where they are known, ``confidence``
    and ``radius_px`` of each point; images have ``verdict`` and ``rank``. File names are relative to the folder
    that the photographs share, and that to the file's own, in ``info``.
    """
    parents = [each.path.absolute().parent for each in found.photographs]
    folder = os.path.commonpath(parents or [path.absolute().parent])
    images, annotations = [], []
    for number, each in enumerate(found.photographs, 1):
        name = Path(os.path.relpath(each.path, folder)).as_posix()
        image = {"id": number, "file_name": name, "width": each.size[1], "height": each.size[0]}
        judged = {"verdict": each.verdict, "rank": each.rank}
        images.append(image | {key: value for key, value in judged.items() if value is not None})
        for one in each.objects:
            confidence, box = one.confidence, one.box
            is_sure = np.ones(len(found.names), bool) if confidence is None else confidence >= UNCERTAIN
            is_there = ~np.isnan(one.present[:, 0])
            flags = np.where(is_there, np.where(is_sure, _SURE, _UNSURE), _ABSENT)
            triples = np.nan_to_num(one.present.round(3)).tolist(), flags.tolist()
            known = {"confidence": confidence, "radius_px": one.radius_px}
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "keypoints": [v for (x, y), f in zip(*triples, strict=True) for v in (x, y, f)],
                    "num_keypoints": int(is_there.sum()),
                    "bbox": [box.x0 + 0.5, box.y0 + 0.5, box.width, box.height],
                    "area": box.width * box.height,
                    "iscrowd": 0,
                    "segmentation": [],
                    # CVAT's importer refuses null.
                    **({} if one.score is None else {"score": one.score}),
                    **{key: _values(array) for key, array in known.items() if array is not None},
                }
            )
    skeleton = [[a + 1, b + 1] for a, b in found.skeleton]
    categories = [{"id": 1, "name": found.category, "keypoints": list(found.names), "skeleton": skeleton}]
    place = Path(os.path.relpath(folder, path.parent)).as_posix()
    info = {"description": "points found by convcorr_jax", "photographs": place}
    write_json(path, {"info": info, "images": images, "categories": categories, "annotations": annotations})


def _values(array: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else value for value in array.round(4).tolist()]
