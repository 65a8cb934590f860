"""How the smoothness of the flows was chosen: a grid of values on data that no result is reported on.

    python -m eval.flow_validation --data-root ../shared/data

Validation sets: rendered categories of another seed than the results' own, every test instance aligned with
its three nearest training instances; and, where the folder is at hand, the training split of ``lfpw68``, its
even photographs aligned with the nearest odd ones; each with boxes warped to squares and with whole
photographs squashed. For PF-WILLOW, which has no training split, ``leave_one_category_out`` gives the score
of each category at the smoothness that the other three choose: what an honest choice there scores.
"""

import dataclasses
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convcorr_jax import synthetic
from convcorr_jax.backbone.weights import Weights, load
from convcorr_jax.datasets import opening, roots
from convcorr_jax.descriptors.convolutional import PAPER_RECIPES, RECIPES
from convcorr_jax.io import make_folder, write_json
from convcorr_jax.metrics.pck import PF_WILLOW, pck
from convcorr_jax.runtime.runlog import plain, write_run
from convcorr_jax.runtime.script import run
from convcorr_jax.tasks.transfer import protocols
from convcorr_jax.tasks.transfer.methods import Method, align_pairs, describe, methods_for

ALPHA = 0.05
VALIDATION_SEED = 1
NEAREST = 3


@dataclass(frozen=True)
class Config:
    """The grid, and how much to run it on."""

    smoothness: tuple[float, ...] = (0.05, 0.07, 0.1, 0.14, 0.2, 0.28, 0.4)
    network: str = "alexnet"
    weights: Path | None = None
    rendered_test: int = 5
    """Validation instances of every rendered category."""
    faces: int = 20
    """Validation photographs of ``lfpw68``."""
    pairs: int = 300
    """Pairs of PF-WILLOW for the choice that leaves a category out, evenly drawn."""
    out: Path = Path("runs/flow_validation")
    data_root: Path | None = None


def main(config: Config) -> Path:
    """Score every smoothness of every method and write ``result.json``; returns its path."""
    started = time.perf_counter()
    out = make_folder(config.out)
    weights = load(config.network, config.weights)
    sets = {
        "rendered": _neighbors(
            synthetic.every_category(train=60, test=config.rendered_test, seed=VALIDATION_SEED),
            weights,
        )
    }
    if _present("lfpw68", config.data_root):
        sets["lfpw68 train"] = _neighbors(_faces(config), weights)
    willow = None
    if _present("pf_willow", config.data_root):
        fixed = opening.read_pairs("pf_willow", data_root=config.data_root)
        every = max(1, len(fixed.pairs) // config.pairs)
        pairs = np.array([(pair.source, pair.target) for pair in fixed.pairs[::every]])
        willow = (fixed.records, pairs)

    recipes = RECIPES[config.network], PAPER_RECIPES[config.network]
    result = {"alpha": ALPHA, "smoothness": list(config.smoothness), "methods": {}}
    for method in methods_for(*recipes, boxed=True):
        settings = {"config": plain(config), "method": plain(method), "weights": weights.source}
        path = out / f"{method.name}.json"
        found = _earlier(path, settings)
        if found is None:
            found = _validate(method, config.smoothness, sets, willow, weights)
            write_json(path, {"settings": settings, "found": found})
        result["methods"][method.name] = found
    write_json(out / "result.json", result)
    write_run(out, config, seconds=time.perf_counter() - started)
    return out / "result.json"


def _earlier(path: Path, settings: dict[str, Any]) -> Any:
    """What an earlier run found for a method under these settings."""
    if not path.is_file():
        return None
    kept = json.loads(path.read_text(encoding="utf-8"))
    return kept["found"] if kept["settings"] == settings else None


def _validate(method: Method, grid, sets, willow, weights: Weights) -> dict[str, Any]:
    """Scores of every smoothness, and which is best, by box and by whole image."""
    result = {}
    for framing, boxed in (("box", True), ("image", False)):
        means = {}
        for name, (records, pairs) in sets.items():
            rows = _scores(method, grid, records, pairs, boxed, weights)
            means[name] = [float(np.mean(list(row.values()))) for row in rows]
        best = int(np.argmax(np.mean(list(means.values()), axis=0)))
        result[framing] = {"validation": means, "chosen": grid[best]}
        if willow is not None:
            records, pairs = willow
            rows = _scores(method, grid, records, pairs, boxed, weights)
            result[framing]["leave_one_category_out"] = _leave_one_out(rows, grid)
    return result


def _present(name: str, data_root: Path | None) -> bool:
    return (roots.root_folder(data_root=data_root) / name).is_dir()


def _faces(config: Config):
    """Training photographs: even ones play the test split, as many as asked for."""
    train = [
        one for one in opening.read_records("lfpw68", data_root=config.data_root) if one.split == "train"
    ]
    even = [dataclasses.replace(one, split="test") for one in train[: 2 * config.faces : 2]]
    return (*train[1::2], *even)


def _neighbors(records, weights):
    near = protocols.neighborhoods(records, weights)
    return records, near._replace(neighbors=near.neighbors[:, :NEAREST]).pairs


def _scores(method, grid, records, pairs, boxed, weights) -> list[dict[str, float]]:
    """PCK of every category at every smoothness."""
    described = describe(records, method, weights, boxed=boxed)
    keypoints = protocols.keypoints_of(records)
    targets = pairs[:, 1]
    longer = np.array([max(records[one].box.width, records[one].box.height) for one in targets])
    groups = [records[one].category for one in targets]
    rows = []
    for smoothness in grid:
        flows = align_pairs(described, pairs, dataclasses.replace(method, smoothness=smoothness))
        predicted = protocols.carried(keypoints.points, pairs, described, flows.flow)
        counted = keypoints.visible[targets] & ~np.isnan(predicted).any(axis=-1)
        score = pck(
            predicted,
            keypoints.points[targets],
            counted,
            longer,
            groups,
            alphas=[ALPHA],
            protocol=PF_WILLOW,
        )
        rows.append(
            {
                str(group): float(row[0])
                for group, row in zip(score.groups, score.per_group, strict=True)
            }
        )
    return rows


def _leave_one_out(rows: list[dict[str, float]], grid) -> dict[str, dict[str, float]]:
    """Each category's score at the smoothness that the others choose."""
    result = {}
    for held_out in rows[0]:
        others = [
            np.mean([score for name, score in row.items() if name != held_out]) for row in rows
        ]
        best = int(np.argmax(others))
        result[held_out] = {"smoothness": grid[best], "pck": rows[best][held_out]}
    return result


if __name__ == "__main__":
    run(Config, main, __doc__)
