"""Feature vectors of images: on grids, at points, and one for a whole image."""

from convcorr_jax.arrays import promote_arrays as _promote_arrays
from convcorr_jax.descriptors.at_points import BOX_MARGIN as BOX_MARGIN
from convcorr_jax.descriptors.at_points import View as View
from convcorr_jax.descriptors.at_points import columns_at as columns_at
from convcorr_jax.descriptors.at_points import pad_to_square as pad_to_square
from convcorr_jax.descriptors.at_points import sift_at_points as sift_at_points
from convcorr_jax.descriptors.at_points import view as view
from convcorr_jax.descriptors.convolutional import PAPER_RECIPES as PAPER_RECIPES
from convcorr_jax.descriptors.convolutional import RECIPES as RECIPES
from convcorr_jax.descriptors.convolutional import Grid as Grid
from convcorr_jax.descriptors.convolutional import Recipe as Recipe
from convcorr_jax.descriptors.convolutional import convolutional_descriptors as convolutional_descriptors
from convcorr_jax.descriptors.convolutional import default_layer as default_layer
from convcorr_jax.descriptors.convolutional import descriptor_grid as descriptor_grid
from convcorr_jax.descriptors.convolutional import feature_count as feature_count
from convcorr_jax.descriptors.convolutional import global_features as global_features
from convcorr_jax.descriptors.convolutional import paper_recipe_for as paper_recipe_for
from convcorr_jax.descriptors.convolutional import recipe_for as recipe_for
from convcorr_jax.descriptors.convolutional import unit_length as unit_length
from convcorr_jax.descriptors.sift import dense_sift as dense_sift
from convcorr_jax.descriptors.sift import sift_at as sift_at

_promote_arrays(globals())  # From here on, callers' arrays are checked and promoted (`convcorr_jax.arrays`).
