"""Scores anybody's file of predicted poses by the official rules.

    python -m eval.score_predictions --metric pckh --ground-truth valid.h5 --predictions preds.h5
    python -m eval.score_predictions --metric flic_pck --ground-truth examples.mat --predictions pred.mat
    python -m eval.score_predictions --metric lsp_pck --ground-truth joints.mat --predictions pred.npz

Prints a table, the path of the result, and as its last line JSON: every column's percentage at ``alpha``, the
total at smaller ones, and ``auc_total``, the area under the official curve. The folder ``--out`` gets the same
in ``result.json``, with what was read how and all columns at all thresholds, and the curves as a picture. What
else the file of predictions might have meant is told on the error stream.

Predictions are of the ground truth's people in its order: all of them, or the test people, who alone are scored
where the file says who they are. Their pixels count from where those of the ground truth's file do, as official
evaluations take them. A joint that nobody annotated is left out; a prediction that is NaN is wrong.
"""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from convcorr_jax.datasets import ground_truth, predictions
from convcorr_jax.datasets.ground_truth import GroundTruth, Sides
from convcorr_jax.datasets.joint_orders import Order
from convcorr_jax.datasets.predictions import Axes
from convcorr_jax.errors import InputError
from convcorr_jax.io import check_file, make_folder, write_image, write_json
from convcorr_jax.metrics.joint_table import (
    JointTable,
    area_under_curve,
    column_of,
    joint_errors,
    joint_table,
)
from convcorr_jax.metrics.pck import FLIC_PCK, LSP_PCK, Protocol
from convcorr_jax.metrics.pckh import MPII_PCKH, PCKH_ALPHAS
from convcorr_jax.report.figures import pixels
from convcorr_jax.report.pck_curves import pck_curves
from convcorr_jax.runtime.runlog import plain, write_run
from convcorr_jax.runtime.script import run
from convcorr_jax.shapes import Image

Metric = Literal["pckh", "flic_pck", "lsp_pck"]


class Rules(NamedTuple):
    """How a metric is scored and shown."""

    protocol: Protocol
    curve: tuple[float, ...]
    """The thresholds of the official curve; its last is the metric's usual one."""
    shown: tuple[float, ...]
    """Further thresholds in the table."""
    whole: bool
    """Whether a prediction must have all joints, or is scored by those that it has."""


_TO_02 = PCKH_ALPHAS[: PCKH_ALPHAS.index(0.2) + 1]
RULES: dict[Metric, Rules] = {
    "pckh": Rules(MPII_PCKH, PCKH_ALPHAS, (0.1, 0.2), True),
    "flic_pck": Rules(FLIC_PCK, _TO_02, (0.05, 0.1), False),
    "lsp_pck": Rules(LSP_PCK, _TO_02, (0.05, 0.1), True),
}


@dataclass(frozen=True)
class Config:
    """What to score."""

    metric: Metric
    ground_truth: Path
    """An official file of annotations."""
    predictions: Path
    """A file of predictions: .npz, .h5 or .mat."""
    alpha: float | None = None
    """The threshold of the printed percentages; by default 0.5 of PCKh and 0.2 of the others."""
    sides: Sides | None = None
    """Whose left the predictions have, FLIC only; by default observer, as published."""
    order: Order | None = None
    """The order of the predicted joints, where the file does not tell."""
    key: str | None = None
    """The name of the array in the file of predictions, where several may be meant."""
    axes: Axes | None = None
    """What the array's axes are, where their sizes do not tell."""
    first_pixel: Literal[0, 1] | None = None
    """What the predictions call the first pixel; by default what the ground truth's file does."""
    out: Path = Path("runs/score_predictions")


class Score(NamedTuple):
    """What came of a file."""

    table: JointTable
    sides: str
    """Whose left is left."""
    joints: tuple[str, ...]
    """Those that are scored."""
    source: str
    """What was read of the file of predictions, and how."""
    notes: tuple[str, ...]
    """What else it might have meant, a sentence each."""
    people: int
    without_normalizer: int
    """People who are left out, for nothing says how large they are."""
    absent: int
    """Predictions that are NaN where the truth is known, and count as wrong."""


class Result(NamedTuple):
    """What is written, and the summary of it that is printed."""

    path: Path
    summary: dict[str, float | None]


def script(argv: Sequence[str] | None = None) -> None:
    """As every script, and then the summary: whoever reads it takes the last line of the output."""
    results: list[Result] = []

    def scored_and_kept(config: Config) -> Path:
        results.append(evaluate(config))
        return results[-1].path

    run(Config, scored_and_kept, __doc__, argv)
    sys.stdout.write(json.dumps(results[-1].summary) + "\n")


def main(config: Config) -> Path:
    """`evaluate`, of which only the path is returned."""
    return evaluate(config).path


def evaluate(config: Config) -> Result:
    """Score, print the table, and write ``result.json`` and a picture."""
    started = time.perf_counter()
    out = make_folder(config.out)
    rules = RULES[config.metric]
    alpha = rules.curve[-1] if config.alpha is None else config.alpha
    if not 0 < alpha < np.inf:
        raise InputError(f"--alpha is {alpha}; a positive number is expected")
    shown = (*(other for other in rules.shown if other != alpha), alpha)
    score = scored(config, alphas=sorted({*rules.curve, *shown}))
    table = score.table
    total = table.shares[-1, [table.alphas.index(other) for other in rules.curve]]
    summary = {
        "alpha": alpha,
        **_percent(table.at(alpha)),
        **{f"total@{other:g}": _percent(table.at(other))["total"] for other in shown[:-1]},
        "auc_total": round(100 * float(area_under_curve(total, rules.curve)), 4),
    }
    _print(score, shown, rules.protocol)
    sys.stderr.write("".join(f"{note}\n" for note in score.notes))
    result = {
        **summary,
        "protocol": plain(rules.protocol),
        "sides": score.sides,
        "joints": list(score.joints),
        "read": score.source,
        "notes": list(score.notes),
        "people": score.people,
        "people_without_normalizer": score.without_normalizer,
        "predictions_absent": score.absent,
        "joints_counted": dict(zip(table.columns, table.counted.tolist(), strict=True)),
        "curves": {f"{other:g}": _percent(table.at(other)) for other in table.alphas},
    }
    write_image(out / "curves.png", _curves(table, rules.protocol))
    write_json(out / "result.json", result)
    write_run(out, config, seconds=time.perf_counter() - started)
    return Result(out / "result.json", summary)


def scored(config: Config, *, alphas: Sequence[float]) -> Score:
    """Read both files and score the joints that they share, at every threshold.

    Raises:
        InputError: a file cannot be read, they do not fit together, or nothing can be scored.
    """
    rules = RULES[config.metric]
    truth = _truth(config)
    tested = truth.tested
    predicted = predictions.read(
        config.predictions,
        people={len(tested), int(tested.sum())},
        own_order=truth.order,
        order=config.order,
        key=config.key,
        axes=config.axes,
    )
    scorable = [name for name in truth.joints if column_of(name)]
    joints = tuple(name for name in scorable if name in predicted.joints)
    missing = [name for name in scorable if name not in joints]
    if (rules.whole and missing) or not joints:
        raise InputError(
            f"{config.predictions} ({predicted.source}) lacks {', '.join(missing)}, which "
            f"{config.metric} scores; --order says what its joints are where the file does not"
        )
    everybody = len(predicted.points) == len(tested)
    points = predicted.points[tested] if everybody else predicted.points
    base = truth.first_pixel if config.first_pixel is None else config.first_pixel
    points = points[:, [predicted.joints.index(name) for name in joints]] - base
    true_points = truth.points[tested][:, [truth.joints.index(name) for name in joints]]
    errors = joint_errors(points, true_points, truth.normalizer[tested])
    if np.isnan(errors).all():
        raise InputError(f"{config.ground_truth} has no joint of a test person to score")
    return Score(
        joint_table(errors, joints, alphas=alphas, protocol=rules.protocol),
        truth.sides,
        joints,
        predicted.source,
        predicted.notes,
        len(points),
        int(np.isnan(truth.normalizer[tested]).sum()),
        int((np.isnan(points).any(axis=-1) & ~np.isnan(errors)).sum()),
    )


def _truth(config: Config) -> GroundTruth:
    check_file(config.ground_truth, "annotation")
    if config.metric == "flic_pck":
        return ground_truth.read_flic(config.ground_truth, sides=config.sides or "observer")
    if config.sides:
        raise InputError(
            "--sides is for flic_pck: of MPII they are the person's own, of LSP those of the "
            "ground truth's file"
        )
    read = ground_truth.read_mpii if config.metric == "pckh" else ground_truth.read_lsp
    return read(config.ground_truth)


def _percent(shares: Mapping[str, float]) -> dict[str, float | None]:
    """As JSON has them: nothing where no joint of a column counts."""
    return {
        name: None if np.isnan(share) else round(100 * share, 4) for name, share in shares.items()
    }


def _print(score: Score, shown: Sequence[float], protocol: Protocol) -> None:
    of_people = f"{score.people} people, {score.table.counted[-1]} joints; left is {score.sides}"
    table = Table(
        box=SIMPLE,
        pad_edge=False,
        collapse_padding=True,
        title=f"{protocol.name}, in percent",
        caption=f"{of_people}\nread: {score.source}",
    )
    table.add_column("@")
    for column in score.table.columns:
        table.add_column(column, justify="right")
    for alpha in shown:
        shares = _percent(score.table.at(alpha)).values()
        table.add_row(f"{alpha:g}", *("-" if share is None else f"{share:.2f}" for share in shares))
    Console().print(table)
    if score.without_normalizer:
        Console().print(
            f"{score.without_normalizer} people are left out: their size is not annotated"
        )
    if score.absent:
        Console().print(f"{score.absent} predictions are NaN and count as wrong")


def _curves(table: JointTable, protocol: Protocol) -> Image:
    lines = dict(zip(table.columns, np.nan_to_num(table.shares).tolist(), strict=True))
    return pixels(pck_curves({protocol.name: lines}, alphas=table.alphas, x_label="threshold"))


if __name__ == "__main__":
    script()
