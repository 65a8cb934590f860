"""The pose cascade, with the same networks and parameters in torch modules.

"Forward" computes all heat-maps of a batch, those of the fine network in fixed windows. "Gradient" is that of
the loss of the joint phase by all parameters, without the random parts: augmentation and SpatialDropout.
SpatialDropout with local contrast normalization is a comparison of its own: torch only copies the same array,
and both together may take three times as long as the copy.

Quality: heat-maps differ by at most 1e-4 of the highest value; the loss and its gradient, by the first kernel
and by the spatial model's priors, by 1e-3. For the copy, torch computes the same result as ours outside of the
timed run.
"""

import dataclasses
import json
from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from convcorr_jax import coords
from convcorr_jax.datasets.official import lsp
from convcorr_jax.pose import Architecture, Batch, Pooling, cascade, gaussians, layers, objective, small
from convcorr_jax.pose.layers import spatial_dropout
from eval.benchmark.comparison import Arrays, Case, Comparison, Quality

TOLERANCES = {"forward": 1e-4, "gradient": 1e-3, "copy": 1e-4}
POOLINGS: tuple[Pooling, ...] = (8, 4)
BATCH = 16
# Images that are normalized and lose maps to dropout.
IMAGES = 64
SIDE_PX = 256
DROPOUT = 0.5


def check(ours: Arrays, peer: Arrays, *, tolerance: float) -> Quality:
    """Compare the arrays of both sides, each relative to its largest value."""
    differences = {
        name: float(np.abs(ours[name] - peer[name]).max() / np.abs(peer[name]).max()) for name in peer
    }
    rule = f"largest difference at most {tolerance:g} of the largest value"
    return Quality(max(differences.values()) <= tolerance, rule, differences)


def comparisons() -> Iterator[Comparison]:
    """Yield comparisons on noise, with joints at random positions."""
    for pooling in POOLINGS:
        preset = small(lsp.NAMES, lsp.LEFT_RIGHT_PAIRS, pooling=pooling)
        architecture = dataclasses.replace(preset, spatial_dropout=0.0)
        key = jax.random.key(0)
        params = _params(key, architecture)
        batch = _batch(architecture)
        keys = jax.random.split(key, BATCH)
        inputs = _inputs(keys, params, batch, architecture)
        runs = {
            "forward": partial(_forward, params, batch, inputs["corners"], architecture),
            "gradient": partial(_gradient, keys, params, batch, architecture),
        }
        for task, ours in runs.items():
            yield Comparison(
                name=f"{architecture.name}, {task}, batch {BATCH}",
                unit="image",
                inputs=inputs | {"task": np.array(task)},
                ours=ours,
                check=partial(check, tolerance=TOLERANCES[task]),
                required_ratio=1.0,
                our_units=BATCH,
                peer_units=BATCH,
            )
    keys = jax.random.split(jax.random.key(0), IMAGES)
    shape = (IMAGES, SIDE_PX, SIDE_PX, 3)
    maps = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    kept = spatial_dropout(jnp.ones((IMAGES, 1, 1, 3)), keys, DROPOUT)
    yield Comparison(
        name=f"normalise and drop {IMAGES} x {SIDE_PX} x {SIDE_PX}; torch only copies",
        unit="image",
        inputs={"task": np.array("copy"), "maps": maps, "kept": np.array(kept)},
        ours=partial(_normalized_and_dropped, jnp.asarray(maps), keys),
        check=partial(check, tolerance=TOLERANCES["copy"]),
        required_ratio=1 / 3,
        our_units=IMAGES,
        peer_units=IMAGES,
    )


def _params(key: jax.Array, architecture: Architecture) -> cascade.Params:
    params = cascade.init(key, architecture)
    # Untrained heat-maps are close to zero, where differences are not informative.
    for layer in (params["coarse"]["params"]["joints"], params["fine"]["params"]["detector"]):
        layer["kernel"] *= 100
    return params


def _batch(architecture: Architecture) -> Batch:
    rng = np.random.default_rng(0)
    height, width = size = architecture.input_size
    return Batch(
        rng.integers(0, 256, (BATCH, *size, 3), dtype=np.uint8),
        rng.uniform(0, (width - 1, height - 1), (BATCH, len(architecture.joints), 2)).astype(np.float32),
        np.full((BATCH, 2), width / 2, np.float32),
    )


def _inputs(
    keys: jax.Array, params: cascade.Params, batch: Batch, architecture: Architecture
) -> dict[str, np.ndarray]:
    size = architecture.heatmap_size(architecture.input_size)
    # The same keys as in the loss.
    window_keys = jax.vmap(jax.random.split)(keys)[:, 1]
    corners = objective.training_corners(window_keys, batch.points, architecture=architecture)
    window = coords.Size(architecture.fine_window, architecture.fine_window)
    coarse_gaussians = partial(gaussians, size=size, cells=architecture.cells, sigma_px=architecture.sigma_px)
    description = dataclasses.asdict(architecture) | {
        "pools": architecture.pools,
        "fine_strides": architecture.fine_strides,
    }
    arrays = {
        "architecture": json.dumps(description),
        "images": batch.images,
        "corners": corners,
        "torso": coarse_gaussians(batch.torso[:, None]),
        "targets": coarse_gaussians(batch.points),
        "fine_targets": gaussians(
            batch.points - corners, window, architecture.fine_cells, sigma_px=objective.FINE_SIGMA_PX
        ),
        "fine_weight": objective.FINE_WEIGHT,
        **traverse_util.flatten_dict({"params": params}, sep="/"),
    }
    return {name: np.asarray(value) for name, value in arrays.items()}


@jax.jit
def _normalized_and_dropped(maps, keys):
    return {"maps": spatial_dropout(layers.normalize(maps), keys, DROPOUT)}


@partial(jax.jit, static_argnums=3)
def _forward(params, batch, corners, architecture):
    coarse = cascade.detect(params, batch.images, batch.torso, architecture=architecture)
    fine = cascade.refine(params, coarse.maps, corners, architecture=architecture)
    return {"heatmaps": coarse.heatmaps, "selected": coarse.selected, "fine": fine}


@partial(jax.jit, static_argnums=3)
def _gradient(keys, params, batch, architecture):
    error = jax.value_and_grad(objective.loss, argnums=1, has_aux=True)
    (total, _), gradient = error(keys, params, batch, architecture=architecture, phase="joint")
    return traverse_util.flatten_dict(gradient, sep="/") | {"error": total}


CASE = Case("torch", "eval.benchmark.workers.torch_cascade", comparisons)
