"""A leaderboard: how well the features of networks carry keypoints between objects of a category.

    python -m eval.leaderboard --networks alexnet vgg16 vit_s14 --data-root ../shared/data
    python -m eval.leaderboard --joined vgg16 mobilenet_v2 vit_s14 --methods both_ways
    python -m eval.leaderboard --networks alexnet vgg16 vit_s14 --methods nearest --probes lfpw68
    python -m eval.leaderboard --networks facebook/dinov2-base --layers block11 --sizes-px 840 --methods nearest

The pairs are those of PF-WILLOW, whole photographs resized to squares, or of ``--dataset pf_pascal``,
``spair71k`` or ``ap10k``. ``nearest`` takes the most similar cell for each keypoint, ``flow`` has the mutual
cost and a smoothness, ``both_ways`` the flow from target to source besides. For every entry alike, layers (of
vision transformers block outputs and keys), size, temperature, smoothness and the shares of joined networks are
chosen for each category by the others (`convcorr_jax.tasks.transfer.CANDIDATES`), on every ``--every``-th pair;
all pairs are scored. ``--layers`` and ``--sizes-px`` leave nothing to choose of them.

Each method has the ``pck`` of every network with 95 % intervals that draw photographs, by every ``protocols``
in use for the set, and the chosen ``settings`` by category. ``costs`` are of the settings that most categories
have. ``ranks`` are by PCK at 0.1, with their intervals, and ``ahead`` says which of two entries is surely
better, by paired draws. ``training_data`` is whether it may contain the set, and why, the former also in
``costs``. ``<method>.png`` shows PCK over time. Predictions of pairs are in ``<network>.npz``, with a
``checksum`` each. ``probes`` has, by data set of ``--probes``, the ridge regression from a single layer of
each network to the keypoints of objects (`convcorr_jax.tasks.keypoints.probe_layers`). A killed run continues,
and a later one adds further networks.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mode
from typing import Any

from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import read_pairs
from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, write_arrays, write_image
from convcorr_jax.runtime import run, write_results
from convcorr_jax.tasks import DataRoot, Output, Sources
from convcorr_jax.tasks.keypoints import probe_layers, read_tested
from convcorr_jax.tasks.reading import evenly_spread
from convcorr_jax.tasks.transfer import (
    METHODS,
    Features,
    Pairs,
    Scores,
    candidates,
    costs,
    evaluate_features,
    find_entries,
    fixed_pairs,
    quality_figure,
    rank,
    seen,
    single_layers,
)


@dataclass(frozen=True)
class Config:
    """The entries, and the pairs that choose and score."""

    networks: tuple[str, ...] = ("alexnet", "vgg16")
    """Names of networks, or ORG/NAME of repositories in the cache of Hugging Face."""
    features: tuple[str, ...] = ()
    """Other networks, each the ``module:name`` of a `convcorr_jax.tasks.transfer.FeatureFunction`."""
    dataset: str = "pf_willow"
    """Name or path of a data set with fixed pairs."""
    joined: tuple[str, ...] = ()
    """Names of networks whose descriptors, by their recipes, are joined as a further entry."""
    methods: tuple[str, ...] = METHODS
    """Some of ``nearest``, ``flow`` and ``both_ways``, which adds the flow from target to source."""
    every: int = 5
    """Every how many pairs choose."""
    pairs: int | None = None
    """Number of pairs, evenly spread, for a trial; by default all."""
    layers: tuple[str, ...] = ()
    """Layers of all entries; by default they are chosen."""
    sizes_px: tuple[int, ...] = ()
    """Sides of squares to choose from; by default those of each network."""
    probes: Sources = ()
    """Data sets of keypoints with a test split, for probes of the networks; by default none."""
    winograd: bool = True
    """Use Winograd's convolution on a CPU; without it, programs compile faster and run at half the speed."""
    output: Output = Output(Path("runs/leaderboard"))
    data_root: DataRoot = None
    """Folder of data sets; by default $CONVCORR_DATA, or else the user's data folder."""


def main(config: Config) -> Path:
    """Evaluate every network, and rank them; returns the path of ``result.json``."""
    started = time.perf_counter()
    if config.probes and (config.features or config.joined):
        raise InputError("probes are of single layers, which functions and joined networks do not have")
    entries = find_entries(config.networks, config.features, config.joined, winograd=config.winograd)
    pairs = fixed_pairs(read_pairs(config.dataset, data_root=config.data_root))
    if config.pairs is not None:
        if config.pairs < 1:
            raise InputError(f"pairs is {config.pairs}; at least 1 is expected")
        pairs = pairs.subset(evenly_spread(len(pairs.indices), config.pairs))
    probed = {name: read_tested(name, data_root=config.data_root) for name in config.probes}
    out = make_folder(config.output.out)
    probes: dict[str, dict[str, Any]] = {dataset: {} for dataset in probed}
    found: dict[str, Scores] = {}
    rows: dict[str, dict[str, Any]] = {name: {} for name in (*config.methods, "costs", "training_data")}
    for name, load in entries.items():
        features = load()
        found[name] = _evaluate(features, pairs, config, out / "cached" / name)
        write_arrays(out / f"{name}.npz", **found[name].predictions)
        for method in config.methods:
            rows[method][name] = found[name].result[method]
        settings = found[name].settings[config.methods[-1]].values()
        recipe, shares = mode((one.recipe, one.shares) for one in settings)
        may, because = seen(features, dataset=config.dataset)
        rows["training_data"][name] = {"may_contain_the_set": may, "because": because}
        of_machine = costs(features, recipe, pairs.records, shares=shares)
        rows["costs"][name] = {"training_may_contain_set": may, **of_machine}
        if isinstance(features, Weights):
            for dataset, categories in probed.items():
                layers, folder = single_layers(features), out / "cached" / name / "probes" / Path(dataset).name
                probes[dataset][name] = probe_layers(categories, features, layers=layers, folder=folder)
    for method in config.methods:
        write_image(out / f"{method}.png", quality_figure(rows[method], rows["costs"]))
    standings = {one: rank({name: scores.pck(one) for name, scores in found.items()}) for one in config.methods}
    result = {
        "dataset": config.dataset,
        "pairs": len(pairs.indices),
        "ranks": {method: one.ranks for method, one in standings.items()},
        **rows,
        "probes": probes,
        "ahead": {method: one.ahead for method, one in standings.items()},
    }
    return write_results(out, result, config, started=started)


def _evaluate(features: Features, pairs: Pairs, config: Config, folder: Path) -> Scores:
    """Choose the settings of one entry and score it."""
    space = candidates(features, layers=config.layers, sizes_px=config.sizes_px)
    return evaluate_features(
        features, pairs, layers=space.layers[0] if space.layers else (),
        sizes_px=space.sizes_px[0] if space.sizes_px else (), methods=config.methods, space=space,
        every=config.every, folder=folder,
    )  # fmt: skip


if __name__ == "__main__":
    run(Config, main, __doc__)
