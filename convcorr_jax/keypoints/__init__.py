"""Keypoints of object categories: transfer from annotated neighbours."""

from convcorr_jax.keypoints.transfer import carry_points as carry_points
from convcorr_jax.keypoints.transfer import vote as vote
