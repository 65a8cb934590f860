"""PCK under any choices of a protocol, by loops over images and keypoints."""

import math
from dataclasses import replace
from statistics import fmean

import numpy as np

from convcorr_jax.metrics import GROUP_LIMIT, KeypointTruth, ProtocolChoices


def pck_by_loops(truth: KeypointTruth, predicted, choices: ProtocolChoices, alpha: float) -> float:
    """Compute one figure; NaN if nothing counts."""
    cells = {}
    if choices.frame == "floored":
        truth, predicted = replace(truth, points=np.floor(truth.points)), np.floor(predicted)
    for image in range(len(truth.points)):
        if choices.limited and truth.groups[:image].count(truth.groups[image]) >= GROUP_LIMIT:
            continue
        scale_x = scale_y = 1.0
        if choices.frame == "square":
            height, width = truth.image_sizes[image]
            scale_x, scale_y = 256 / width, 256 / height
        length = _length(truth, image, choices.normalizer, scale_x, scale_y)
        if not length > 0:
            continue
        for k in range(truth.points.shape[1]):
            (x, y), (u, v) = truth.points[image, k].tolist(), predicted[image, k].tolist()
            absent = math.isnan(u) or math.isnan(v)
            if (
                math.isnan(x)
                or (choices.scored and not truth.scored[k])
                or (choices.counted == "visible" and not truth.visible[image, k])
                or (choices.missing == "left out" and absent)
            ):
                continue
            error = math.hypot((u - x) * scale_x, (v - y) * scale_y) / length
            is_right = not absent and (error < alpha if choices.strict else error <= alpha)
            group = truth.groups[image] if choices.grouped else ""
            line = {"image": image, "keypoint": k, "pooled": 0}[choices.average]
            cells.setdefault(group, {}).setdefault(line, []).append(float(is_right))
    if not cells:
        return math.nan
    return fmean(fmean(map(fmean, lines.values())) for lines in cells.values())


def _length(truth, image, normalizer, scale_x, scale_y) -> float:
    def between(first, second):
        (x, y), (u, v) = (truth.points[image, truth.names.index(each)] for each in (first, second))
        return math.hypot((u - x) * scale_x, (v - y) * scale_y)

    def sides(box):
        left, top, right, bottom = box
        return (right - left) * scale_x, (bottom - top) * scale_y

    match normalizer:
        case "box":
            return max(sides(truth.boxes[image]))
        case "box-diagonal":
            return math.hypot(*sides(truth.boxes[image]))
        case "head":
            return 0.6 * math.hypot(*sides(truth.head_boxes[image]))
        case "image":
            height, width = truth.image_sizes[image]
            return max(height * scale_y, width * scale_x)
        case "keypoints":
            present = [(x, y) for x, y in truth.points[image].tolist() if not math.isnan(x)]
            if not present:
                return math.nan
            across, down = zip(*present, strict=True)
            return max((max(across) - min(across)) * scale_x, (max(down) - min(down)) * scale_y)
        case "torso":
            return between("l_shoulder", "r_hip")
        case "other-torso":
            return between("r_shoulder", "l_hip")
        case "either-torso":
            torso = between("l_shoulder", "r_hip")
            return torso if torso > 0 else between("r_shoulder", "l_hip")
        case "eyes":
            return between("l_eye_outer", "r_eye_outer")
    raise AssertionError(normalizer)
