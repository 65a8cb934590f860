"""PCK, the percentage of correct keypoints, with the protocol that makes it one number.

A prediction is correct when ``|prediction - truth| / normalizer <= alpha``. Published figures for the same
predictions differ by five to ten points because of details that are often not stated: which length normalizes,
in which frame distances are measured, ``<=`` or ``<``, what is averaged first, which keypoints count. A
`Protocol` states all of them and belongs beside every figure.
"""

import dataclasses
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from convcorr_jax.errors import InputError
from convcorr_jax.metrics.bootstrap import UnitSums, group_numbers, group_ratios, mean_ratios


@dataclass(frozen=True)
class Protocol:
    """Everything that a PCK figure depends on besides the predictions.

    Attributes:
        name: the protocol's name in results and reports.
        normalizer: the length that alpha multiplies, in words.
        frame: the coordinate frame in which distances are measured, in words.
        strict: whether a prediction exactly at the threshold is wrong (``<``) or correct (``<=``).
        average: the order of averaging. ``"image"``: over the keypoints of an image, then images, then groups.
            ``"keypoint"``: over the images of a keypoint type, then the types of a group, then groups.
            ``"pooled"``: over all keypoints of a group at once, then groups.
        counted: which keypoints count, in words.
        overall: what the overall figure averages: the figures of ``"groups"`` with equal weight, or ``"all"``
            images (all keypoints if averaging is pooled) at once, whatever their group.
    """

    name: str
    normalizer: str
    frame: str
    strict: bool
    average: Literal["image", "keypoint", "pooled"]
    counted: str
    overall: Literal["groups", "all"] = "groups"


PF_WILLOW = Protocol(
    name="PF-WILLOW (Ham et al. 2016)",
    normalizer="the longer side of the target's box, the tight extent of its ten keypoints",
    frame="pixels of the target photograph as released",
    strict=False,
    average="image",
    counted="all ten keypoints of every pair",
)
"""The mean over the keypoints of a pair, then the pairs of a subset, then the ten subsets."""

SPAIR_71K = Protocol(
    name="SPair-71k, per image (Min et al. 2019)",
    normalizer="the longer side of the target's annotated box, as last minus first pixel",
    frame="pixels of the target photograph as released",
    strict=False,
    average="image",
    counted="keypoints that both objects show",
    overall="all",
)
"""The mean over the keypoints of a pair, then over all pairs at once; a class's figure is that of its pairs.

Source: Min, Lee, Ponce, Cho, "SPair-71k", arXiv:1908.10543. Publications since about 2023 state
`SPAIR_71K_POINTS` as well; older ones rarely say which of the two they state.
"""

SPAIR_71K_POINTS = dataclasses.replace(SPAIR_71K, name="SPair-71k, per point", average="pooled")
"""The share of correct keypoints of all pairs at once.

Source: Tang, Jia, Wang, Phoo, Hariharan, "Emergent Correspondence from Image Diffusion", NeurIPS 2023, whose
evaluation states both.
"""

PF_PASCAL = Protocol(
    name="PF-PASCAL, image size (as on the lists of Han et al. 2017)",
    normalizer="the longer side of the target photograph",
    frame="pixels of the target photograph as released",
    strict=False,
    average="image",
    counted="keypoints that both objects show",
    overall="all",
)
"""The mean over the keypoints of a pair, then over all pairs at once.

Some publications measure distances in a square to which the photograph is squashed, which differs where a
photograph is not square.
"""

PF_PASCAL_BOX = dataclasses.replace(
    PF_PASCAL, name="PF-PASCAL, box", normalizer="the longer side of the target's annotated box"
)
"""`PF_PASCAL` with a length that is never greater, so that no figure is higher."""

LONG_2014 = Protocol(
    name="keypoint transfer (Long et al. 2014, section 3)",
    normalizer="the longer side of the target's bounding box",
    frame="pixels of the target photograph",
    strict=True,
    average="keypoint",
    counted="keypoints visible in the target for which a prediction exists",
)
"""The mean over the images of a keypoint type, then the types of a category, then the categories.

The paper leaves open whether a keypoint that no neighbour shows counts as wrong; here it does not count.
"""

FLIC_PCK = Protocol(
    name="FLIC PCK (Sapp & Taskar 2013)",
    normalizer="the torso's diagonal, left shoulder to right hip",
    frame="pixels of the film frame as released; left is as its file or the observer-centric rule has it",
    strict=False,
    average="pooled",
    counted="every joint that the ground truth and the prediction both have, of every test person",
)
"""The mean over both sides of a joint at once; the total over all joints at once.

Published figures are observer-centric: sides are swapped where a person's left shoulder, elbow and wrist are
all left of the right ones in the image. This affects 48 of the 1016 test people and changes results by about
five points. "PCK @ 0.05" is a radius of 5 pixels for a torso of 100 pixels.
"""

LSP_PCK = Protocol(
    name="LSP PCK over the torso (as MPII's group evaluates LSP)",
    normalizer="the torso's diagonal, left shoulder to right hip",
    frame="pixels of the photograph in the size that was annotated; left is as the file has it",
    strict=False,
    average="keypoint",
    counted="all 14 joints, hidden ones too; one that is not annotated is left out",
)
"""Each side of a joint by itself, then the mean of both; the total over all joints at once.

The person-centric and the observer-centric annotations are different files of the same format; nothing in a
file states which of the two it is.
"""


class Pck(NamedTuple):
    """PCK of every group, in the order of their first occurrence, at every threshold, and overall."""

    alphas: tuple[float, ...]
    groups: tuple[Hashable, ...]
    per_group: Float[np.ndarray, "groups alphas"]
    mean: Float[np.ndarray, " alphas"]
    """The overall figures: by the protocol, the means over groups or over all images."""
    sums: UnitSums
    """What each image adds, for intervals."""


def correct(
    predicted: Float[np.ndarray, "*n 2"],
    truth: Float[np.ndarray, "*n 2"],
    normalizer: Float[np.ndarray, "*n"],
    *,
    alpha: float,
    strict: bool = False,
) -> Bool[np.ndarray, "*n"]:
    """Return whether ``|predicted - truth| / normalizer <= alpha``, computed in double precision.

    Whatever is NaN is wrong; with ``strict``, so is an error exactly at the threshold.

    >>> truth = np.zeros((2, 2))
    >>> correct(np.array([[3.0, 4.0], [6.0, 0.0]]), truth, np.full(2, 50.0), alpha=0.1)
    array([ True, False])

    Raises:
        InputError: a normalizer is neither positive nor NaN.
    """
    return _within(normalized_distances(predicted, truth, normalizer), alpha, strict=strict)


def normalized_distances(
    predicted: Float[np.ndarray, "*n 2"], truth: Float[np.ndarray, "*n 2"], normalizer: Float[np.ndarray, "*n"]
) -> Float[np.ndarray, "*n"]:
    """Compute ``|predicted - truth| / normalizer`` in double precision.

    The quotient is compared with a threshold, as in the official evaluations, and not the distance with their
    product: 29 / 100 is the number that .29 denotes, .29 * 100 is less than 29.
    """
    if (normalizer <= 0).any() or np.isinf(normalizer).any():
        raise InputError("every normalizer of a PCK must be a positive length, or NaN where unknown")
    return np.linalg.norm(np.subtract(predicted, truth, dtype=np.float64), axis=-1) / normalizer


def pck(
    predicted: Float[np.ndarray, "images n 2"],
    truth: Float[np.ndarray, "images n 2"],
    counted: Bool[np.ndarray, "images n"],
    normalizer: Float[np.ndarray, " images"],
    groups: Sequence[Hashable],
    *,
    alphas: Sequence[float],
    protocol: Protocol,
    clusters: Int[np.ndarray, "images ends"] | None = None,
) -> Pck:
    """Compute PCK of every group and overall, averaged in the protocol's order.

    Args:
        predicted: points (x, y), in the protocol's frame, as ``truth`` is; NaN is wrong.
        counted: which points count; ``truth`` must not be NaN there.
        normalizer: the length of each image by which errors are divided, in pixels of the frame.
        groups: the group (subset, category) of each image. Within a group, column k is one keypoint type.
        clusters: what intervals draw in place of images (`UnitSums.clusters`): of pairs, both photographs.

    Raises:
        InputError: there is no image or no threshold; a threshold is negative or not finite; a normalizer is
            not positive and finite; a point that counts is NaN in ``truth``; or a group has no keypoint that
            counts.
    """
    if not len(predicted) or not len(alphas):
        raise InputError("a PCK needs at least one image and one threshold")
    if not all(0 <= alpha < np.inf for alpha in alphas):
        raise InputError(f"the thresholds are {alphas}; finite numbers of at least 0 are expected")
    if not (np.isfinite(normalizer) & (normalizer > 0)).all():
        raise InputError("every normalizer of a PCK must be a positive, finite length")
    if np.isnan(truth[counted]).any():
        raise InputError("a keypoint counts in the PCK but its true position is missing (NaN)")
    names = tuple(dict.fromkeys(groups))
    lengths = np.broadcast_to(normalizer[:, None], counted.shape)
    errors = normalized_distances(predicted, truth, lengths)
    right = [counted & _within(errors, alpha, strict=protocol.strict) for alpha in alphas]
    sums = _unit_sums(np.stack(right, axis=2), counted, group_numbers(groups), protocol.average)
    sums = sums._replace(clusters=clusters)
    for number, name in enumerate(names):
        if not counted[sums.groups == number].any():
            raise InputError(f"group {name!r} has no keypoint that counts")
    per_group = group_ratios(sums)
    if protocol.overall == "all":
        sums = sums._replace(groups=np.zeros_like(sums.groups))
    return Pck(tuple(alphas), names, per_group, mean_ratios(sums), sums)


def _within(errors: np.ndarray, alpha: float, *, strict: bool) -> np.ndarray:
    return errors < alpha if strict else errors <= alpha


def _unit_sums(
    right: Bool[np.ndarray, "images n alphas"],
    counted: Bool[np.ndarray, "images n"],
    groups: Int[np.ndarray, " images"],
    average: Literal["image", "keypoint", "pooled"],
) -> UnitSums:
    top, bottom = right.astype(np.float64), counted.astype(np.float64)
    if average == "keypoint":
        return UnitSums(top, bottom, groups)
    top, bottom = top.sum(axis=1, keepdims=True), bottom.sum(axis=1, keepdims=True)
    if average == "image":
        top, bottom = top / np.maximum(bottom, 1)[..., None], (bottom > 0).astype(np.float64)
    return UnitSums(top, bottom, groups)
