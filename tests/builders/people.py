"""Rendered people in the layout of LSPET's compact folder."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from convcorr_jax import synthetic
from convcorr_jax.datasets import load_image


def write_people(
    folder: Path,
    *,
    train: int,
    test: int,
    side: int,
    change: Callable[[dict[str, np.ndarray]], None] | None = None,
) -> str:
    """Write the folder and return its path; ``change`` may alter the annotations before they are written."""
    count = train + test
    joints = []
    (folder / "images").mkdir(parents=True)
    for index in range(count):
        record = synthetic.render("person", seed=1, index=index, size=(side, side))
        Image.fromarray(load_image(record)).save(folder / "images" / f"{index}.png")
        joints.append(record.points)
    arrays = {
        "image": np.array([f"{index}.png" for index in range(count)]),
        "split": np.array(["train"] * train + ["test"] * test),
        "joints": np.stack(joints),
        "visible": np.ones((count, 14), bool),
        "size_wh": np.full((count, 2), side),
        "torso": np.full(count, 40.0),
    }
    if change is not None:
        change(arrays)
    np.savez(folder / "annotations.npz", **arrays)
    return str(folder)
