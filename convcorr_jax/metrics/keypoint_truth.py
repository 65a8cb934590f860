"""What protocols of PCK may need of the ground truth: points, boxes, sizes, and the lengths computed from them.

Everything is in one frame, the pixels of the photographs as they were annotated. `resize_to_squares` converts
it to the frame of images that were resized to squares, in which several papers measure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from convcorr_jax import coords
from convcorr_jax.errors import InputError
from convcorr_jax.metrics.joint_table import head_sizes

NORMALIZERS: Mapping[str, str] = MappingProxyType(
    {
        "box": "the longer side of the object's box",
        "box-diagonal": "the diagonal of the object's box",
        "keypoints": "the longer side of the tight box of the annotated keypoints",
        "image": "the longer side of the image",
        "torso": "the torso's diagonal, left shoulder to right hip",
        "other-torso": "the torso's other diagonal, right shoulder to left hip",
        "either-torso": "the torso's diagonal, left shoulder to right hip, or the other one where it is absent",
        "head": "0.6 times the diagonal of the head's box",
        "eyes": "the distance of the outer eye corners",
    }
)
"""The lengths by which errors are divided, in words, by their names."""

NORMALIZER_SOURCES = "boxes, head_boxes, image_sizes, or names of shoulders and hips or of outer eye corners"
"""What a ground truth can have besides points that gives a normalizer, in words."""

# How far from a box its points may be, in its longer sides: a hanging hand is three heads below the chin.
_NEAR = {"boxes": 1, "head_boxes": 4}


@dataclass(frozen=True, eq=False, kw_only=True)
class KeypointTruth:
    """Annotated keypoints of images, in pixels of the photographs, 0-based or 1-based but all alike.

    Attributes:
        points: keypoints (x, y); NaN where one is not annotated.
        visible: whether each keypoint is visible; hidden ones may have a position. None if it is not known.
        boxes: left, top, right and bottom of each object; NaN where an object has no box.
        head_boxes: the same of each head, as MPII annotates it.
        head_sizes: the length of each head, for data that state it instead of the box; NaN where it is unknown.
        image_sizes: height and width of each image.
        groups: the group (category, subset) of each image.
        names: the name of each keypoint. Joints have those of `convcorr_jax.datasets.poses.joint_orders`; the
            outer corners of the eyes are ``l_eye_outer`` and ``r_eye_outer``.
        scored: which keypoints the data set's own metric counts; None for all.

    Raises:
        InputError: the numbers of names and keypoints or of groups and images differ; a position is infinite; a
            visible keypoint has no position; sizes of images are not positive, or are widths and heights; edges
            of a box are infinite or exchanged, or boxes are not where the points are; two keypoints have one
            name; nothing is annotated.
    """

    points: Float[np.ndarray, "images n 2"]
    visible: Bool[np.ndarray, "images n"] | None = None
    boxes: Float[np.ndarray, "images 4"] | None = None
    head_boxes: Float[np.ndarray, "images 4"] | None = None
    head_sizes: Float[np.ndarray, " images"] | None = None
    image_sizes: Int[np.ndarray, "images 2"] | None = None
    groups: tuple[str, ...] | None = None
    names: tuple[str, ...] | None = None
    scored: Bool[np.ndarray, " n"] | None = None

    def __post_init__(self) -> None:
        points = self.points
        images, count, _ = points.shape
        for name, expected in (("groups", images), ("names", count)):
            value = getattr(self, name)
            if value is not None and len(value) != expected:
                raise InputError(f"{name} has {len(value)} entries; {expected} are expected, as in points")
        if np.isinf(points).any():
            raise InputError("points has an infinite coordinate; NaN means not annotated")
        if not self.annotated.any():
            raise InputError("points has no annotated keypoint: every one is NaN")
        if self.visible is not None and (self.visible & ~self.annotated).any():
            raise InputError("a keypoint is marked as visible but its position is NaN")
        if self.names is not None and len(set(self.names)) < count:
            raise InputError(f"names has a name twice: {', '.join(self.names)}")
        if self.image_sizes is not None:
            self._check_sizes(self.image_sizes)
        for name in ("boxes", "head_boxes"):
            if getattr(self, name) is not None:
                self._check_boxes(name, getattr(self, name))

    def _check_sizes(self, sizes: np.ndarray) -> None:
        if not (sizes > 0).all():
            raise InputError("image_sizes must be positive heights and widths in pixels")
        outside, swapped = (
            (self.points > each[:, None, ::-1] + 1).any(axis=(1, 2)) for each in (sizes, sizes[:, ::-1])
        )
        # Annotators place few points outside an image; exchanged sides place many there.
        if outside.sum() > 2 * swapped.sum() and outside.mean() > 0.25:
            raise InputError(
                "image_sizes must be (height, width) of each image; the annotated points are inside the "
                "images only if the two are exchanged"
            )

    def _check_boxes(self, name: str, boxes: np.ndarray) -> None:
        """Refuse boxes that are not left, top, right and bottom of what the points are on."""
        wrong = np.isinf(boxes).any(axis=1) | (boxes[:, 2:] < boxes[:, :2]).any(axis=1)
        if wrong.any():
            image = int(np.argmax(wrong))
            raise InputError(
                f"{name} must be left, top, right and bottom, finite and in this order; that of image {image} "
                f"(counted from 0) is {', '.join(f'{edge:g}' for edge in boxes[image])}"
            )
        others = {
            "left, top, width and height": np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1),
            "top, left, bottom and right": boxes[:, [1, 0, 3, 2]],
        }
        apart = self._beyond(boxes, 0.1).any(axis=1)
        # Annotators place few points outside a box; a box of other numbers has many there.
        for order, other in others.items() if name == "boxes" else ():
            if apart.sum() > 2 * self._beyond(other, 0.1).any(axis=1).sum() and apart.mean() > 0.5:
                raise InputError(
                    "boxes must be left, top, right and bottom; the annotated points are inside the boxes "
                    f"only if those are {order}"
                )
        beyond = self._beyond(boxes, _NEAR[name])
        lost = beyond.any(axis=1) & ~(self.annotated & ~beyond).any(axis=1)
        if lost.mean() > 0.25:
            raise InputError(
                f"{name} must be left, top, right and bottom in the pixels of the points; those of "
                f"{lost.sum()} of {len(boxes)} images are apart from all of their annotated points"
            )

    def _beyond(self, boxes: np.ndarray, margin: float) -> Bool[np.ndarray, "images n"]:
        """Return whether points are beyond a box by more than a pixel and a share of its longer side."""
        reach = 1 + margin * (boxes[:, 2:] - boxes[:, :2]).max(axis=1)[:, None, None]
        low, high = boxes[:, None, :2] - reach, boxes[:, None, 2:] + reach
        return np.asarray(((self.points < low) | (self.points > high)).any(axis=-1))

    @property
    def annotated(self) -> Bool[np.ndarray, "images n"]:
        """Whether each keypoint has a position."""
        return np.asarray(~np.isnan(self.points).any(axis=-1))


def normalizer_lengths(truth: KeypointTruth) -> dict[str, Float[np.ndarray, " images"]]:
    """Compute every normalizer that a ground truth gives, by its name in `NORMALIZERS`.

    Lengths are in pixels; NaN where one is unknown or not positive. A normalizer that no image has is left out.

    >>> square = np.array([[[0.0, 0.0], [30.0, 40.0]]])
    >>> normalizer_lengths(KeypointTruth(points=square, names=("l_shoulder", "r_hip")))
    {'keypoints': array([40.]), 'torso': array([50.])}
    """
    return {name: length for name, length in _usable_lengths(truth).items() if (~np.isnan(length)).any()}


def unusable_lengths(truth: KeypointTruth) -> dict[str, tuple[int, ...]]:
    """Return, by normalizer, the images with annotated points in which its length is unknown or not positive.

    >>> unusable_lengths(KeypointTruth(points=np.ones((2, 1, 2)), head_sizes=np.array([3.0, np.nan])))
    {'keypoints': (0, 1), 'head': (1,)}
    """
    annotated = truth.annotated.any(axis=1)
    unusable = {name: np.isnan(length) & annotated for name, length in _usable_lengths(truth).items()}
    return {name: tuple(np.flatnonzero(images).tolist()) for name, images in unusable.items()}


def resize_to_squares(
    truth: KeypointTruth, predicted: Float[np.ndarray, "images n 2"]
) -> tuple[KeypointTruth, Float[np.ndarray, "images n 2"]]:
    """Convert ground truth and predictions to the frame of images that were resized to squares.

    Resizing moves points by ``x -> (x + 0.5) * s - 0.5`` with another s for each axis (`coords.resize`), which
    changes the shapes of objects, and so PCK. It does not depend on the square's side: 224, 240 and 256 pixels
    give the same figures, unless the rounding of positions moves an error across a threshold that it equals.
    The ground truth has no lengths of heads, which have no direction, unless they are of boxes.

    Raises:
        InputError: the sizes of images are not known.
    """
    if truth.image_sizes is None:
        raise InputError("image_sizes is absent; it is needed for images resized to squares")
    resizes = [coords.resize(size, (256, 256)) for size in truth.image_sizes.tolist()]

    def convert(points: Any) -> Any:
        if points is None:
            return None
        pairs = zip(resizes, points.reshape(len(points), -1, 2), strict=True)
        return np.array([resize(each) for resize, each in pairs]).reshape(points.shape)

    converted = {name: convert(getattr(truth, name)) for name in ("points", "boxes", "head_boxes")}
    sizes = np.full_like(truth.image_sizes, 256)
    return replace(truth, **converted, head_sizes=None, image_sizes=sizes), convert(predicted)


def _usable_lengths(truth: KeypointTruth) -> dict[str, np.ndarray]:
    """Return the lengths in the order of `NORMALIZERS`, NaN where one is unknown or not positive."""
    points, found = truth.points, {}
    if truth.boxes is not None:
        sides = truth.boxes[:, 2:] - truth.boxes[:, :2]
        found |= {"box": sides.max(axis=1), "box-diagonal": np.linalg.norm(sides, axis=1)}
    present = truth.annotated[..., None]
    least = np.where(present, points, np.inf).min(axis=1)
    found["keypoints"] = (np.where(present, points, -np.inf).max(axis=1) - least).max(axis=1)
    if truth.image_sizes is not None:
        found["image"] = truth.image_sizes.max(axis=1).astype(np.float64)
    found |= _between_keypoints(truth)
    if truth.head_sizes is not None:
        found["head"] = truth.head_sizes
    elif truth.head_boxes is not None:
        found["head"] = head_sizes(truth.head_boxes)
    return {
        name: np.where(np.isfinite(found[name]) & (found[name] > 0), found[name], np.nan)
        for name in NORMALIZERS
        if name in found
    }


def _between_keypoints(truth: KeypointTruth) -> dict[str, np.ndarray]:
    """Return the lengths between two keypoints, of those keypoints that the ground truth names."""
    place = {name: truth.points[:, index] for index, name in enumerate(truth.names or ())}
    ends = {
        "torso": ("l_shoulder", "r_hip"),
        "other-torso": ("r_shoulder", "l_hip"),
        "eyes": ("l_eye_outer", "r_eye_outer"),
    }
    found = {
        name: np.linalg.norm(place[one] - place[other], axis=1)
        for name, (one, other) in ends.items()
        if one in place and other in place
    }
    if "torso" in found and "other-torso" in found:
        either = np.where(found["torso"] > 0, found["torso"], found["other-torso"])
        if not np.array_equal(either, found["torso"], equal_nan=True):
            found["either-torso"] = either
    return found
