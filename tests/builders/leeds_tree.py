"""A tiny LSP for tests, in its official format: noise for photographs, joints spread over a person."""

from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from tests.builders.mat_files import write

WIDTH, HEIGHT = 60, 80
# Joints in LSP's order, of a person who faces the viewer.
UPRIGHT = np.array(
    [
        *([22, 74], [23, 60], [25, 45], [35, 45], [37, 60], [38, 74]),
        *([15, 44], [16, 34], [22, 22], [38, 22], [44, 34], [45, 44]),
        *([30, 18], [30, 6]),
    ],
    float,
)


def write_lsp(folder: Path, *, count: int = 4) -> Path:
    """Write ``joints.mat`` and the images; every person stands a little elsewhere."""
    rng = np.random.default_rng(0)
    points = UPRIGHT + rng.uniform(-4, 4, (count, 1, 2))
    hidden = np.zeros((count, 14, 1))
    joints = np.concatenate([points, hidden], axis=-1)
    write(folder / "joints.mat", {"joints": joints.transpose(2, 1, 0)})
    (folder / "images").mkdir()
    for number in range(1, count + 1):
        pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        PillowImage.fromarray(pixels).save(folder / "images" / f"im{number:04}.jpg")
    return folder
