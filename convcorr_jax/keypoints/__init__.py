"""Keypoints of object categories: transferred, classified, found."""

from convcorr_jax.keypoints.transfer import carry_points as carry_points
from convcorr_jax.keypoints.transfer import vote as vote
