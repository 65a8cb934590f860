"""Tiny LSP and LSPET in their official formats: noise for photographs, joints spread over a person."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from tests.builders.mat_files import write_mat

WIDTH, HEIGHT = 60, 80
# The joints of a person who faces the viewer, in LSP's order.
UPRIGHT = np.array(
    [
        *([22, 74], [23, 60], [25, 45], [35, 45], [37, 60], [38, 74]),
        *([15, 44], [16, 34], [22, 22], [38, 22], [44, 34], [45, 44]),
        *([30, 18], [30, 6]),
    ],
    float,
)


def places(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return the joints of people, of whom each stands at a slightly different place."""
    return UPRIGHT + rng.uniform(-4, 4, (count, 1, 2))


def write_lsp(
    folder: Path, *, count: int = 4, hidden: Sequence[tuple[int, int]] = (), scale: float = 1.0
) -> Path:
    """Write LSP's ``joints.mat``, with some joints (person, number) hidden, and images."""
    rng = np.random.default_rng(0)
    joints = np.concatenate([places(rng, count) * scale, np.zeros((count, 14, 1))], axis=-1)
    for person, number in hidden:
        joints[person, number, 2] = 1
    return _write(folder, joints.transpose(2, 1, 0), "im{:04}.jpg", rng)


def write_lspet_release(folder: Path, *, count: int = 4, absent: Sequence[tuple[int, int]] = ()) -> Path:
    """Write LSPET's ``joints.mat``, with some joints (person, number) absent, and images."""
    rng = np.random.default_rng(0)
    joints = np.concatenate([places(rng, count), np.ones((count, 14, 1))], axis=-1)
    for person, number in absent:
        joints[person, number] = -7, -7, 0
    return _write(folder, joints.transpose(1, 2, 0), "im{:05}.jpg", rng)


def _write(folder: Path, joints: np.ndarray, name: str, rng: np.random.Generator) -> Path:
    write_mat(folder / "joints.mat", {"joints": joints})
    (folder / "images").mkdir(exist_ok=True)
    for number in range(1, joints.shape[-1] + 1):
        pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        PillowImage.fromarray(pixels).save(folder / "images" / name.format(number))
    return folder
