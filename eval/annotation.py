"""How well `convcorr annotate` labels a folder from a number of examples, on photographs that are all labelled.

    python -m eval.annotation --labels data/dlc_openfield --split data/dlc_openfield/split.csv

Some of the labelled photographs are examples, and the others are annotated and compared with their labels. A
table of a split has the columns image, split and, if examples are not to be drawn at random, order; only those
of the split ``train`` are examples, and only those of ``test`` are annotated. ``within`` is the share of points
within a distance, ``coverage`` that of points within their radius, and ``rank`` Spearman's correlation of error
and confidence. `convcorr_jax.tasks.annotation.score` says how objects are compared. Beside it stand peers that
learn nothing or solve one equation (`convcorr_jax.tasks.annotation.annotate_by_peers`). ``curves.png`` shows
shares within the distance, from worst to best draw.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from convcorr_jax.annotation import AnnotationModel, Annotations, annotate
from convcorr_jax.backbone.weights import load
from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, write_image
from convcorr_jax.labels import LabelledPhotograph, read_labels
from convcorr_jax.runtime import progress, run, write_results
from convcorr_jax.tasks import Output
from convcorr_jax.tasks.annotation import (
    PEERS,
    annotate_by_peers,
    draw_examples,
    example_curves,
    lengths,
    over_draws,
    read_split,
    score,
)


@dataclass(frozen=True)
class Config:
    """Which labels to learn from."""

    labels: Path = Path("data/dlc_openfield")
    """Labels of any format that `convcorr annotate` reads."""
    split: Path | None = None
    """A CSV file with the columns image, split and perhaps order; by default, all are drawn at random."""
    examples: tuple[int, ...] = (1, 5, 20)
    """Numbers of examples."""
    draws: int = 1
    """Random choices of examples; the first is by the column order, if there is one."""
    within: float = 20.0
    """A point is right within this distance."""
    per: tuple[str, ...] = ("px",)
    """What distances are measured in: px, extent (the longer side of the box around the true points of each
    object), or the distance between two named points, such as leftEye rightEye."""
    methods: tuple[Literal["auto", "one stage", "two stages", "person"], ...] = ("auto",)
    """Methods, each from the same examples: auto chooses; with person, the package's cascade is tried, too."""
    review: int = 0
    """Then add so many of the annotated photographs to the examples, with their true labels, and let the model
    annotate the others again: those that come first in the order of review, and as many at random."""
    rounds: int = 1  # of review
    tested: int | None = None
    """The most photographs to annotate; by default all."""
    seed: int = 0
    output: Output = Output(Path("runs/annotation"))


def main(config: Config) -> Path:
    """Annotate photographs from each number of examples, and return the path of ``result.json``."""
    started = time.perf_counter()
    for name, known in {"methods": "auto, one stage, two stages or person", "examples": "numbers"}.items():
        if not getattr(config, name):
            raise InputError(f"{name} has no value; {known} are expected")
    for name, least in {"draws": 1, "rounds": 1, "review": 0}.items():
        if (number := getattr(config, name)) < least:
            raise InputError(f"{name} is {number}; at least {least} is expected")
    out = make_folder(config.output.out)
    labels = read_labels(config.labels)
    pool, tested = read_split(labels.photographs, config.split)
    tested = tested[: config.tested]
    if config.review * config.rounds >= len(tested):
        raise InputError(f"{config.rounds} rounds of {config.review} leave none of {len(tested)} photographs")
    length = lengths(config.per, labels.names)
    weights = {"search": load("vgg16"), "align": load("alexnet")}
    rows: dict[str, dict[str, Any]] = {}

    def run_with(
        name: str, examples: list[LabelledPhotograph], others: list[LabelledPhotograph],
        previous: AnnotationModel | None = None, *, draw: int, method: str,
    ) -> Annotations:  # fmt: skip
        known, paths = replace(labels, photographs=tuple(examples)), [one.path for one in others]
        options: Any = {"auto": {}, "person": {"start": "person"}}.get(method, {"method": method})
        found = annotate(known, paths, **weights, **options, seed=config.seed + draw, previous=previous)
        scores = score(found.found.photographs, others, within=config.within, length=length)
        of_run: dict[str, Any] = {"examples": len(examples), "draw": draw, "method": found.model.method.name}
        of_run["compared"] = {one.method: one.right for one in found.comparisons}
        rows[name] = {**of_run, "learned": found.learned, "seconds": found.seconds, **scores}
        return found

    draws = [(n, k) for n in config.examples for k in range(config.draws)]
    for count, draw in progress(draws, description="runs"):
        chosen = draw_examples(pool, count, draw, seed=config.seed, ordered=config.split is not None)
        others, name = [one for one in tested if one not in chosen], f"{count} examples, draw {draw}"
        by_peers = annotate_by_peers(chosen, [one.path for one in others], weights["search"]).items()
        scored = {peer: score(own, others, within=config.within, length=length) for peer, own in by_peers}
        rows |= {f"{name}, {peer}": row for peer, row in scored.items()}
        runs = {one: partial(run_with, draw=draw, method=one) for one in config.methods}
        found = [run_one(_named(name, one), chosen, others) for one, run_one in runs.items()]
        if config.review:
            _review(config, name, found[0], chosen, others, draw, runs[config.methods[0]])
    drawn = {
        one: {n: over_draws([rows[_named(f"{n} examples, draw {k}", one)] for k in range(config.draws)])
              for n in sorted(config.examples)}
        for one in (*config.methods, *PEERS)
    }  # fmt: skip
    write_image(out / "curves.png", example_curves(drawn, f"points within {config.within:g}"))
    means = {_named(f"{n} examples", one): row for one, own in drawn.items() for n, row in own.items()}
    result = {"photographs": len(tested), "runs": rows, "over_draws": means}
    return write_results(out, result, config, started=started)


def _review(
    config: Config, name: str, found: Annotations, chosen: Sequence[LabelledPhotograph],
    others: Sequence[LabelledPhotograph], draw: int, annotated: Callable[..., Annotations],
) -> None:  # fmt: skip
    """Label further photographs in rounds, in order of review or at random, and annotate the others again."""
    for order in ("in order", "at random"):
        rng = np.random.default_rng([config.seed, draw, 1])
        now, examples, left = found, list(chosen), list(others)
        for number in range(1, config.rounds + 1):
            ranks = [one.rank or 0 for one in now.found.photographs]
            places = np.argsort(ranks) if order == "in order" else rng.permutation(len(left))
            picked = set(places[: config.review].tolist())
            examples += [one for k, one in enumerate(left) if k in picked]
            left = [one for k, one in enumerate(left) if k not in picked]
            now = annotated(f"{name}, {number * config.review} reviewed {order}", examples, left, now.model)


def _named(name: str, method: str) -> str:
    return name if method == "auto" else f"{name}, {method}"


if __name__ == "__main__":
    run(Config, main, __doc__)
