"""Score a file of predicted poses by the official rules of MPII, FLIC, LSP or COCO.

    python -m eval.score_predictions --metric pckh --ground-truth valid.h5 --predictions preds.h5
    python -m eval.score_predictions --metric flic_pck --ground-truth examples.mat --predictions pred.mat
    python -m eval.score_predictions --metric lsp_pck --ground-truth joints.mat --predictions pred.npz
    python -m eval.score_predictions --metric oks --ground-truth annotations.json --predictions results.json

Prints a table, the path of the result, and as its last line JSON: every column's percentage at ``alpha``, the
total at smaller thresholds, and ``auc_total``, the area under the official curve. ``result.json`` in the folder
``--out`` has the same, with the way in which the files were read and all columns at all thresholds;
``curves.png`` shows the curves. Other possible readings of the file of predictions are printed on the error
stream.

Predictions are of the ground truth's people in its order: of all people, or of the test people, who alone are
scored where the file states who they are. Their pixels are counted from the same first pixel as in the ground
truth's file, as in official evaluations. A joint that is not annotated is left out; a prediction that is NaN is
wrong.

``oks`` is for COCO's annotations and results: average precision (AP) and recall (AR), in percent, as
pycocotools computes them; ``none`` where no object counts, as where none is large.
"""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from convcorr_jax.datasets.poses import AS_STATED, Interpretation
from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, write_image
from convcorr_jax.report import score_curves, score_table
from convcorr_jax.runtime import plain, run, write_results
from convcorr_jax.tasks import Output
from convcorr_jax.tasks.scoring import (
    COCO_FIGURES,
    RULES,
    Metric,
    PredictionScore,
    alphas_of,
    percentages,
    score_details,
    score_oks,
    score_predictions,
    score_summary,
)


@dataclass(frozen=True)
class Config:
    """Which predictions to score, and by which rules."""

    metric: Literal[Metric, "oks"]
    """The official rules."""
    ground_truth: Path
    """An official file of annotations."""
    predictions: Path
    """A file of predictions: .npz, .h5 or .mat; of oks .json."""
    alpha: float | None = None
    """The threshold of the printed percentages; by default 0.5 of PCKh and 0.2 of the others."""
    interpretation: Interpretation = AS_STATED
    sigmas: tuple[float, ...] = ()
    """The sigma of each keypoint, of oks only; by default those of COCO's 17."""
    output: Output = Output(Path("runs/score_predictions"))


def main(config: Config) -> Path:
    """Score, print the table, and write ``result.json`` and curves; return its path."""
    started = time.perf_counter()
    out = make_folder(config.output.out)
    metric = config.metric
    result = _score_oks(config) if metric == "oks" else _score_pck(metric, config, out)
    return write_results(out, result, config, started=started)


def _score_pck(metric: Metric, config: Config, out: Path) -> dict[str, Any]:
    """Print the table, write the curves, and return the result."""
    if config.sigmas:
        raise InputError(f"--sigmas is for oks only, not for {metric}")
    alphas = alphas_of(metric, alpha=config.alpha)
    protocol = RULES[metric].protocol
    score = score_predictions(
        config.ground_truth,
        config.predictions,
        metric=metric,
        alphas=alphas,
        interpretation=config.interpretation,
    )
    _print(score, alphas, title=f"{protocol.name}, in percent")
    write_image(out / "curves.png", score_curves(score.table, protocol=protocol))
    return {
        **score_summary(score.table, metric=metric, alphas=alphas),
        "protocol": plain(protocol),
        **score_details(score),
    }


def _score_oks(config: Config) -> dict[str, Any]:
    """Print COCO's figures, and return the result."""
    if config.interpretation.stated or config.alpha is not None:
        raise InputError(
            f"{config.interpretation.stated or '--alpha'} is not for oks, whose files state everything"
        )
    score = score_oks(config.ground_truth, config.predictions, sigmas=config.sigmas)
    for name, figure in score.figures.items():
        sys.stdout.write(f"{name:5} {'none' if figure is None else f'{figure:.2f}'}\n")
    sys.stdout.write(f"{score.objects} objects, {score.results} results\n")
    sys.stderr.write("".join(f"{note}\n" for note in score.notes))
    details = score._asdict()
    return {**details.pop("figures"), **details}


def _print(score: PredictionScore, alphas: Sequence[float], *, title: str) -> None:
    joints = score.table.counted[-1]
    caption = f"{score.people} people, {joints} joints; left is {score.sides}\nread: {score.source}"
    rows = {alpha: percentages(score.table.at(alpha)) for alpha in alphas}
    console = Console()
    console.print(score_table(rows, title=title, caption=caption))
    if score.without_normalizer:
        console.print(f"{score.without_normalizer} people are left out: their size is not annotated")
    if score.absent:
        console.print(f"{score.absent} predictions are NaN and count as wrong")
    sys.stderr.write("".join(f"{note}\n" for note in score.notes))


def script(*, argv: Sequence[str] | None = None) -> None:
    """Run `main` as every script, then print the summary as the last line, where other programs find it.

    Args:
        argv: the command line's words; by default those of ``sys.argv``.
    """
    result = json.loads(run(Config, main, __doc__, argv=argv, prints_tables=False).read_text(encoding="utf-8"))
    names = list(result)
    last = "auc_total" if "auc_total" in result else COCO_FIGURES[-1]
    summary = {name: result[name] for name in names[: names.index(last) + 1]}
    sys.stdout.write(json.dumps(summary) + "\n")


if __name__ == "__main__":
    script()
