"""A tiny release of FLIC: a person who faces the camera, or is seen from behind, in grey frames."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.builders.mat_files import structs, write_mat
from tests.builders.voc_tree import write_image

WIDTH, HEIGHT = 40, 32
# A person who faces the camera, in the release's frame, whose first pixel is 1.
FACING = {
    **{"l_shoulder": (21, 10), "l_elbow": (23, 14), "l_wrist": (22, 18)},
    **{"r_shoulder": (11, 11), "r_elbow": (9, 15), "r_wrist": (12, 19)},
    **{"l_hip": (20, 25), "r_hip": (13, 26), "l_eye": (17, 5), "r_eye": (15, 4), "nose": (16, 7)},
}
# The column of every joint, as the release's own look-up has it, from 1.
LOOKUP = {
    **{"l_shoulder": 1, "l_elbow": 2, "l_wrist": 3, "r_shoulder": 4, "r_elbow": 5, "r_wrist": 6},
    **{"l_hip": 7, "r_hip": 10, "l_eye": 13, "r_eye": 14, "nose": 17},
}
OTHER_SIDE = {name: {"l": "r", "r": "l"}.get(name[0], "n") + name[1:] for name in LOOKUP}


def example(frame: str, *, train: int = 1, test: int = 0, behind: bool = False) -> dict[str, Any]:
    joints = np.full((2, 29), np.nan)
    for name, place in FACING.items():
        joints[:, LOOKUP[OTHER_SIDE[name] if behind else name] - 1] = place
    return {
        "moviename": frame.split("-")[0],
        "coords": joints,
        "filepath": frame,
        "imgdims": np.array([[HEIGHT, WIDTH, 3]], np.uint16),
        "torsobox": np.array([[10.5, 8.0, 22.25, 27.0]], np.float32),
        "istrain": np.array([[train]], np.uint8),
        "istest": np.array([[test]], np.uint8),
    }


def write_release(folder: Path, *examples: dict[str, Any]) -> Path:
    write_mat(folder / "examples.mat", {"examples": structs(*examples)})
    for each in examples:
        write_image(folder / "images" / each["filepath"], width=WIDTH, height=HEIGHT)
    return folder
