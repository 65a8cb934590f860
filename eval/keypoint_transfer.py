"""Keypoint transfer: Table 2 of Long et al. 2014, and the pairs of PF-WILLOW.

    python -m eval.keypoint_transfer --dataset rendered                       (25 neighbours vote)
    python -m eval.keypoint_transfer --dataset lfpw68
    python -m eval.keypoint_transfer --dataset pf_willow --protocol box       (900 fixed pairs)
    python -m eval.keypoint_transfer --dataset pf_willow --protocol image --network vgg16

``--protocol box`` warps the objects' boxes to squares, ``image`` squashes whole photographs;
``neighbors`` is the paper's own: boxes, the 25 nearest training objects, the five that deform least.

Methods: ``conv4_flow``, our descriptors around conv4 and the mutual cost; ``paper_energy``, the paper's
single layer and distance cost; ``sift_flow``, SIFT of radius 20 at the cells of ``conv4_flow``; ``copy``,
no alignment. A method whose predictions lie in ``--out`` already, under the same settings, is not run again.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro

from convcorr_jax import files
from convcorr_jax.backbone import find_network
from convcorr_jax.backbone.weights import load
from convcorr_jax.descriptors.convolutional import PAPER_RECIPES, RECIPES, Recipe
from convcorr_jax.errors import InputError
from convcorr_jax.metrics.pck import LONG_2014, PF_WILLOW, Pck, Protocol, pck
from convcorr_jax.runlog import plain, write_run
from eval import records as data
from eval import transfer
from eval.methods import Method, align_pairs, describe, methods_for
from eval.scripts import run

ALPHAS = {"PF-WILLOW": (0.05, 0.1, 0.2), "neighbors": (0.1, 0.05, 0.025)}


@dataclass(frozen=True)
class Config:
    """What to run on what."""

    dataset: str = data.RENDERED
    """``rendered``, or the name or path of a prepared folder."""
    protocol: Literal["neighbors", "box", "image"] = "neighbors"
    """Neighbours that vote, or the fixed pairs of PF-WILLOW by box or by whole image."""
    network: str = "alexnet"
    weights: Path | None = None
    """File of weights; by default those that are installed or fetched."""
    layers: tuple[str, ...] | None = None
    """Layers of ``conv4_flow``; the last names the grid. By default the network's recipe."""
    sizes_px: tuple[int, ...] | None = None
    """Sides of the square inputs of ``conv4_flow``. By default the network's recipe."""
    smoothness: float | None = None
    """Of ``conv4_flow``; by default the library's."""
    rendered_train: int = 100
    """Training instances of every rendered category."""
    rendered_test: int = 25
    out: Path = Path("runs/keypoint_transfer")
    data_root: Path | None = None
    """Folder of prepared data sets; by default the environment's CONVCORR_DATA."""


def main(config: Config) -> Path:
    """Run every method, score it, and write ``result.json``; returns its path."""
    started = time.perf_counter()
    out = files.make_folder(config.out)
    network = find_network(config.network)
    recipe = RECIPES[network.name]
    recipe = Recipe(config.layers or recipe.layers, config.sizes_px or recipe.sizes_px, recipe.center)
    methods = methods_for(recipe, PAPER_RECIPES[network.name], smoothness=config.smoothness)
    weights = load(config.network, config.weights)
    boxed = config.protocol != "image"
    if config.protocol == "neighbors":
        records = _neighbor_records(config)
        near = transfer.neighborhoods(records, network, weights)
        pairs, subsets = near.pairs, ()
    else:
        fixed = data.read_pairs(config.dataset, config.data_root)
        records, near = fixed.records, None
        pairs = np.array([(pair.source, pair.target) for pair in fixed.pairs])
        subsets = tuple(pair.subset for pair in fixed.pairs)
    keypoints = transfer.keypoints_of(records)

    predictions, seconds = {}, {}
    for method in methods:
        settings = json.dumps([plain(config), plain(method), str(weights.source)])
        kept = _kept(out / f"{method.name}.npz", settings)
        if kept is None:
            began = time.perf_counter()
            described = describe(records, method, network, weights, boxed=boxed)
            described_at = time.perf_counter()
            flows = align_pairs(described, pairs, method)
            aligned_at = time.perf_counter()
            candidates = transfer.carried(keypoints.points, pairs, described, flows.flow)
            kept = {
                "predicted": candidates if near is None else transfer.voted(near, candidates, flows),
                "describe_seconds_per_image": np.float64((described_at - began) / len(records)),
                "seconds_per_pair": np.float64((aligned_at - described_at) / len(pairs)),
                "converged": np.float64(flows.converged),
                "copied": transfer.copied(keypoints.points, pairs, described),
            }
            files.write_arrays(out / f"{method.name}.npz", **kept, settings=np.array(settings))
        predictions[method.name] = kept["predicted"]
        seconds[method.name] = {
            key: float(kept[key])
            for key in ("seconds_per_pair", "describe_seconds_per_image", "converged")
        }
        copies = kept["copied"]
    predictions["copy"] = copies if near is None else transfer.voted(near, copies, None)

    targets = pairs[:, 1] if near is None else near.targets
    protocol, alphas = (PF_WILLOW, ALPHAS["PF-WILLOW"]) if near is None else (LONG_2014, ALPHAS["neighbors"])
    groups = subsets or tuple(records[target].category for target in targets)
    scores = {
        name: _score(predicted, records, keypoints, targets, groups, protocol, alphas)
        for name, predicted in predictions.items()
    }
    result = {
        "dataset": config.dataset,
        "protocol": {"transfer": config.protocol, **plain(protocol)},
        "network": network.name,
        "weights": str(weights.source),
        "retrieval_layer": None if near is None else near.layer,
        "pairs": len(pairs),
        "targets": len(targets),
        "methods": {
            name: {
                "pck": dict(zip(map(str, alphas), score.mean.tolist(), strict=True)),
                "per_category": _per_category(score, records, groups, targets),
                "settings": plain(next((one for one in methods if one.name == name), None)),
                **seconds.get(name, {}),
            }
            for name, score in scores.items()
        },
        "seconds_per_pair": seconds["conv4_flow"]["seconds_per_pair"],
    }
    files.write_json(out / "result.json", result)
    write_run(out, config, seconds=time.perf_counter() - started)
    return out / "result.json"


def _neighbor_records(config: Config):
    if config.dataset == data.RENDERED:
        return data.rendered_records(train=config.rendered_train, test=config.rendered_test)
    return data.read_records(config.dataset, config.data_root)


def _kept(path: Path, settings: str) -> dict[str, np.ndarray] | None:
    """An earlier run's predictions, if it had the same settings."""
    if not path.is_file():
        return None
    try:
        with np.load(path) as arrays:
            kept = dict(arrays)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} is damaged ({error}); remove it to run its method again") from error
    return kept if str(kept.pop("settings", "")) == settings else None


def _score(predicted, records, keypoints, targets, groups, protocol: Protocol, alphas) -> Pck:
    truth = keypoints.points[targets]
    counted = keypoints.visible[targets]
    if protocol.average == "keypoint":
        # Of a keypoint type that no neighbour shows there is no prediction to judge.
        counted = counted & ~np.isnan(predicted).any(axis=-1)
    boxes = [records[target].box for target in targets]
    longer = np.array([max(box.width, box.height) for box in boxes])
    return pck(predicted, truth, counted, longer, groups, alphas=alphas, protocol=protocol)


def _per_category(score: Pck, records, groups, targets) -> dict[str, dict[str, float]]:
    """The mean over a category's groups at every alpha."""
    category = {group: records[target].category for group, target in zip(groups, targets, strict=True)}
    return {
        name: {
            str(alpha): float(
                np.mean([row[k] for group, row in zip(score.groups, score.per_group, strict=True)
                         if category[group] == name])
            )
            for k, alpha in enumerate(score.alphas)
        }
        for name in dict.fromkeys(category.values())
    }


if __name__ == "__main__":
    run(Config, main, __doc__)
