"""Patches of photographs and the features that describe them (Long et al. 2014, section 2)."""

from convcorr_jax.arrays import promote_arrays as _promote_arrays
from convcorr_jax.patches.reconstruction import Scores as Scores
from convcorr_jax.patches.reconstruction import crop_to_tiles as crop_to_tiles
from convcorr_jax.patches.reconstruction import from_tiles as from_tiles
from convcorr_jax.patches.reconstruction import scores as scores
from convcorr_jax.patches.reconstruction import uniform_tiles as uniform_tiles
from convcorr_jax.patches.sampling import Plan as Plan
from convcorr_jax.patches.sampling import expand_contrast as expand_contrast
from convcorr_jax.patches.sampling import middle_share as middle_share
from convcorr_jax.patches.sampling import patch_features as patch_features
from convcorr_jax.patches.sampling import sample_origins as sample_origins
from convcorr_jax.patches.views import Origins as Origins
from convcorr_jax.patches.views import all_origins as all_origins
from convcorr_jax.patches.views import cells_of as cells_of
from convcorr_jax.patches.views import columns as columns
from convcorr_jax.patches.views import mean_windows as mean_windows
from convcorr_jax.patches.views import view as view
from convcorr_jax.patches.views import view_size as view_size
from convcorr_jax.patches.views import windows as windows

_promote_arrays(globals())  # From here on, callers' arrays are checked and promoted (`convcorr_jax.arrays`).
