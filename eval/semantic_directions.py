"""Semantic directions: section 4 and Figure 6 of Sharif Razavian et al. 2014.

    python -m eval.semantic_directions                            (rendered faces)
    python -m eval.semantic_directions --dataset lfw_attributes
    python -m eval.semantic_directions --dataset path/to/a/folder --layer conv4

Ridge regressions read attributes off the one vector that describes a face. ``result.json`` tells how well they
do for people of whom they have seen no picture: accuracy, and balanced accuracy (the mean of both values'
shares), of attributes with two values; correlation, and the share told on the right side, of others. The
threshold between two values lies half-way between the means of what is read off training faces while they are
held out.

``figure_6.png``: faces moved along each direction, over the range of the training faces, as a ridge regression
to colours sees them. ``read_back`` puts the pictures of both ends through the network again: the share of faces
of which the attribute is then read higher at the high end.

A data set needs attributes and the splits "train" and "test", and shows faces as large as the photograph.
"""

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from convcorr_jax import images
from convcorr_jax.backbone.weights import Weights, load
from convcorr_jax.datasets.records import load_image
from convcorr_jax.descriptors.global_features import default_layer, global_features
from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, write_image, write_json
from convcorr_jax.linear.folds import grouped_folds
from convcorr_jax.linear.ridge.penalty import fit_best, penalty_grid
from convcorr_jax.metrics.attributes import graded_scores, two_valued_scores
from convcorr_jax.probes.directions import directions, move, read_out
from convcorr_jax.probes.rgb import SIDE_PX, absolute_error, as_squares, reconstruct, rgb_targets
from convcorr_jax.report.figures import image_grid, pixels
from convcorr_jax.runtime.runlog import write_run
from convcorr_jax.runtime.script import run
from convcorr_jax.runtime.stages import stage
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.attributes import ENDS, MIRRORED, Annotated, Faces, mirrored, read_faces
from convcorr_jax.tasks.keypoints.categories import RENDERED
from convcorr_jax.tasks.variation_features import features, fingerprint, squares, variations_of

FOLDS = 4
# Every third penalty of the grid will do for colours, of which there are thousands.
RGB_PENALTIES = slice(None, None, 3)
# Test faces that are moved, at most.
MOVED = 50
PANEL_PX = 92


@dataclass(frozen=True)
class Config:
    """Which attributes to read off which faces."""

    dataset: str = RENDERED
    """``rendered``, or the name or path of a data set's folder."""
    attributes: tuple[str, ...] = ()
    """All that the faces have by default."""
    network: str = "alexnet"
    weights: Path | None = None
    """File of weights; by default those that are installed or fetched."""
    layer: str | None = None
    """Whose activations are probed; by default fc6, or pool5 where the weights have no fc6."""
    mirrored: bool = True
    """Train with every face and its mirror image."""
    direction_penalty: float | None = None
    """Of the directions; by default a hundred times the mean eigenvalue, which moves pictures visibly."""
    steps: int = 9
    """Pictures along a direction."""
    shown: int = 3
    """Test faces in the picture, a row each for every attribute."""
    rendered_train: int = 400
    rendered_test: int = 100
    out: Path = Path("runs/semantic_directions")
    data_root: Path | None = None
    """Folder of prepared data sets; by default the environment's CONVCORR_DATA."""


class Probed(NamedTuple):
    """What came of the probes."""

    penalties: Float[np.ndarray, " t"]
    thresholds: Float[np.ndarray, " t"]
    held_out: Float[np.ndarray, "train t"]
    """Read off training faces (not their mirror images) by probes that were fitted without them."""
    read: Float[np.ndarray, "test t"]
    low: Float[np.ndarray, " t"]
    """The range of lambda: the least and the greatest ``w . f`` of training faces."""
    high: Float[np.ndarray, " t"]
    along: Float[np.ndarray, "test t"]
    """``w . f`` of test faces."""
    rgb_error: Float[np.ndarray, " test"]
    mean_image_error: Float[np.ndarray, " test"]
    seen: UInt8[np.ndarray, "moved side side 3"]
    """Moved test faces before they are moved."""
    swept: UInt8[np.ndarray, "t moved steps side side 3"]
    read_back: Float[np.ndarray, "t moved 2"]
    """The attribute, read off the first and the last of these."""


def main(config: Config) -> Path:
    """Fit, read, move, and write ``result.json`` and a picture; returns its path."""
    started = time.perf_counter()
    if config.steps < 2 or config.shown < 1:
        raise InputError(
            f"steps is {config.steps} and shown {config.shown}; at least 2 and 1 are expected"
        )
    out = make_folder(config.out)
    weights = load(config.network, config.weights)
    layer = config.layer or default_layer(weights)
    annotated = read_faces(
        config.dataset,
        config.data_root,
        attributes=config.attributes,
        rendered_train=config.rendered_train,
        rendered_test=config.rendered_test,
    )
    names, train, test = annotated
    settings = {
        "faces": [fingerprint(one.records) for one in (train, test)],
        "values": [zlib.crc32(one.values.tobytes()) for one in (train, test)],
        "weights": weights.fingerprint,
        "layer": layer,
        "attributes": names,
        "mirrored": config.mirrored,
        "direction_penalty": config.direction_penalty,
        "steps": config.steps,
    }
    found = Probed(
        **stage(
            out / "probes" / f"{layer}.npz",
            settings,
            lambda: _probed(annotated, weights, layer, config)._asdict(),
        )
    )
    write_image(out / "figure_6.png", _figure(names, test, found, config.shown))
    result: dict[str, Any] = {
        "dataset": config.dataset,
        "network": weights.network.name,
        "weights": weights.source,
        "layer": layer,
        "train": len(train.records),
        "test": len(test.records),
        "mirrored": config.mirrored,
        "attributes": {name: _report(i, name, train, test, found) for i, name in enumerate(names)},
        "rgb": {
            "mean_absolute_error": float(found.rgb_error.mean()),
            "mean_image": float(found.mean_image_error.mean()),
        },
    }
    write_json(out / "result.json", result)
    write_run(out, config, seconds=time.perf_counter() - started)
    return out / "result.json"


def _probed(annotated: Annotated, weights: Weights, layer: str, config: Config) -> Probed:
    names, train, test = annotated
    copies = 2 if config.mirrored else 1
    x, test_x = (
        features(one.records, weights, layer=layer, copies=many, folder=config.out / name)
        for one, many, name in ((train, copies, "train"), (test, 1, "test"))
    )
    values = np.stack([train.values, mirrored(names, train.values)], axis=1)[:, :copies]
    folds = grouped_folds(np.repeat(np.arange(len(values)), copies), k=FOLDS)
    targets = values.reshape(len(x), -1)
    fitted = read_out(x, targets, names=names, folds=folds, k=FOLDS)
    found = directions(x, targets, penalty=config.direction_penalty)

    colors, truth = (
        rgb_targets(squares(one.records, variations_of(one.records, copies=many), side_px=SIDE_PX))
        for one, many in ((train, copies), (test, 1))
    )
    to_rgb, _ = fit_best(x, colors, folds=folds, k=FOLDS, penalties=penalty_grid(x)[RGB_PENALTIES])
    seen = reconstruct(to_rgb, test_x)
    chosen = _spread(len(test_x), MOVED)
    swept, read_back = [], []
    for i, unit in enumerate(found.units):
        steps = np.linspace(found.low[i], found.high[i], config.steps, dtype=np.float32)
        moved = move(test_x[chosen], unit, steps)
        colored = reconstruct(to_rgb, moved.reshape(-1, moved.shape[-1]))
        swept.append(_bytes(colored).reshape(*moved.shape[:2], *colored.shape[1:]))
        ends = swept[-1][:, [0, -1]].reshape(-1, *colored.shape[1:])
        side = weights.network.image_side
        again = (images.resize(one, (side, side)).image for one in ends)
        described = global_features(again, weights=weights, layer=layer)
        read_back.append(np.asarray(fitted.probe.predict(described))[:, i].reshape(-1, 2))
    return Probed(
        np.asarray(fitted.probe.penalty),
        fitted.thresholds,
        fitted.held_out[::copies],
        np.asarray(fitted.probe.predict(test_x)),
        found.low,
        found.high,
        test_x @ found.units.T,
        absolute_error(seen, as_squares(truth)),
        absolute_error(
            np.broadcast_to(as_squares(colors.mean(axis=0)[None]), seen.shape), as_squares(truth)
        ),
        _bytes(seen[chosen]),
        np.stack(swept),
        np.stack(read_back),
    )


def _bytes(colors: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    return np.round(255 * colors).astype(np.uint8)


def _spread(count: int, most: int) -> np.ndarray:
    """So many of so many, evenly spread."""
    return np.linspace(0, count - 1, min(count, most)).astype(int)


def _report(i: int, name: str, train: Faces, test: Faces, found: Probed) -> dict[str, Any]:
    """What a result says of an attribute."""
    values = np.unique(train.values[:, i]).tolist()
    binary = len(values) == 2

    def score(read: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        try:
            if binary:
                threshold = float(found.thresholds[i])
                return two_valued_scores(
                    read, truth, values=(values[0], values[1]), threshold=threshold
                )._asdict()
            middle = MIRRORED[name] / 2 if name in MIRRORED else None
            told = graded_scores(read, truth, middle=middle)._asdict()
            return {one: value for one, value in told.items() if not np.isnan(value)}
        except InputError as error:
            raise InputError(f"attribute {name!r}: {error}") from error

    higher = found.read_back[i, :, 1] > found.read_back[i, :, 0]
    return {
        **score(found.read[:, i], test.values[:, i]),
        "cross_validation": score(found.held_out[:, i], train.values[:, i]),
        "penalty": float(found.penalties[i]),
        **({"threshold": float(found.thresholds[i])} if binary else {}),
        "direction": {
            "correlation": graded_scores(found.along[:, i], test.values[:, i]).correlation,
            "range": [float(found.low[i]), float(found.high[i])],
            "read_back": float(higher.mean()),
        },
    }


def _figure(names: Sequence[str], test: Faces, found: Probed, shown: int) -> Image:
    """Figure 6: a face, what the probe of colours sees of it, and what it sees along each direction."""
    moved = _spread(len(test.records), MOVED)
    rows, labels = [], []
    for i, name in enumerate(names):
        low, high = ENDS.get(name, ("low", "high"))
        for place in _spread(len(moved), shown):
            photograph = load_image(test.records[moved[place]])
            rows.append([photograph, found.seen[place], *found.swept[i, place]])
            labels.append(f"{name}: {low} to {high}")
    columns = ("photograph", "as seen", "lowest", *[""] * (found.swept.shape[2] - 2), "highest")
    return pixels(image_grid(rows, row_labels=labels, column_labels=columns, cell_px=PANEL_PX))


if __name__ == "__main__":
    run(Config, main, __doc__)
