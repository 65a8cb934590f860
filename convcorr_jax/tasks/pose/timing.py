"""The time of a pose cascade's forward pass: Table 2 of Tompson et al. 2015."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from convcorr_jax.pose import TrainedCascade, cascade, peaks

TIMED_CALLS = 20
"""The number of calls whose median time counts."""


def forward_ms(model: TrainedCascade) -> dict[str, float]:
    """Measure the forward pass of one image of the model's input size.

    Args:
        model: the cascade.

    Returns:
        The median milliseconds of the coarse net, of the fine net, and of the whole cascade, by the names
        ``coarse``, ``fine`` and ``cascade``.
    """
    params, architecture = model.params, model.architecture
    images = jnp.zeros((1, *architecture.input_size, 3), jnp.uint8)
    torso = jnp.full((1, 2), jnp.nan)
    coarse, maps = _coarse(params, images, torso, architecture)

    def cascade_points() -> jax.Array:
        coarse, maps = _coarse(params, images, torso, architecture)
        return _fine(params, maps, coarse, architecture)

    return {
        "coarse": _median_ms(lambda: _coarse(params, images, torso, architecture)),
        "fine": _median_ms(lambda: _fine(params, maps, coarse, architecture)),
        "cascade": _median_ms(cascade_points),
    }


@partial(jax.jit, static_argnums=3)
def _coarse(params, images, torso, architecture):
    detection = cascade.detect(params, images, torso, architecture=architecture)
    return peaks(detection.selected, architecture.cells).points, detection.maps


@partial(jax.jit, static_argnums=3)
def _fine(params, maps, coarse, architecture):
    corners = cascade.corners(coarse, architecture=architecture)
    heatmaps = cascade.refine(params, maps, corners, architecture=architecture)
    return corners + peaks(heatmaps, architecture.fine_cells).points


def _median_ms(call: Callable[[], Any]) -> float:
    # The first call compiles.
    jax.block_until_ready(call())
    seconds = []
    for _ in range(TIMED_CALLS):
        started = time.perf_counter()
        jax.block_until_ready(call())
        seconds.append(time.perf_counter() - started)
    return round(1000 * statistics.median(seconds), 3)
