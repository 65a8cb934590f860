"""Scoring a file of predicted poses by the official rules of MPII, FLIC, LSP and COCO."""

import contextlib
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax.datasets.poses import AS_STATED, Interpretation, Release, coco, match_files
from convcorr_jax.errors import InputError
from convcorr_jax.io import check_file
from convcorr_jax.metrics import (
    FLIC_PCK,
    LSP_PCK,
    MPII_PCKH,
    PCKH_ALPHAS,
    JointTable,
    Protocol,
    area_under_curve,
    column_of,
    joint_errors,
    joint_table,
)

Metric = Literal["pckh", "flic_pck", "lsp_pck"]


class Rules(NamedTuple):
    """The rules by which a metric is computed and reported."""

    release: Release
    protocol: Protocol
    curve: tuple[float, ...]
    """The thresholds of the official curve; the last one is the metric's usual threshold."""
    smaller_alphas: tuple[float, ...]
    """Further thresholds in the printed table."""


_UP_TO_02 = PCKH_ALPHAS[: PCKH_ALPHAS.index(0.2) + 1]
RULES: Mapping[Metric, Rules] = MappingProxyType(
    {
        "pckh": Rules("MPII", MPII_PCKH, PCKH_ALPHAS, (0.1, 0.2)),
        "flic_pck": Rules("FLIC", FLIC_PCK, _UP_TO_02, (0.05, 0.1)),
        "lsp_pck": Rules("LSP", LSP_PCK, _UP_TO_02, (0.05, 0.1)),
    }
)


class PredictionScore(NamedTuple):
    """The scores of a file of predictions, and how the file was read."""

    table: JointTable
    sides: str
    """Whose left is left, in words."""
    joints: tuple[str, ...]
    source: str
    """The array and the order of joints that were read, in words."""
    notes: tuple[str, ...]
    """Other possible readings of the file, one sentence each."""
    people: int
    without_normalizer: int
    """The number of people who are left out because their size is not annotated."""
    absent: int
    """The number of predictions that are NaN although the joint is annotated; they count as wrong."""


def alphas_of(metric: Metric, *, alpha: float | None = None) -> tuple[float, ...]:
    """Return the thresholds of the printed table, the one of the printed percentages last.

    >>> alphas_of("pckh"), alphas_of("flic_pck", alpha=0.1)
    ((0.1, 0.2, 0.5), (0.05, 0.1))
    """
    rules = RULES[metric]
    last = rules.curve[-1] if alpha is None else alpha
    if not 0 < last < np.inf:
        raise InputError(f"--alpha is {last}; a positive number is expected")
    return (*(smaller for smaller in rules.smaller_alphas if smaller != last), last)


COCO_FIGURES = ("AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl")
"""The figures of COCO's evaluation: average precision and recall, at an OKS, of medium and of large objects."""
# The evaluation takes so many results of an image and a category, those of the highest scores.
_COCO_MOST = 20


class OksScore(NamedTuple):
    """COCO's figures of a file of results, and how the files were read."""

    figures: dict[str, float | None]
    """Those of `COCO_FIGURES` in percent; None where no object counts, as where none is large."""
    sigmas: tuple[float, ...]
    objects: int
    results: int
    notes: tuple[str, ...]


def score_oks(truth_path: Path, predictions_path: Path, *, sigmas: Sequence[float] = ()) -> OksScore:
    """Compute COCO's average precision and recall of results by object keypoint similarity (OKS).

    The extra ``coco`` installs the evaluation. ``sigmas`` has a number for each keypoint, by default those of
    COCO's 17.
    """
    truth = coco.read_annotations(truth_path)
    results = coco.read_results(predictions_path, truth)
    if not truth.objects:
        raise InputError(f"{truth_path} has no object to score: none has a labelled keypoint and is no crowd")
    wrong = len(sigmas) != truth.joints or not all(0 < sigma < np.inf for sigma in sigmas)
    if wrong and (sigmas or truth.joints != 17):
        raise InputError(
            f"--sigmas has the numbers ({' '.join(map(str, sigmas))}); a positive one is expected for each "
            f"of the {truth.joints} keypoints of {truth_path}, none only for COCO's 17"
        )
    stats, used = _coco_stats(truth, results, sigmas)
    figures = {name: stat if stat >= 0 else np.nan for name, stat in zip(COCO_FIGURES, stats, strict=True)}
    counts = Counter((result["image_id"], result["category_id"]) for result in results)
    notes = []
    if crowded := sum(count > _COCO_MOST for count in counts.values()):
        notes.append(
            f"{predictions_path}: {crowded} images have more than {_COCO_MOST} results of a category; those of "
            "the highest scores count"
        )
    if not sigmas and truth.names and truth.names[::16] != ("nose", "right_ankle"):
        notes.append(
            f"{truth_path}: sigmas are those of COCO's people, whose keypoints are nose to right_ankle, not "
            f"{truth.names[0]} to {truth.names[-1]}; --sigmas states others"
        )
    return OksScore(percentages(figures), used, len(truth.objects), len(results), tuple(notes))


def _coco_stats(
    truth: coco.Annotations, results: list[dict[str, Any]], sigmas: Sequence[float]
) -> tuple[list[float], tuple[float, ...]]:
    """Return what ``COCOeval`` computes, -1 where no object counts, and the sigmas."""
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ModuleNotFoundError as error:
        raise InputError(f"the metric oks needs {error.name}; pip install pycocotools installs it") from error
    # It prints its progress.
    with contextlib.redirect_stdout(io.StringIO()):
        annotated: Any = COCO()
        annotated.dataset = truth.lists
        annotated.createIndex()
        evaluation = COCOeval(annotated, annotated.loadRes(results), "keypoints")
        if sigmas:
            evaluation.params.kpt_oks_sigmas = np.array(sigmas)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats.tolist(), tuple(evaluation.params.kpt_oks_sigmas.tolist())


class AlignedJoints(NamedTuple):
    """The joints that a file of annotations and a file of predictions both have, of the test people."""

    truth: Float[np.ndarray, "people joints 2"]
    """Annotated joints (x, y), in pixels, 0-based; NaN where a joint is not annotated."""
    points: Float[np.ndarray, "people joints 2"]
    """Predicted joints in the same frame; NaN where a joint is not predicted."""
    normalizer: Float[np.ndarray, " people"]
    """The length in pixels by which errors are divided; NaN where it is absent."""
    joints: tuple[str, ...]
    sides: str
    source: str
    notes: tuple[str, ...]
    """As in `PredictionScore`."""


def score_predictions(
    truth_path: Path,
    predictions_path: Path,
    *,
    metric: Metric,
    alphas: Sequence[float],
    interpretation: Interpretation = AS_STATED,
) -> PredictionScore:
    """Read ground truth and predictions, and score the joints that both have.

    The thresholds are those of the official curve and ``alphas``.
    """
    rules = RULES[metric]
    read = read_aligned(truth_path, predictions_path, metric=metric, interpretation=interpretation)
    errors = joint_errors(read.points, read.truth, read.normalizer)
    if np.isnan(errors).all():
        raise InputError(f"{truth_path} has no joint of a test person to score")
    thresholds = sorted({*rules.curve, *alphas})
    return PredictionScore(
        joint_table(errors, read.joints, alphas=thresholds, protocol=rules.protocol),
        read.sides,
        read.joints,
        read.source,
        read.notes,
        len(read.points),
        int(np.isnan(read.normalizer).sum()),
        int((np.isnan(read.points).any(axis=-1) & ~np.isnan(errors)).sum()),
    )


def read_aligned(
    truth_path: Path, predictions_path: Path, *, metric: Metric, interpretation: Interpretation = AS_STATED
) -> AlignedJoints:
    """Read the joints that a file of annotations and a file of predictions both have."""
    check_file(truth_path, "annotation")
    if interpretation.sides and metric != "flic_pck":
        raise InputError(
            "--sides is for flic_pck only: sides of MPII are the person's own, sides of LSP are those "
            "of the ground truth's file"
        )
    people, predicted, compared, source, notes = match_files(
        truth_path,
        predictions_path,
        release=RULES[metric].release,
        scorer=metric,
        interpretation=interpretation,
    )
    counted = compared & [column_of(name) is not None for name in people.joints]
    joints = tuple(np.array(people.joints)[counted].tolist())
    truth = people.points[:, counted]
    return AlignedJoints(truth, predicted[:, counted], people.normalizer, joints, people.sides, source, notes)


def score_summary(table: JointTable, *, metric: Metric, alphas: Sequence[float]) -> dict[str, float | None]:
    """Return the figures that the script prints as JSON.

    ``total@...`` are totals at the other ``alphas`` than the last; ``auc_total`` is the area under the curve in
    percent.
    """
    curve = RULES[metric].curve
    total = table.shares[-1, [table.alphas.index(alpha) for alpha in curve]]
    return {
        "alpha": alphas[-1],
        **percentages(table.at(alphas[-1])),
        **{f"total@{alpha:g}": percentages(table.at(alpha))["total"] for alpha in alphas[:-1]},
        "auc_total": round(100 * float(area_under_curve(total, curve)), 4),
    }


def score_details(score: PredictionScore) -> dict[str, Any]:
    """Return the rest of ``result.json``: how the files were read, and all columns at all thresholds."""
    table = score.table
    return {
        "sides": score.sides,
        "joints": list(score.joints),
        "read": score.source,
        "notes": list(score.notes),
        "people": score.people,
        "people_without_normalizer": score.without_normalizer,
        "predictions_absent": score.absent,
        "joints_counted": dict(zip(table.columns, table.counted.tolist(), strict=True)),
        "curves": {f"{alpha:g}": percentages(table.at(alpha)) for alpha in table.alphas},
    }


def percentages(shares: Mapping[str, float]) -> dict[str, float | None]:
    """Convert shares to percentages with four decimals, and NaN to None, as JSON stores them."""
    return {name: None if np.isnan(share) else round(100 * share, 4) for name, share in shares.items()}
