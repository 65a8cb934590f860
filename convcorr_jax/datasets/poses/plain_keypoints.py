"""Keypoints in a plain file that describes itself, for data that come in no official format.

A file ``.npz`` has these arrays, a file ``.json`` an object of the same names with nested lists; n is the
number of images (or pairs of images), k that of keypoints:

===============  ==============  ===================================================================
name             shape           content
===============  ==============  ===================================================================
``points``       ``[n, k, 2]``   (x, y) in pixels; NaN (JSON: null) where one is not annotated
``visible``      ``[n, k]``      whether each keypoint is visible: true and false, or 1 and 0
``boxes``        ``[n, 4]``      left, top, right, bottom of the object; NaN where it has no box
``head_boxes``   ``[n, 4]``      the same of the head, in MPII's sense
``image_sizes``  ``[n, 2]``      height and width of the image
``groups``       ``[n]``         the category or subset of the image, a text or a number
``names``        ``[k]``         the name of each keypoint
===============  ==============  ===================================================================

Only ``points`` is needed; a file with another name is refused, since it may be a slip of the pen. Predictions
are a file with ``points``, and ``names`` if their order is another one; all else in it is ignored. A shoulder
or a hip is recognized by any name that `joint_orders.joint_name` knows, such as ``left_shoulder``, the outer
corner of an eye by ``l_eye_outer`` or ``left_eye_outer``.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax.datasets.poses.joint_orders import joint_name
from convcorr_jax.errors import InputError
from convcorr_jax.io import json_array, json_file, load_arrays, naming_file
from convcorr_jax.metrics import KeypointTruth

FIELDS = ("points", "visible", "boxes", "head_boxes", "image_sizes", "groups", "names")
"""The names of the arrays."""

_KIND = "plain keypoint"
_OUTER_CORNER = re.compile(r"(?P<side>l|r)(eft|ight)?_eye_outer")
# The kinds of NumPy's types whose elements are texts, and those that are numbers.
_TEXTS, _NUMBERS = "SU", "fiub"


class PredictedPoints(NamedTuple):
    """Points (x, y) in the frame of the ground truth, NaN where there is none, and names if there are any."""

    points: Float[np.ndarray, "n k 2"]
    names: tuple[str, ...] | None


def read_truth(path: Path) -> KeypointTruth:
    """Read the ground truth of a plain file, whose arrays must fit each other and have known names."""
    values = _read(path)
    with naming_file(path, kind=_KIND):
        if unknown := [name for name in values if name not in FIELDS]:
            raise InputError(f"it has {', '.join(unknown)}; {', '.join(FIELDS)} are known")
        points = _points(values)
        images, count, _ = points.shape
        shapes = {"boxes": (images, 4), "head_boxes": (images, 4), "visible": (images, count)}
        shapes["image_sizes"] = (images, 2)
        known = {name: _numbers(values, name, shape) for name, shape in shapes.items() if name in values}
        visible, sizes = known.pop("visible", None), known.pop("image_sizes", None)
        if visible is not None and not np.isin(visible, (0, 1)).all():
            raise InputError("visible must be true and false, or 1 and 0")
        if sizes is not None and not (sizes == np.round(sizes)).all():
            raise InputError("image_sizes must be whole heights and widths in pixels")
        return KeypointTruth(
            points=np.where(np.isnan(points).any(axis=-1, keepdims=True), np.nan, points),
            visible=None if visible is None else visible == 1,
            image_sizes=None if sizes is None else sizes.astype(int),
            groups=_texts(values, "groups"),
            names=_names(values),
            **known,
        )


def read_points(path: Path) -> PredictedPoints:
    """Read the predictions of a plain file."""
    values = _read(path)
    with naming_file(path, kind=_KIND):
        points, names = _points(values), _names(values)
        if names is not None and len(names) != points.shape[1]:
            raise InputError(f"names has {len(names)} entries; {points.shape[1]} are expected")
        return PredictedPoints(points, names)


def _read(path: Path) -> Mapping[str, Any]:
    if path.suffix == ".json":
        with json_file(path, _KIND) as content:
            if not isinstance(content, dict):
                raise InputError(f"a {type(content).__name__}; an object with 'points' is expected")
            return {name: json_array(value) for name, value in content.items() if value is not None}
    if path.suffix == ".npz":
        return load_arrays(path)
    raise InputError(f"{path} is no .npz or .json; a plain file with the array 'points' is expected")


def _points(values: Mapping[str, Any]) -> np.ndarray:
    if "points" not in values:
        raise InputError(f"it has {', '.join(values) or 'no array'}; 'points' is expected")
    points = _numbers(values, "points", None)
    if points.ndim != 3 or points.shape[2] != 2:
        raise InputError(f"points is {points.shape}; (images, keypoints, 2) is expected")
    return points


def _numbers(values: Mapping[str, Any], name: str, shape: tuple[int, ...] | None) -> np.ndarray:
    array = np.asarray(values[name])
    if array.dtype.kind == "O" and all(
        value is None or isinstance(value, int | float) for value in array.ravel()
    ):
        array = array.astype(np.float64)
    if array.dtype.kind not in _NUMBERS:
        raise InputError(f"{name} is of type {array.dtype}; numbers are expected")
    if shape is not None and array.shape != shape:
        raise InputError(f"{name} is {array.shape}; {shape} is expected, as points are")
    return array.astype(np.float64)


def _texts(values: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    if name not in values:
        return None
    array = np.asarray(values[name])
    if array.ndim != 1 or array.dtype.kind not in _TEXTS + _NUMBERS:
        raise InputError(f"{name} is {array.dtype} {array.shape}; a list of texts is expected")
    return tuple(
        each.decode("utf-8", "replace") if isinstance(each, bytes) else str(each) for each in array.tolist()
    )


def _names(values: Mapping[str, Any]) -> tuple[str, ...] | None:
    names = _texts(values, "names")
    return None if names is None else tuple(map(known_name, names))


def known_name(name: str) -> str:
    """Return the name that a normalizer expects, of a shoulder, a hip or an eye, and other names as they are.

    >>> [known_name(name) for name in ("Left Shoulder", "right_eye_outer", "left_ear", "head")]
    ['l_shoulder', 'r_eye_outer', 'left_ear', 'head']
    """
    joint = joint_name(name) or ""
    if joint.endswith(("_shoulder", "_hip")):
        return joint
    corner = _OUTER_CORNER.fullmatch(name.lower())
    return f"{corner['side']}_eye_outer" if corner else name
