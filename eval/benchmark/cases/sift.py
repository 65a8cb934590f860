"""Dense SIFT of a 256 x 256 photograph, at every fourth pixel and at every pixel.

Both use 4 x 4 bins of 4 pixels and 8 orientations, without smoothing or a contrast threshold. kornia has no
Gaussian window and narrower bins, and its centres are half a pixel away from ours; each is compared at its own
centres.

Quality: the mean cosine with a slow reference implementation (tests/reference/sift.py), at centres away from
the border, is at least 0.99 and no less than kornia's.
"""

from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from convcorr_jax import images
from convcorr_jax.coords import Size
from convcorr_jax.datasets.selection import photographs
from convcorr_jax.descriptors import dense_sift
from convcorr_jax.descriptors.sift import LUMA
from eval.benchmark.comparison import Arrays, Case, Comparison, Quality
from tests.reference import sift as reference

SIDE, BIN_PX = 256, 4
# kornia's zero padding; with it, kornia's grid begins half a pixel before ours.
PADDING_PX = 6
LEAST_COSINE = 0.99
CENTERS = 24
# No descriptor of a centre this far from the border reaches it.
MARGIN_PX = 24
OPTIONS = {"radius_px": 2.0 * BIN_PX, "smoothing_sigma_px": 0.0, "contrast_threshold": 0.0}


def comparisons() -> Iterator[Comparison]:
    """Yield two strides on the first photograph, in grey."""
    square = images.resize(photographs()[0].image, Size(SIDE, SIDE)).image
    grey = (square / 255 @ np.array(LUMA)).astype(np.float32)
    for stride in (4, 1):
        yield Comparison(
            name=f"{SIDE} x {SIDE}, every {'pixel' if stride == 1 else f'{stride}th pixel'}",
            unit="image",
            inputs={
                "grey": grey,
                "stride": np.array(stride),
                "bin": np.array(BIN_PX),
                "padding": np.array(PADDING_PX),
            },
            ours=_describe(grey, stride),
            check=_against_definition(grey, stride),
            required_ratio=5.0,
        )


def _describe(grey, stride):
    image = jnp.asarray(grey)
    return lambda: {"descriptors": dense_sift(image, stride_px=float(stride), **OPTIONS)}


def _against_definition(grey, stride):
    rng = np.random.default_rng(0)
    first, last = MARGIN_PX // stride, (SIDE - MARGIN_PX) // stride
    cells = rng.integers(first, last, (CENTERS, 2))
    peer_first_px = -PADDING_PX + 1.5 * BIN_PX - 0.5

    def check(ours: Arrays, peer: Arrays) -> Quality:
        cosines = [
            float(np.mean(np.sum(_unit(_at(descriptors, cells)) * _true(grey, centers), axis=-1)))
            for descriptors, centers in (
                (ours["descriptors"], cells * float(stride)),
                (peer["descriptors"], cells * float(stride) + peer_first_px),
            )
        ]
        return Quality(
            cosines[0] >= max(LEAST_COSINE, cosines[1]),
            f"mean cosine with the definition at least {LEAST_COSINE} and no less than the peer's",
            {"our cosine": cosines[0], "peer cosine": cosines[1]},
        )

    return check


def _true(grey, centers):
    return reference.sift(grey, centers, **OPTIONS)


def _at(descriptors, cells):
    return descriptors[cells[:, 1], cells[:, 0]]


def _unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


CASE = Case("kornia", "eval.benchmark.workers.kornia_sift", comparisons)
