"""Score a file of predicted poses by the official rules of MPII, FLIC or LSP.

    python -m eval.score_predictions --metric pckh --ground-truth valid.h5 --predictions preds.h5
    python -m eval.score_predictions --metric flic_pck --ground-truth examples.mat --predictions pred.mat
    python -m eval.score_predictions --metric lsp_pck --ground-truth joints.mat --predictions pred.npz

Prints a table, the path of the result, and as its last line JSON: every column's percentage at ``alpha``, the
total at smaller thresholds, and ``auc_total``, the area under the official curve. ``result.json`` in the folder
``--out`` has the same, with the way in which the files were read and all columns at all thresholds;
``curves.png`` shows the curves. Other possible readings of the file of predictions are printed on the error
stream.

Predictions are of the ground truth's people in its order: of all people, or of the test people, who alone are
scored where the file states who they are. Their pixels are counted from the same first pixel as in the ground
truth's file, as in official evaluations. A joint that is not annotated is left out; a prediction that is NaN is
wrong.
"""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from convcorr_jax.datasets.poses import AS_STATED, Interpretation
from convcorr_jax.io import make_folder, write_image
from convcorr_jax.report import score_curves, score_table
from convcorr_jax.runtime import plain, run, write_results
from convcorr_jax.tasks import Output
from convcorr_jax.tasks.scoring import (
    RULES,
    Metric,
    PredictionScore,
    alphas_of,
    percentages,
    score_details,
    score_predictions,
    score_summary,
)


@dataclass(frozen=True)
class Config:
    """Which predictions to score, and by which rules."""

    metric: Metric
    """The official rules."""
    ground_truth: Path
    """An official file of annotations."""
    predictions: Path
    """A file of predictions: .npz, .h5 or .mat."""
    alpha: float | None = None
    """The threshold of the printed percentages; by default 0.5 of PCKh and 0.2 of the others."""
    interpretation: Interpretation = AS_STATED
    output: Output = Output(Path("runs/score_predictions"))


def main(config: Config) -> Path:
    """Score, print the table, and write ``result.json`` and curves; return its path."""
    started = time.perf_counter()
    out = make_folder(config.output.out)
    alphas = alphas_of(config.metric, alpha=config.alpha)
    protocol = RULES[config.metric].protocol
    score = score_predictions(
        config.ground_truth,
        config.predictions,
        metric=config.metric,
        alphas=alphas,
        interpretation=config.interpretation,
    )
    _print(score, alphas, title=f"{protocol.name}, in percent")
    result = {
        **score_summary(score.table, metric=config.metric, alphas=alphas),
        "protocol": plain(protocol),
        **score_details(score),
    }
    write_image(out / "curves.png", score_curves(score.table, protocol=protocol))
    return write_results(out, result, config, started=started)


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
    result = json.loads(run(Config, main, __doc__, argv=argv).read_text(encoding="utf-8"))
    names = list(result)
    summary = {name: result[name] for name in names[: names.index("auc_total") + 1]}
    sys.stdout.write(json.dumps(summary) + "\n")


if __name__ == "__main__":
    script()
