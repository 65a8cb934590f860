"""Pose cascades so small that they run in a moment, and images of their size."""

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from convcorr_jax.coords import Size
from convcorr_jax.datasets.official import lsp
from convcorr_jax.pose import Architecture, Batch, person, small
from convcorr_jax.pose.front import Front

TINY = Architecture(
    name="tiny",
    joints=("left", "right", "top"),
    left_right_pairs=((0, 1),),
    # Not a multiple of the padding's 16 in its height.
    input_size=Size(40, 64),
    pooling=8,
    sigma_px=12.0,
    window=3,
    features=(4, 5, 6),
    patch_window=3,
    hidden=(16, 8),
    spatial_dropout=0.25,
    fine_window=24,
    fine_features=7,
    levels=2,
)
TINY_LSP = replace(
    small(lsp.NAMES, lsp.LEFT_RIGHT_PAIRS),
    **{"features": (4, 4, 4), "group_norm": False, "hidden": (8, 4, 4), "fine_features": 4},
)
"""The preset ``small`` for the joints of LSP, with few features."""
TINY_HANDS = replace(
    small(("l_hand", "r_hand"), ((0, 1),)), features=(8, 8, 8), hidden=(8, 8, 8), fine_features=4
)
"""The preset ``small`` for two joints, with few features."""


def tiny(**changes: Any) -> Architecture:
    return replace(TINY, **changes)


def tiny_small(
    joints: tuple[str, ...], pairs: tuple[tuple[int, int], ...], *, spatial_dropout: float = 0.2, **options: Any
) -> Architecture:
    """The preset ``small`` with few features and pixels, in which a training step takes a moment."""
    few = {"name": "tiny", "input_size": Size(64, 64), "levels": 1, "features": (8, 8), "patch_window": 3}
    few |= {"hidden": (8,), "fine_features": 4, "fine_window": 8, "spatial_dropout": spatial_dropout}
    return replace(small(joints, pairs, **options), **few)


def examples(rng: np.random.Generator, *, count: int = 2, size: Size = TINY.input_size) -> Batch:
    """Noise, with joints and torsos anywhere in it."""
    extent = np.array([size.width, size.height]) - 1.0
    points = rng.uniform(0, extent, (count, len(TINY.joints), 2))
    torso = rng.uniform(0, extent, (count, 2))
    images = rng.integers(0, 256, (count, *size, 3), dtype=np.uint8)
    return Batch(jnp.asarray(images), jnp.asarray(points, jnp.float32), jnp.asarray(torso, jnp.float32))


def tiny_person(
    joints: tuple[str, ...] = TINY.joints,
    pairs: tuple[tuple[int, int], ...] = TINY.left_right_pairs,
    *,
    front: Front = "alexnet",
    **changes: Any,
) -> Architecture:
    """The preset ``person`` with few features of its own and an input of 64 x 48 pixels."""
    few = {"name": f"tiny-{front}", "input_size": Size(48, 64), "features": (8, 8), "hidden": (8,)}
    few |= {"front_features": 6, "fine_window": 16, "fine_features": 4, "frame_px": 50.0}
    return replace(person(joints, pairs, front=front), **(few | changes))
