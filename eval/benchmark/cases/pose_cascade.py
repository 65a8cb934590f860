"""The pose cascade: the same nets and parameters written down in torch modules.

Forward are all heat-maps of a batch, those of the fine net in given windows; the gradient is that of the joint
phase, by all parameters, without what only draws numbers: augmentation and SpatialDropout.

Quality: heat-maps differ by at most 1e-4 of the highest one; the error and its gradient, by the first kernel
and the spatial model's priors, by 1e-3.
"""

import dataclasses
import json
from collections.abc import Iterator
from functools import partial

import jax
import numpy as np
from flax import traverse_util

from convcorr_jax import coords
from convcorr_jax.datasets.official import lsp
from convcorr_jax.pose import cascade, objective
from convcorr_jax.pose.architecture import Architecture, Pooling, small
from convcorr_jax.pose.batch import Batch
from convcorr_jax.pose.heatmaps import gaussians
from eval.benchmark.comparison import Arrays, Case, Comparison, Quality

TOLERANCES = {"forward": 1e-4, "gradient": 1e-3}
POOLINGS: tuple[Pooling, ...] = (8, 4)
BATCH = 16


def check(ours: Arrays, peer: Arrays, *, tolerance: float) -> Quality:
    """Compare what either side computes, each array by its largest value."""
    apart = {
        name: float(np.abs(ours[name] - peer[name]).max() / np.abs(peer[name]).max())
        for name in peer
    }
    rule = f"largest difference at most {tolerance:g} of the largest value"
    return Quality(max(apart.values()) <= tolerance, rule, apart)


def comparisons() -> Iterator[Comparison]:
    """Noise, with joints in random places."""
    for pooling in POOLINGS:
        preset = small(lsp.NAMES, lsp.LEFT_RIGHT_PAIRS, pooling=pooling)
        architecture = dataclasses.replace(preset, spatial_dropout=0.0)
        key = jax.random.key(0)
        params = _params(key, architecture)
        batch = _batch(architecture)
        inputs = _inputs(key, params, batch, architecture)
        runs = {
            "forward": partial(_forward, params, batch, inputs["corners"], architecture),
            "gradient": partial(_gradient, key, params, batch, architecture),
        }
        for task, ours in runs.items():
            yield Comparison(
                name=f"{architecture.name}, {task}, batch {BATCH}",
                unit="image",
                inputs=inputs | {"task": np.array(task)},
                ours=ours,
                check=partial(check, tolerance=TOLERANCES[task]),
                wanted_ratio=1.0,
                our_units=BATCH,
                peer_units=BATCH,
            )


def _params(key: jax.Array, architecture: Architecture) -> cascade.Params:
    params = cascade.init(key, architecture)
    # Heat-maps begin close to zero, where differences would say nothing.
    for layer in (params["coarse"]["params"]["joints"], params["fine"]["params"]["detector"]):
        layer["kernel"] *= 100
    return params


def _batch(architecture: Architecture) -> Batch:
    rng = np.random.default_rng(0)
    height, width = size = architecture.input_size
    return Batch(
        rng.integers(0, 256, (BATCH, *size, 3), dtype=np.uint8),
        rng.uniform(0, (width - 1, height - 1), (BATCH, len(architecture.joints), 2)).astype(
            np.float32
        ),
        np.full((BATCH, 2), width / 2, np.float32),
    )


def _inputs(
    key: jax.Array, params: cascade.Params, batch: Batch, architecture: Architecture
) -> dict[str, np.ndarray]:
    size = architecture.heatmap_size(architecture.input_size)
    # As the error draws them.
    corners = objective.training_corners(
        jax.random.split(key)[1], batch.points, architecture=architecture
    )
    window = coords.Size(architecture.fine_window, architecture.fine_window)
    told = dataclasses.asdict(architecture) | {
        "pools": architecture.pools,
        "fine_strides": architecture.fine_strides,
    }
    arrays = {
        "architecture": json.dumps(told),
        "images": batch.images,
        "corners": corners,
        "torso": gaussians(batch.torso[:, None], size, architecture.cells),
        "targets": gaussians(batch.points, size, architecture.cells),
        "fine_targets": gaussians(batch.points - corners, window, cascade.PIXELS),
        "fine_weight": objective.FINE_WEIGHT,
        **traverse_util.flatten_dict({"params": params}, sep="/"),
    }
    return {name: np.asarray(value) for name, value in arrays.items()}


@partial(jax.jit, static_argnums=3)
def _forward(params, batch, corners, architecture):
    seen = cascade.detect(params, batch.images, batch.torso, architecture=architecture)
    fine = cascade.refine(params, seen.maps, corners, architecture=architecture)
    return {"heatmaps": seen.heatmaps, "selected": seen.selected, "fine": fine}


@partial(jax.jit, static_argnums=3)
def _gradient(key, params, batch, architecture):
    error = jax.value_and_grad(objective.loss, argnums=1, has_aux=True)
    (total, _), gradient = error(key, params, batch, architecture=architecture, phase="joint")
    return traverse_util.flatten_dict(gradient, sep="/") | {"error": total}


CASE = Case("torch", "eval.benchmark.workers.torch_cascade", comparisons)
