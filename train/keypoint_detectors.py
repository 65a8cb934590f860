"""Train keypoint detectors: a model for every category of a data set (section 5 of Long et al. 2014).

    python -m train.keypoint_detectors --dataset rendered
    python -m train.keypoint_detectors --dataset lfpw68 --out runs/faces
    python -m train.keypoint_detectors --dataset lfpw68 --sift

Writes ``<category>.npz`` and ``<category>.json``, which ``convcorr keypoints --model`` uses. Descriptors are
kept in ``--out`` and what every round of mining found; a run that was killed goes on there.

The detectors learn from ``--images`` objects of a category, evenly spread; all its training objects are
candidates for the prior. How scores become positive and what the prior weighs is chosen by cross-validation:
each third of the images is predicted by detectors that the other two trained.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int8

from convcorr_jax.backbone.weights import Weights, load
from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, write_json
from convcorr_jax.keypoints import detection, prior
from convcorr_jax.keypoints.candidates import BOX_PX, Cells, ConvCells, SiftCells, Square
from convcorr_jax.keypoints.detection import Detectors
from convcorr_jax.keypoints.model import KeypointModel, save
from convcorr_jax.keypoints.prior import POSITIVES, Calibration, Positive
from convcorr_jax.metrics.pck import LONG_2014, pck
from convcorr_jax.runtime.runlog import write_run
from convcorr_jax.runtime.script import run
from convcorr_jax.runtime.stages import stage
from convcorr_jax.tasks.keypoints.categories import RENDERED, Category, read_categories
from convcorr_jax.tasks.keypoints.examples import Examples, read_examples

ETAS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)
# At which the prior's weight is chosen; the paper's.
ALPHA = 0.1


@dataclass(frozen=True)
class Training:
    """Options of everything that trains keypoint detectors."""

    dataset: str = RENDERED
    """``rendered``, ``faces``, or the name or path of a data set's folder."""
    network: str = "alexnet"
    weights: Path | None = None
    """File of weights; by default those that are installed or fetched."""
    layers: tuple[str, ...] = ("conv5",)
    """Whose columns describe; the last names the grid."""
    images: int = 300
    """Objects of a category from which its detectors learn, at most."""
    rounds: int = 2
    """Of mining, at most; mining ends before when there are no new violators."""
    cost: float = 0.01
    """Of the support vector machines of columns."""
    sift_cost: float = 0.1
    """Of those of SIFT."""
    folds: int = 3
    """Parts of the images that are left out in turn, to choose the prior's weight and to calibrate."""
    box_px: int = BOX_PX
    """Side to which boxes are warped."""
    rendered_train: int = 100
    """Training instances of every rendered category."""
    rendered_test: int = 25
    seed: int = 0
    data_root: Path | None = None
    """Folder of prepared data sets; by default the environment's CONVCORR_DATA."""


@dataclass(frozen=True)
class Config(Training):
    """What to train on what."""

    sift: bool = False
    """Describe by dense SIFT in place of the network's columns."""
    out: Path = Path("runs/keypoint_detectors")


def main(config: Config) -> Path:
    """Train and save a model of every category; returns the path of ``result.json``."""
    started = time.perf_counter()
    out = make_folder(config.out)
    weights = load(config.network, config.weights)
    cells = cells_of(config, weights)[1 if config.sift else 0]
    result = {}
    for category in categories_of(config):
        # Without an official split nothing is kept back.
        fold = 0 if (category.folds < 0).any() else None
        found = trained(category, cells, weights, config, out / "kept", fold=fold)
        save(out / category.name, found.model, training=found.facts)
        result[category.name] = found.facts
    write_json(out / "result.json", result)
    write_run(out, config, seconds=time.perf_counter() - started)
    return out / "result.json"


def cells_of(options: Training, weights: Weights) -> tuple[ConvCells, SiftCells]:
    """The two descriptions of one square."""
    square = Square(options.box_px)
    return ConvCells(weights.network, options.layers, square), SiftCells(square)


def categories_of(options: Training) -> tuple[Category, ...]:
    """The data set's categories.

    Raises:
        InputError: as `read_categories`, or an option is out of its range, or a category has fewer than two
            training objects.
    """
    least = {"images": 2, "rounds": 0, "folds": 2, "box_px": 1}
    for name, smallest in least.items():
        if getattr(options, name) < smallest:
            raise InputError(f"{name} is {getattr(options, name)}; at least {smallest} is expected")
    found = read_categories(
        options.dataset,
        options.data_root,
        rendered_train=options.rendered_train,
        rendered_test=options.rendered_test,
    )
    for category in found:
        count = min(int((category.folds != fold).sum()) for fold in category.tested_folds)
        if count < 2:
            raise InputError(
                f"category {category.name!r} has {count} training object; at least two are expected"
            )
    return found


class Trained(NamedTuple):
    """A model, and how it came about."""

    model: KeypointModel
    etas: dict[Positive, float]
    """The prior's best weight for every way in which scores become positive."""
    facts: dict[str, Any]


def trained(
    category: Category,
    cells: Cells,
    weights: Weights,
    options: Training,
    folder: Path,
    *,
    fold: int | None,
) -> Trained:
    """The model for one of a category's folds, from the objects outside it.

    Args:
        category: the objects.
        cells: where keypoints are looked for, and by which descriptors.
        weights: the network's.
        options: of the training.
        folder: where descriptors and rounds are kept; what an earlier run left there is used.
        fold: the one that is tested; None if none is.

    Raises:
        InputError: no keypoint can be seen in the training objects, or no cell misses one; or as
            `read_examples` and `stage`.
    """
    folder = make_folder(folder / category.name)
    examples = read_examples(category, cells, weights, images=options.images, folder=folder)
    folds = category.folds[examples.objects]
    outside = np.ones(len(folds), bool) if fold is None else folds != fold
    known = np.flatnonzero((outside[:, None] & ~np.isnan(examples.points[..., 0])).any(axis=0))
    if not len(known):
        raise InputError(f"category {category.name!r} shows no keypoint in its training objects")
    examples = examples._replace(points=examples.points[:, known])

    learning = np.flatnonzero(outside[examples.described])
    maps = np.asarray(examples.maps[learning])
    labels = np.stack([cells.labels(examples.points[i]) for i in examples.described[learning]])
    if not (labels == -1).any():
        raise InputError(
            f"a box of {options.box_px} pixels is so small that every cell sees every keypoint"
        )
    mining = Mining(
        maps,
        labels,
        cost=options.cost if isinstance(cells, ConvCells) else options.sift_cost,
        rounds=options.rounds,
        seed=options.seed,
        settings={
            "described": examples.settings,
            "learning": examples.described[learning].tolist(),
            "keypoints": known.tolist(),
        },
    )
    kept = folder / f"{cells.name}_{'all' if fold is None else f'fold_{fold}'}"
    detectors, rounds = mining.run(kept)
    held_out = _held_out(examples, outside, learning, mining, options.folds, kept)
    calibration = prior.calibrate(held_out.scores, labels)
    curves = {positive: _curve(held_out, calibration, cells, positive) for positive in POSITIVES}
    etas = {positive: ETAS[int(np.argmax(curve))] for positive, curve in curves.items()}
    best = max(POSITIVES, key=lambda positive: max(curves[positive]))
    model = KeypointModel(
        category=category.name,
        names=tuple(category.names[k] for k in known),
        cells=cells,
        network=weights.network.name,
        fingerprint=weights.fingerprint,
        detectors=detectors,
        calibration=calibration,
        features=np.asarray(examples.features[outside]),
        points=examples.points[outside],
        positive=best,
        eta=etas[best],
    )
    facts = {
        "positive": best,
        "eta": etas[best],
        "objects": int(outside.sum()),
        "learning": len(learning),
        "left_out": [name for name in category.names if name not in model.names],
        "describing_seconds": examples.seconds,
        "rounds": rounds,
        "held_out_pck": {
            positive: dict(zip(map(str, ETAS), curve, strict=True))
            for positive, curve in curves.items()
        },
    }
    return Trained(model, etas, facts)


@dataclass(frozen=True, eq=False)
class Mining:
    """Rounds of fitting and mining, each kept when it is done.

    Attributes:
        maps: descriptors of the images, a rim of half a window around the candidates.
        labels: of the candidates.
        cost: of the support vector machines.
        rounds: of mining, at most.
        seed: of the first pool.
        settings: what maps and labels were made of.
    """

    maps: Float[np.ndarray, "images gh gw d"]
    labels: Int8[np.ndarray, "images h w n"]
    cost: float
    rounds: int
    seed: int
    settings: dict[str, Any]

    def run(
        self, folder: Path, chosen: Bool[np.ndarray, " images"] | None = None
    ) -> tuple[Detectors, list[dict[str, float]]]:
        """Train on the chosen images; all by default.

        Returns:
            The detectors, and of every round: candidates fitted, violators left outside, seconds of both.
        """
        maps, labels = self.maps, self.labels
        if chosen is not None:
            maps, labels = maps[chosen], labels[chosen]
        pool = detection.first_pool(labels, seed=self.seed)
        detectors, told = None, []
        for number in range(self.rounds + 1):
            settings = self.settings | {
                "cost": self.cost,
                "tolerance": detection.TOLERANCE,
                "seed": self.seed,
                "left_out": [] if chosen is None else np.flatnonzero(~chosen).tolist(),
            }
            done = stage(
                folder / f"round_{number}.npz",
                settings,
                lambda pool=pool, start=detectors: _round(maps, labels, pool, self.cost, start),
            )
            detectors = Detectors(done["weights"], done["bias"])
            told.append(
                {
                    "candidates": int(pool.sum()),
                    "violators_left": int(done["violators"]),
                    "fit_seconds": float(done["fit_seconds"]),
                    "mining_seconds": float(done["mining_seconds"]),
                }
            )
            if not done["violators"]:
                break
            pool = done["pool"]
        assert detectors is not None, "there is at least one round"
        return detectors, told


def _round(maps, labels, pool, cost: float, start: Detectors | None) -> dict[str, np.ndarray]:
    began = time.perf_counter()
    detectors = detection.fit(maps, labels, pool, cost=cost, start=start)
    fitted_at = time.perf_counter()
    mined = detection.mine(maps, labels, pool, detectors)
    return {
        "weights": np.asarray(detectors.weights),
        "bias": np.asarray(detectors.bias),
        "pool": mined.pool,
        "violators": np.array(mined.violators),
        "fit_seconds": np.array(fitted_at - began),
        "mining_seconds": np.array(time.perf_counter() - fitted_at),
    }


class HeldOut(NamedTuple):
    """What detectors and neighbours that never saw an image say of it."""

    scores: Float[np.ndarray, "images h w n"]
    neighbor_points: Float[np.ndarray, "images n 2"]
    points: Float[np.ndarray, "images n 2"]
    shares_per_px: Float[np.ndarray, "images 2"]
    """Of the box's longer side, along x and y, of a pixel of the square."""


def _held_out(
    examples: Examples, outside, learning, mining: Mining, folds: int, folder: Path
) -> HeldOut:
    """Each part of the learning images, by what the other parts and the other objects teach."""
    images = examples.described[learning]
    of_part = np.arange(len(images)) % min(folds, len(images))
    scores = np.zeros(mining.labels.shape, np.float32)
    neighbors = np.zeros(examples.points[images].shape)
    for part in range(of_part.max() + 1):
        out = of_part == part
        detectors, _ = mining.run(folder / f"without_{part}", ~out)
        scores[out] = detection.all_scores(mining.maps[out], detectors)
        others = outside.copy()
        others[images[out]] = False
        neighbors[out] = prior.neighbor_points(
            examples.features[images[out]], examples.features[others], examples.points[others]
        )
    shares = 1 / (examples.px_per_photograph_px * examples.longer_px[:, None])
    return HeldOut(scores, neighbors, examples.points[images], shares[images])


def _curve(
    held_out: HeldOut, calibration: Calibration, cells: Cells, positive: Positive
) -> list[float]:
    """PCK at `ALPHA` for every weight of the prior."""
    scale = held_out.shares_per_px[:, None]
    curve = []
    for eta in ETAS:
        ranked = prior.rank(
            held_out.scores,
            held_out.neighbor_points,
            calibration,
            centers=cells.centers,
            eta=eta,
            positive=positive,
        )
        found = pck(
            detection.peaks(ranked, cells.centers).points * scale,
            held_out.points * scale,
            ~np.isnan(held_out.points[..., 0]),
            np.ones(len(held_out.points)),
            ["all"] * len(held_out.points),
            alphas=(ALPHA,),
            protocol=LONG_2014,
        )
        curve.append(float(found.mean[0]))
    return curve


if __name__ == "__main__":
    run(Config, main, __doc__)
