"""Feature vectors on a grid of an image, with the pixel of every cell."""

from convcorr_jax.descriptors.sift import dense_sift as dense_sift
from convcorr_jax.descriptors.sift import sift_at as sift_at
