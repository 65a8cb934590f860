"""Trees of images and ``.pts`` files with 68 points, as 300-W and its collections have them."""

from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

WIDTH, HEIGHT = 40, 32


def points_68(*, seed: int = 0) -> np.ndarray:
    """Return 1-based points as a release has them; the outer eye corners are 20 apart."""
    points = np.random.default_rng(seed).uniform(3, 30, (68, 2)).round(3)
    points[36], points[45] = (6, 11), (22, 23)
    return points


def write_face(folder: Path, name: str, *, ending: str | None = ".jpg", seed: int = 0) -> None:
    """Write a ``.pts`` file, and an image of this ending beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = "\n".join(f"{x:.6f} {y:.6f}" for x, y in points_68(seed=seed))
    (folder / f"{name}.pts").write_text(f"version: 1\nn_points:  68\n{{\n{rows}\n}}\n")
    if ending is not None:
        PillowImage.new("RGB", (WIDTH, HEIGHT), "red").save(folder / f"{name}{ending}")
