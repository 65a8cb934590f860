"""A tiny PF-WILLOW in its official format: every subset with three images."""

import itertools
from pathlib import Path

import numpy as np

from convcorr_jax.datasets.official import pf_willow
from tests.builders import mat_files, voc_tree

STEMS = ("a_1", "b_2", "c_3")
ROOT = "PF-dataset-WILLOW"


def keypoints(subset: str, stem: str) -> np.ndarray:
    """Return an image's keypoints as MATLAB has them: ten x, then ten y, the first pixel being 1."""
    return np.random.default_rng([*f"{subset}/{stem}".encode()]).uniform((1, 1), (40, 30), (10, 2)).T


def listed_line(subset: str, first: str, second: str) -> str:
    """Return the line of a pair in the release's list of pairs."""
    numbers = [*keypoints(subset, first).ravel(), *keypoints(subset, second).ravel()]
    paths = [f"PF-dataset/{subset}/{stem}.png" for stem in (first, second)]
    return ",".join([*paths, *map(repr, map(float, numbers))]) + "\n"


def write_pf_willow_release(folder: Path) -> Path:
    """Write the release into the folder `ROOT`; return the given folder."""
    for subset, stem in itertools.product(pf_willow.SUBSETS, STEMS):
        path = folder / ROOT / subset / f"{stem}.png"
        voc_tree.write_image(path)
        mat_files.write_mat(path.with_suffix(".mat"), {"pts_coord": keypoints(subset, stem)})
    return folder
