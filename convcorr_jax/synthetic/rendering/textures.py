"""Patterns of cloth, coats and paint: square periodic tiles of values in [0, 1].

Some are computed, some are cut from photographs of surfaces. A value blends between a paint's two colours.
"""

import enum
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from PIL import Image as PillowImage
from scipy import ndimage

from convcorr_jax.datasets.selection import surfaces

Rng = np.random.Generator
TILE = 128
"""Side of a tile in pixels; a power of two, so that a bit mask wraps positions around."""


Pattern = enum.IntEnum(
    "Pattern", "PLAIN STRIPES BANDS CHECKS PLAID DOTS ZIGZAG BLOTCHES HAIR SPECKLE BRICK GRASS GRAVEL", start=0
)
"""The tiles by name; the value is the index in `atlas`."""

CLOTH = (
    *(Pattern.PLAIN, Pattern.STRIPES, Pattern.BANDS, Pattern.CHECKS, Pattern.PLAID),
    *(Pattern.DOTS, Pattern.ZIGZAG, Pattern.BLOTCHES, Pattern.SPECKLE),
)
"""Patterns of clothes."""


@lru_cache(maxsize=1)
def atlas() -> Float[np.ndarray, "patterns side side"]:
    """Compute all tiles, in the order of `Pattern`, as a read-only array of values in [0, 1]."""
    rng = np.random.default_rng(0)
    steps = np.arange(TILE) / TILE
    across, down = np.meshgrid(steps, steps)
    grain = _noise(rng, 0.6)
    stripes = _square_wave(4 * across)
    bands = _square_wave(2 * down) * 0.8 + 0.2 * _square_wave(2 * down + 0.3)
    checks = np.abs(_square_wave(3 * across) - _square_wave(3 * down))
    plaid = (_square_wave(2 * across) + _square_wave(2 * down)) / 2
    threads = np.maximum(np.cos(8 * np.pi * across), np.cos(8 * np.pi * down)) > 0.96
    ripples = np.minimum(np.cos(6 * np.pi * across), np.cos(6 * np.pi * down))
    zigzag = _square_wave(4 * down + np.abs((4 * across) % 2 - 1))
    hair = ndimage.gaussian_filter(rng.standard_normal((TILE, TILE)), (9, 0.8), mode="wrap")
    tiles = {
        Pattern.PLAIN: np.zeros((TILE, TILE)),
        Pattern.STRIPES: stripes,
        Pattern.BANDS: bands,
        Pattern.CHECKS: checks,
        Pattern.PLAID: np.maximum(plaid, threads),
        Pattern.DOTS: (ripples > 0.2).astype(float),
        Pattern.ZIGZAG: zigzag,
        Pattern.BLOTCHES: _contrast(_noise(rng, 8.0), 12.0),
        Pattern.HAIR: _normalized(hair),
        Pattern.SPECKLE: _contrast(_noise(rng, 1.5), 4.0),
    }
    for pattern, surface in zip((Pattern.BRICK, Pattern.GRASS, Pattern.GRAVEL), surfaces(), strict=True):
        tiles[pattern] = _photographic(surface.image)
    stack = np.stack([tiles[pattern] for pattern in Pattern])
    # Real surfaces are not uniform.
    stack = np.clip(stack + 0.25 * (grain - 0.5), 0.0, 1.0).astype(np.float32)
    stack.flags.writeable = False
    return stack


def _square_wave(phase: np.ndarray) -> np.ndarray:
    """Alternate between 0 and 1 with soft edges; a period is 1."""
    return np.clip(0.5 + 3 * np.sin(2 * np.pi * phase), 0.0, 1.0)


def _noise(rng: Rng, sigma_px: float) -> np.ndarray:
    """Draw periodic Gaussian noise, smoothed with ``sigma_px``."""
    return _normalized(ndimage.gaussian_filter(rng.standard_normal((TILE, TILE)), sigma_px, mode="wrap"))


def _normalized(values: np.ndarray) -> np.ndarray:
    """Shift and scale values to a mean of 0.5 and a standard deviation of 0.25, and clip them to [0, 1]."""
    return np.clip(0.5 + (values - values.mean()) / (4 * values.std()), 0.0, 1.0)


def _contrast(values: np.ndarray, steepness: float) -> np.ndarray:
    """Increase the contrast around 0.5, and clip to [0, 1]."""
    return np.clip(0.5 + steepness * (values - 0.5), 0.0, 1.0)


def _photographic(image: np.ndarray) -> np.ndarray:
    """Cut a quarter of a photographed surface and mirror it, so that opposite borders are equal."""
    half = PillowImage.fromarray(image[:256, :256, 0]).resize((TILE // 2, TILE // 2))
    quarter = _normalized(np.asarray(half, dtype=np.float64))
    top = np.concatenate([quarter, quarter[:, ::-1]], axis=1)
    return np.concatenate([top, top[::-1]], axis=0)
