"""What a leaderboard of networks states beside scores: candidates, costs, training data and ranks."""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from convcorr_jax.backbone import receptive_field
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import Record
from convcorr_jax.descriptors import Recipe, recipe_for
from convcorr_jax.errors import InputError
from convcorr_jax.metrics import Pck, bootstrap, interval
from convcorr_jax.report import pixels, shares_over_costs
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.reading import Backbone
from convcorr_jax.tasks.transfer.functions import FeatureFunction, find_function
from convcorr_jax.tasks.transfer.joined import Features, JoinedNetworks
from convcorr_jax.tasks.transfer.methods import description, record_view
from convcorr_jax.tasks.transfer.selection import SearchSpace

# Of every entry: the cosine's temperatures in the mutual cost.
_TEMPERATURES = (0.025, 0.05, 0.1)
_ALEXNET = (("conv4",), ("conv5",), ("conv3", "conv4", "conv5"))


def _stages(name: str) -> tuple[tuple[str, ...], ...]:
    """Return the third stage of a residual network: alone, with the second, and with the fourth."""
    return (f"{name}3",), (f"{name}2", f"{name}3"), (f"{name}4", f"{name}3")


CANDIDATES: Mapping[str, tuple[tuple[tuple[str, ...], ...], tuple[int, int]]] = MappingProxyType(
    {
        **dict.fromkeys(("bvlc_alexnet", "caffenet"), (_ALEXNET, (227, 340))),
        "alexnet": (_ALEXNET, (227, 340)),
        "vgg16": ((("conv5_1",), ("conv5_3",), ("conv4_3", "conv5_1", "conv5_3")), (224, 336)),
        **dict.fromkeys(("resnet18", "resnet50", "resnet101"), (_stages("layer"), (256, 400))),
        **dict.fromkeys(("convnext_t", "convnext_b"), (_stages("stage"), (256, 400))),
        "mobilenet_v2": ((("features10",), ("features13",), ("features10", "features13")), (224, 336)),
    }
)
"""The groups of layers, and the two sides of squares, among which the settings of an entry are chosen.

Vision transformers have the outputs of the blocks at half, two thirds and five sixths of their depth and of the
last, the keys of the last three, and 16 and 24 patches a side. A network without an entry has its recipe alone.
"""
_VIT_SIDES = (16, 24)
# Images of a measured batch, and how often it is described after its compilation.
_BATCH, _REPEATS = 4, 3

May = Literal["yes", "no", "unknown"]
SEEN: Mapping[str, tuple[May, str]] = MappingProxyType(
    {
        "vit_s14": ("yes", "derived from DINOv2, see there; probably trained further for saliency"),
        "dinov2": (
            "yes",
            "images of the web were chosen by their likeness to those of many sets, PASCAL VOC among them",
        ),
    }
)
"""Whether training photographs may be those of PF-WILLOW, PF-PASCAL or SPair, by the beginning of a name.

All three have photographs of PASCAL VOC, near which DINOv2's were chosen (Oquab et al. 2023, section 3).
"""
_UNKNOWN: tuple[May, str] = ("unknown", "its training photographs were not compared with the set")


def find_entries(
    networks: Sequence[str], functions: Sequence[str], joined: Sequence[str], *, winograd: bool
) -> dict[str, Callable[[], Features]]:
    """Return how each entry is loaded, by its name; all are loaded once, so that a missing file is found.

    Raises:
        InputError: there is no entry, or one is there twice.
    """
    entries: dict[str, Callable[[], Features]] = {}
    for option in networks:
        backbone = Backbone(option, winograd=winograd)
        entries[backbone.load().network.name] = backbone.load
    for option in functions:
        find_function(option)
        entries[option.replace(":", ".")] = functools.partial(find_function, option)
    if joined:
        together = JoinedNetworks(tuple(Backbone(one, winograd=winograd).load() for one in joined))
        entries[together.name] = lambda: together
    options = (*networks, *functions, *joined[:1])
    if not options or len(entries) < len(options):
        listed = ", ".join(options) or "none"
        raise InputError(f"the entries are {listed}; one or more are expected, none of them twice")
    return entries


def candidates(features: Features, *, layers: Sequence[str] = (), sizes_px: Sequence[int] = ()) -> SearchSpace:
    """Return the layers, sizes and temperatures among which an entry's settings are chosen.

    One group of ``layers`` and ``sizes_px`` replace those of the table. A function has but temperatures, joined
    networks have shares besides.
    """
    if isinstance(features, JoinedNetworks):
        return SearchSpace(temperatures=_TEMPERATURES, shares=features.shares)
    if isinstance(features, FeatureFunction):
        return SearchSpace(temperatures=_TEMPERATURES)
    network = features.network
    if network.vit is not None:
        names, depth = network.layer_names, len(network.layers)
        blocks = list(dict.fromkeys(names[depth * part // 6 - 1] for part in (3, 4, 5, 6)))
        groups = tuple((name,) for name in (*blocks, *(f"{name}_key" for name in blocks[1:])))
        sides = tuple(count * network.vit.patch_px for count in _VIT_SIDES)
    elif network.name in CANDIDATES:
        groups, sides = CANDIDATES[network.name]
    else:
        recipe = recipe_for(network)
        groups, sides = (recipe.layers,), recipe.sizes_px
    sides = tuple(sizes_px) or sides
    together = (sides,) if len(sides) > 1 else ()
    groups = (tuple(layers),) if layers else groups
    return SearchSpace(groups, (*((side,) for side in sides), *together), temperatures=_TEMPERATURES)


def single_layers(weights: Weights) -> tuple[str, ...]:
    """Return each layer of the groups of a network's `candidates` once, the first first, without keys."""
    found = {name for group in candidates(weights).layers for name in group if not name.endswith("_key")}
    return tuple(sorted(found, key=weights.network.position))


def seen(features: Features, *, dataset: str = "") -> tuple[May, str]:
    """Return whether training photographs may be those of the set of pairs, and why (`SEEN`).

    The name or path of the set matters if it is AP-10K, with which no training photographs were compared.
    """
    if Path(dataset).name == "ap10k":
        return _UNKNOWN
    if isinstance(features, FeatureFunction):
        return "unknown", "a function does not say what it was trained on"
    if isinstance(features, JoinedNetworks):
        return min(map(seen, features.networks), key=lambda one: ("yes", "unknown", "no").index(one[0]))
    name = features.network.name
    return next((entry for start, entry in SEEN.items() if name.startswith(start)), _UNKNOWN)


def costs(
    features: Features, recipe: Recipe, records: Sequence[Record], *, shares: Sequence[float] = ()
) -> dict[str, Any]:
    """Measure what a description costs on this machine, as JSON stores it.

    ``ms_per_image`` is the least time of a few batches of squares, without reading and resizing photographs;
    ``bytes_per_cell`` are those of half precision, in which descriptors are kept; ``parameters`` are all that
    were loaded, and ``receptive_field_px`` is that of the last layer. Both are None where they are not known,
    and the field where cells depend on the whole image. The ``fingerprint`` is a hash of parameters or outputs.
    """
    to_describe = [record_view(record, recipe, margin=None) for record in records[:_BATCH]]
    pyramid = [np.stack(level) for level in zip(*(one.pyramid for one in to_describe), strict=True)]
    _, compute = description(features, recipe, shares=shares)
    seconds = []
    for _ in range(1 + _REPEATS):
        started = time.perf_counter()
        shape = jax.block_until_ready(compute(pyramid)).shape
        seconds.append(time.perf_counter() - started)
    parameters, field, sees = None, None, "not known"
    if isinstance(features, Weights):
        parameters = sum(int(np.size(one)) for one in jax.tree.leaves(features.params))
        sees = "whole image"
        if features.network.vit is None:
            field = receptive_field(features.network, recipe.layers[-1]).size_px
            sees = f"{field} px"
    return {
        "ms_per_image": 1000 * min(seconds[1:]) / len(to_describe),
        "bytes_per_cell": 2 * shape[-1],
        "cells": shape[1] * shape[2],
        "parameters": parameters,
        "receptive_field_px": field,
        "pixels": sum(side**2 for side in recipe.sizes_px),
        "sees": sees,
        "fingerprint": features.fingerprint,
    }


def quality_figure(scores: Mapping[str, Mapping[str, Any]], costs: Mapping[str, Mapping[str, Any]]) -> Image:
    """Draw the PCK at 0.1 of entries, with its interval, over the time in which an image is described."""
    places = {name: (costs[name]["ms_per_image"], one["pck"]["0.1"]) for name, one in scores.items()}
    intervals = {name: one["interval"]["0.1"] for name, one in scores.items()}
    labels = {"x_label": "ms an image", "y_label": "PCK at 0.1"}
    return pixels(shares_over_costs(places, intervals, **labels))


class Standing(NamedTuple):
    """The ranks of entries, and what is sure about pairs of them."""

    ranks: dict[str, dict[str, Any]]
    """By name, best first: ``pck``, ``rank`` with the 95 % interval of its draws, and how many other entries it
    is surely better and surely worse than."""
    ahead: dict[str, dict[str, dict[str, Any]]]
    """How far an entry is ahead of each one below it, ``pck`` with its ``interval``; ``sure`` where that is
    above zero."""


def rank(scores: Mapping[str, Pck], *, alpha: float = 0.1) -> Standing:
    """Rank entries by their PCK at a threshold, by draws of photographs that all entries share.

    An entry is surely better than another if the 95 % interval of their paired difference is above zero. The
    intervals are those of single pairs: of many pairs, one in forty that are equal seems better by chance.

    Raises:
        InputError: there is no entry, the entries are not of the same pairs, or have no such threshold.
    """
    first = next(iter(scores.values()), None)
    if first is None or any(alpha not in one.alphas for one in scores.values()):
        raise InputError(f"entries with a PCK at {alpha} are expected")
    if any(one.sums.denominators.tobytes() != first.sums.denominators.tobytes() for one in scores.values()):
        raise InputError("the entries are scored on different pairs; the same are expected")
    column = first.alphas.index(alpha)
    values = {name: float(one.mean[column]) for name, one in scores.items()}
    names = sorted(values, key=lambda name: -values[name])
    samples = {name: bootstrap(scores[name].sums)[:, column] for name in names}
    drawn = np.stack([samples[name] for name in names])
    places = 1 + (drawn[None] > drawn[:, None]).sum(axis=1)
    ahead = {
        better: {
            worse: _difference(values[better] - values[worse], samples[better] - samples[worse])
            for worse in names[names.index(better) + 1 :]
        }
        for better in names[:-1]
    }
    sure = {(a, b) for a, others in ahead.items() for b, one in others.items() if one["sure"]}
    ranks = {
        name: {
            "pck": values[name],
            "rank": place,
            "interval": {"rank": list(interval(places[place - 1].astype(float)))},
            "surely_better_than": sum(a == name for a, _ in sure),
            "surely_worse_than": sum(b == name for _, b in sure),
        }
        for place, name in enumerate(names, start=1)
    }
    return Standing(ranks, ahead)


def _difference(value: float, samples: np.ndarray) -> dict[str, Any]:
    low, high = interval(samples)
    return {"pck": value, "interval": [low, high], "sure": low > 0}
