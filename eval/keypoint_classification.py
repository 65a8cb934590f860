"""Keypoint classification: Table 3, Figures 4 and 5 of Long et al. 2014.

    python -m eval.keypoint_classification                          (the rendered categories)
    python -m eval.keypoint_classification --dataset faces          (fifteen points of LFPW and Helen)
    python -m eval.keypoint_classification --dataset lspet
    python -m eval.keypoint_classification --dataset pf_willow      (no split: each object in turn is tested)

``result.json`` has ``accuracy`` by feature, the mean over categories; ``curve``, the same in cross-validation
on the training split at every cost (Figure 5); and ``figure_4``, how near to a keypoint its classifier
responds most. What the pictures show, the layer and the radius that do best, is chosen by cross-validation,
like the cost; the test split is only scored. Features and classifiers that lie in ``--out`` already, under
the same settings, are not computed again.

A keypoint type that no training photograph shows is not scored, and named in ``left_out``; a visible keypoint
outside its photograph is passed over, and counted in ``outside``.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from convcorr_jax.backbone.weights import Weights, load
from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, write_image, write_json
from convcorr_jax.keypoints import classification
from convcorr_jax.keypoints.classification import UNKNOWN, Classified, Samples
from convcorr_jax.linear.svm import Loss
from convcorr_jax.report import plots
from convcorr_jax.report.figures import pixels
from convcorr_jax.runtime.progress import progress
from convcorr_jax.runtime.runlog import write_run
from convcorr_jax.runtime.script import run
from convcorr_jax.runtime.stages import stage
from convcorr_jax.tasks.keypoints import features
from convcorr_jax.tasks.keypoints.categories import RENDERED, Category, read_categories
from convcorr_jax.tasks.keypoints.features import Keypoints, Settings, keypoints_of, sift_name
from convcorr_jax.tasks.keypoints.responses import Contender, figure_4

LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5")
RADII_PX = (10, 20, 40, 80, 160)


@dataclass(frozen=True)
class Config:
    """What to classify, by which features."""

    dataset: str = RENDERED
    """``rendered``, ``faces``, or the name or path of a data set's folder."""
    network: str = "alexnet"
    weights: Path | None = None
    """File of weights; by default those that are installed or fetched."""
    layers: tuple[str, ...] = LAYERS
    radii_px: tuple[int, ...] = RADII_PX
    """Of SIFT."""
    side_px: int = features.VOC_SIDE_PX
    """Longer side to which photographs are resized."""
    interpolate: bool = False
    """Beyond the paper: read layers between the nearest columns."""
    costs: tuple[float, ...] = classification.COSTS
    """Of the SVM, in rising order."""
    loss: Loss = "squared_hinge"
    keypoints: tuple[str, ...] = ()
    """Of the first category, for Figure 4; by default the two best in cross-validation."""
    windows: int = 200
    """Test keypoints of each of these, at most; 0 for no Figure 4."""
    rendered_train: int = 100
    """Training instances of every rendered category."""
    rendered_test: int = 25
    out: Path = Path("runs/keypoint_classification")
    data_root: Path | None = None
    """Folder of prepared data sets; by default the environment's CONVCORR_DATA."""


class Task(NamedTuple):
    """A category, its samples, and what came of every feature."""

    category: Category
    keypoints: Keypoints
    outcomes: Mapping[str, Classified]

    def accuracy(self, feature: str) -> float:
        """On the test split."""
        return classification.accuracy(self.keypoints.labels, self.outcomes[feature].predicted)

    def confusion(self, feature: str) -> np.ndarray:
        """True types in rows."""
        return classification.confusion(
            self.keypoints.labels,
            self.outcomes[feature].predicted,
            types=len(self.category.names),
        )

    @property
    def left_out(self) -> list[str]:
        """Types of which a tested sample could not be scored."""
        predicted = next(iter(self.outcomes.values())).predicted
        unscored = (self.keypoints.folds >= 0) & (predicted == UNKNOWN)
        return [self.category.names[k] for k in np.unique(self.keypoints.labels[unscored])]


def main(config: Config) -> Path:
    """Classify by every feature, and write ``result.json`` and pictures; returns its path."""
    started = time.perf_counter()
    _check(config)
    out = make_folder(config.out)
    weights = load(config.network, config.weights)
    settings = Settings(config.side_px, config.layers, config.radii_px, config.interpolate)
    categories = read_categories(
        config.dataset,
        config.data_root,
        rendered_train=config.rendered_train,
        rendered_test=config.rendered_test,
    )
    _check_keypoints(config.keypoints, categories[0])
    tasks = [_task(category, weights, settings, config) for category in categories]
    curve = {
        name: np.mean([task.outcomes[name].curve for task in tasks], axis=0)
        for name in settings.names
    }
    best = {
        "convnet": max(config.layers, key=lambda name: curve[name].max()),
        "sift": max(map(sift_name, config.radii_px), key=lambda name: curve[name].max()),
    }
    result: dict[str, Any] = {
        "dataset": config.dataset,
        "network": weights.network.name,
        "weights": weights.source,
        "accuracy": {
            name: float(np.mean([task.accuracy(name) for task in tasks])) for name in settings.names
        },
        "best_in_cross_validation": best,
        "per_category": {
            task.category.name: _report(task, settings, tuple(best.values())) for task in tasks
        },
        "curve": {
            "costs": list(config.costs),
            "accuracy": {name: values.tolist() for name, values in curve.items()},
        },
        "left_out": {task.category.name: task.left_out for task in tasks if task.left_out},
    }
    _draw(tasks, best, curve, config)
    if config.windows:
        result["figure_4"] = _figure_4(tasks[0], best, weights, config)
    write_json(out / "result.json", result)
    write_run(out, config, seconds=time.perf_counter() - started)
    return out / "result.json"


def _check(config: Config) -> None:
    for name, values in {"layers": config.layers, "radii_px": config.radii_px}.items():
        if not values or len(set(values)) < len(values):
            raise InputError(f"{name} is {values}; at least one is expected, none of them twice")
    costs = np.asarray(config.costs, float)
    if (
        not len(costs)
        or not (np.isfinite(costs) & (costs > 0)).all()
        or (np.diff(costs) <= 0).any()
    ):
        raise InputError(f"costs is {config.costs}; positive numbers in rising order are expected")
    if config.side_px < 1 or config.windows < 0:
        raise InputError(
            f"side_px is {config.side_px} and windows {config.windows}; at least 1 and 0 are expected"
        )


def _check_keypoints(chosen: Sequence[str], category: Category) -> None:
    unknown = sorted(set(chosen) - set(category.names))
    if unknown:
        raise InputError(
            f"category {category.name!r} has no keypoints {unknown}; it has {', '.join(category.names)}"
        )


def _task(category: Category, weights: Weights, settings: Settings, config: Config) -> Task:
    keypoints = keypoints_of(category)
    described = features.features(category, keypoints, weights, settings, config.out / "features")
    outcomes = {}
    for name in progress(settings.names, description=f"{category.name}: classifying"):
        samples = Samples(described[name].astype(np.float32), *keypoints[:3])
        path = config.out / "classifiers" / f"{category.name}_{name}.npz"
        outcomes[name] = _classified(samples, category, path, weights, settings, config)
    return Task(category, keypoints, outcomes)


def _classified(
    samples: Samples,
    category: Category,
    path: Path,
    weights: Weights,
    settings: Settings,
    config: Config,
) -> Classified:
    def compute() -> dict[str, np.ndarray]:
        try:
            found = classification.classify(
                samples, types=len(category.names), costs=config.costs, loss=config.loss
            )
        except InputError as error:
            raise InputError(f"category {category.name!r}: {error}") from error
        return found._asdict()

    identity = {
        "features": [settings.side_px, settings.interpolate, weights.source],
        "costs": config.costs,
        "loss": config.loss,
        **category.fingerprint,
    }
    return Classified(**stage(path, identity, compute))


def _report(task: Task, settings: Settings, best: Sequence[str]) -> dict[str, Any]:
    """What a result says of a category."""
    tested = task.keypoints.folds >= 0
    return {
        "keypoints": list(task.category.names),
        "train_samples": int((~tested).sum()),
        "test_samples": int(tested.sum()),
        "outside": task.keypoints.outside,
        "accuracy": {name: task.accuracy(name) for name in settings.names},
        # Without a split every fold chooses its own; this is their median.
        "cost": {name: float(np.median(task.outcomes[name].costs)) for name in settings.names},
        "converged": {name: bool(task.outcomes[name].converged) for name in settings.names},
        "confusion": {name: task.confusion(name).tolist() for name in best},
    }


def _draw(
    tasks: Sequence[Task], best: Mapping[str, str], curve: Mapping[str, np.ndarray], config: Config
) -> None:
    """Figure 5, and the confusions of every category."""
    picture = plots.curves(
        config.costs,
        {name: values.tolist() for name, values in curve.items()},
        x_label="C",
        y_label="accuracy in cross-validation",
        dashed=tuple(map(sift_name, config.radii_px)),
    )
    write_image(config.out / "figure_5.png", pixels(picture))
    for task in tasks:
        tables = {
            f"{name}: {100 * task.accuracy(name):.1f} %": task.confusion(name)
            for name in best.values()
        }
        picture = plots.confusions(tables, names=task.category.names)
        write_image(config.out / f"confusion_{task.category.name}.png", pixels(picture))


def _figure_4(
    task: Task, best: Mapping[str, str], weights: Weights, config: Config
) -> dict[str, Any]:
    """Draws Figure 4; its figures."""
    radii = dict(zip(map(sift_name, config.radii_px), config.radii_px, strict=True))
    convnet, sift = (Contender(name, task.outcomes[name]) for name in best.values())
    found = figure_4(
        task.category,
        task.keypoints,
        convnet,
        sift,
        weights,
        radius_px=radii[sift.name],
        names=config.keypoints,
        windows=config.windows,
        side_px=config.side_px,
    )
    write_image(config.out / "figure_4.png", found.picture)
    return found.facts


if __name__ == "__main__":
    run(Config, main, __doc__)
