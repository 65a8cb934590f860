"""The endpoint error of flows against warps whose flow is known."""

import numpy as np

from convcorr_jax import coords
from convcorr_jax.datasets import Record
from convcorr_jax.synthetic import WarpedPair
from convcorr_jax.tasks.transfer import endpoint_errors


def pair(displacement, visible):
    """Return a pair of images whose true flow is one displacement."""
    image = Record(
        image=np.zeros((8, 12, 3), np.uint8),
        size=coords.Size(8, 12),
        category="noise",
        source_id="noise",
        split="train",
    )
    flow_px = np.tile(np.array(displacement, float), (8, 12, 1))
    return WarpedPair(image, image, flow_px, visible)


def test_the_error_is_the_mean_distance_over_visible_pixels():
    everything = np.ones((8, 12), bool)
    left = everything.copy()
    left[:, 6:] = False
    pairs = [pair((3, 4), everything), pair((0, 2), left)]
    to_px = [coords.grid(4.0, 1.5)] * 4
    zero = np.zeros((2, 2, 3, 2), np.float32)
    np.testing.assert_allclose(endpoint_errors(pairs, to_px, zero), [5, 2])
    # One cell to the right is four pixels.
    moved = zero.copy()
    moved[1, ..., 0] = 1
    np.testing.assert_allclose(endpoint_errors(pairs, to_px, moved), [5, np.hypot(4, 2)])
