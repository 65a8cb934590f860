"""COCO's files of keypoints: annotations, and lists of results.

Whole coordinates of keypoints are centres of pixels, as in this package; edges of boxes lie between pixels. The
difference of half a pixel changes neither OKS nor PCK, which take only lengths from boxes.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax.datasets.poses.plain_keypoints import known_name
from convcorr_jax.errors import InputError
from convcorr_jax.io import check_fields, json_file, naming_file, written_whole
from convcorr_jax.metrics import KeypointTruth

MAX_BYTES = 2**28
"""The limit of the size of a file; the annotations of COCO's training images have 239 MB."""

_Numbers = Mapping[str, Mapping[Any, int]]
_KIND, _LISTS = "COCO annotation", ("images", "categories", "annotations")
# The list that each id is of, and the types of the fields that are read.
_LIST_OF = dict(zip(("image_id", "category_id", "annotation_id", "id"), (*_LISTS, "annotations"), strict=True))
_SHARED = {"image_id": int | str, "category_id": int | str, "keypoints": tuple[float, ...]}
_BOX = {"bbox": tuple[float, float, float, float]}
_RESULT = _SHARED | {"score": float, "annotation_id": int | str}
_ANNOTATION = _SHARED | _BOX | {"id": int | str, "area": float, "iscrowd": Literal[0, 1], "num_keypoints": int}


class Annotations(NamedTuple):
    """Annotations in COCO's form, checked by `read_annotations`."""

    lists: dict[str, list[dict[str, Any]]]
    """Images, categories and annotations, with ``numbers`` for ids."""
    numbers: _Numbers
    """The number of each id of a list, from 1 on in rising order."""
    joints: int
    names: tuple[str, ...]
    """The names of the keypoints; none if categories differ, or state none."""

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The annotations that evaluations count: they have labelled keypoints and are no crowds."""
        return [each for each in self.lists["annotations"] if each["num_keypoints"] and not each["iscrowd"]]


def read_annotations(path: Path) -> Annotations:
    """Read annotations; all categories have as many keypoints."""
    with json_file(path, _KIND, most_bytes=MAX_BYTES) as content:
        return check_annotations(content)


def check_annotations(content: Any) -> Annotations:
    """Check the content of a file of annotations."""
    if not isinstance(content, dict) or not all(content.get(part) for part in _LISTS):
        raise InputError(f"an object with {', '.join(_LISTS)}, none of them empty, is expected")
    numbers = {part: _numbers(content[part], part) for part in _LISTS}
    lists = {part: [each | {"id": numbers[part][each["id"]]} for each in content[part]] for part in _LISTS}
    named = {each["id"]: tuple(map(str, each.get("keypoints") or ())) for each in content["categories"]}
    names = {named.get(each.get("category_id"), ()) for each in content["annotations"]}
    joints = {*map(len, names)} - {0} or {len(content["annotations"][0].get("keypoints", ())) // 3}
    if len(joints) > 1:
        raise InputError(f"its categories have {sorted(joints)} keypoints; one number is expected")
    lists["annotations"] = [_annotation(each, min(joints), numbers) for each in content["annotations"]]
    return Annotations(lists, numbers, min(joints), names.pop() if len(names) == 1 else ())


def read_results(path: Path, truth: Annotations) -> list[dict[str, Any]]:
    """Read results in COCO's form, with the numbers of a ground truth's ids."""
    with json_file(path, "COCO result", most_bytes=MAX_BYTES) as content:
        if not isinstance(content, list) or not content:
            raise InputError("a list of results, not an empty one, is expected")
        # COCO's evaluation takes areas from boxes if the first result has one.
        kinds = _RESULT | (_BOX if content[0].get("bbox") else {})
        named = {f"results[{place}]": value for place, value in enumerate(content)}
        return [_fields(value, name, kinds, truth.joints, truth.numbers) for name, value in named.items()]


def read_pair(truth_path: Path, predictions_path: Path) -> tuple[KeypointTruth, np.ndarray]:
    """Read the objects that evaluations count, and the points ``[n, k, 2]`` of the only result of each.

    A result states its ``annotation_id``, or is the only one of its category in its image. Where it is 0, 0, 0,
    there is no prediction.
    """
    truth = read_annotations(truth_path)
    results, objects = read_results(predictions_path, truth), truth.objects
    stated = all("annotation_id" in result for result in results)
    owners = [(each["image_id"], each["category_id"], stated and each["id"]) for each in objects]
    found = {(r["image_id"], r["category_id"], stated and r["annotation_id"]): r["keypoints"] for r in results}
    if {*owners} != {*found} or not len(owners) == len(found) == len(results):
        raise InputError(
            f"{predictions_path} has {len(results)} results; one is expected for each of the {len(owners)} "
            f"annotations of {truth_path} that have keypoints and are no crowd, with its annotation_id, "
            "image_id and category_id, or without annotation_id if no image has two of a category"
        )
    predicted, keypoints = (
        np.array(values, np.float64).reshape(len(owners), -1, 3)
        for values in ([found[owner] for owner in owners], [each["keypoints"] for each in objects])
    )
    images, categories = ({each["id"]: each for each in truth.lists[part]} for part in _LISTS[:2])
    sizes = [(images[image].get("height"), images[image].get("width")) for image, *_ in owners]
    groups = tuple(str(categories[category].get("name", category)) for _, category, _ in owners)
    with naming_file(truth_path, kind=_KIND):
        matched = KeypointTruth(
            points=np.where(keypoints[..., 2:] > 0, keypoints[..., :2], np.nan),
            visible=keypoints[..., 2] == 2,
            boxes=np.array([each["bbox"] for each in objects]).reshape(-1, 2, 2).cumsum(axis=1).reshape(-1, 4),
            image_sizes=None if any(None in size for size in sizes) else np.array(sizes, int),
            groups=groups if len(set(groups)) > 1 else None,
            names=tuple(map(known_name, truth.names)) or None,
        )
    return matched, np.where((predicted == 0).all(axis=-1, keepdims=True), np.nan, predicted[..., :2])


def write_results(
    path: Path,
    points: Float[np.ndarray, "people k 2"],
    scores: Float[np.ndarray, " people"],
    *,
    image_ids: Sequence[int | str],
    annotation_ids: Sequence[int | str] | None = None,
    category_id: int = 1,
) -> None:
    """Write predicted keypoints (x, y) as COCO's results, with confidence 1; NaN is written as 0, 0, 0.

    Average precision ranks people by ``scores``. The ids are those of the ground truth; ``annotation_ids`` are
    the objects that the people are.
    """
    triples = np.pad(points, ((0, 0), (0, 0), (0, 1)), constant_values=1)
    triples[np.isnan(points).any(axis=-1)] = 0
    if not (np.isfinite(triples).all() and np.isfinite(scores).all()):
        raise InputError("points have an infinite coordinate, or scores are not finite")
    keypoints = triples.reshape(len(points), -1)
    columns = {"image_id": image_ids, "annotation_id": annotation_ids, "score": scores, "keypoints": keypoints}
    stated = {name: np.asarray(column).tolist() for name, column in columns.items() if column is not None}
    if any(len(column) != len(points) for column in stated.values()):
        raise InputError(f"{', '.join(stated)} must have {len(points)} entries each, one for every person")
    rows = (dict(zip(stated, row, strict=True)) for row in zip(*stated.values(), strict=True))
    text = json.dumps([{"category_id": category_id, **row} for row in rows])
    with written_whole(path) as temporary:
        temporary.write_text(f"{text}\n", encoding="utf-8")


def _numbers(values: list[dict[str, Any]], part: str) -> dict[Any, int]:
    ids = sorted(value["id"] for value in values)
    if twice := [one for one, other in pairwise(ids) if one == other]:
        raise InputError(f"two of its {part} have the id {twice[0]!r}")
    return {value: number for number, value in enumerate(ids, start=1)}


def _fields(value: Any, name: str, kinds: dict[str, Any], joints: int, numbers: _Numbers) -> dict[str, Any]:
    """Return the fields of an object that are read, checked, with numbers for ids."""
    fields = {field: value[field] for field in kinds if field in value}
    check_fields(fields, kinds, name=name, optional=("annotation_id", "iscrowd", "num_keypoints"))
    if (count := len(fields["keypoints"])) != 3 * joints:
        raise InputError(f"{name} has {count} numbers in keypoints; {3 * joints} are expected")
    for field, part in _LIST_OF.items():
        if (known := fields.get(field)) is not None:
            if known not in numbers[part]:
                raise InputError(f"{name} has {field} {known!r}, which none of the {part} has")
            fields[field] = numbers[part][known]
    return fields


def _annotation(value: Any, joints: int, numbers: _Numbers) -> dict[str, Any]:
    """Return an annotation with all its fields, for which OKS is well defined."""
    name = f"annotation {value['id']}"
    fields: dict[str, Any] = {"iscrowd": 0, **_fields(value, name, _ANNOTATION, joints, numbers)}
    flags, area = fields["keypoints"][2::3], fields["area"]
    labelled = sum(flag > 0 for flag in flags)
    stated = fields.setdefault("num_keypoints", labelled)
    faults = {
        "a visibility in keypoints other than 0, 1 and 2": not {0, 1, 2}.issuperset(flags),
        f"num_keypoints {stated}, but {labelled} with a visibility above 0": stated != labelled,
        # OKS divides by it, unless no keypoint is labelled.
        f"area {area}; a number above 0 is expected": area < 0 or (labelled and area == 0),
        "a bbox of negative width or height": min(fields["bbox"][2:]) < 0,
    }
    for fault, is_present in faults.items():
        if is_present:
            raise InputError(f"{name} has {fault}")
    return fields
