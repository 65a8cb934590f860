"""Patch databases and what Figures 1 and 2 of Long et al. 2014 search in them."""

from convcorr_jax.tasks.patches.database import build_database as build_database
from convcorr_jax.tasks.patches.database import read_database as read_database
from convcorr_jax.tasks.patches.neighbors import PatchData as PatchData
from convcorr_jax.tasks.patches.neighbors import average_fields as average_fields
from convcorr_jax.tasks.patches.neighbors import choose_queries as choose_queries
from convcorr_jax.tasks.patches.neighbors import mean_scores as mean_scores
from convcorr_jax.tasks.patches.neighbors import middle_shares as middle_shares
from convcorr_jax.tasks.patches.neighbors import open_patches as open_patches
from convcorr_jax.tasks.patches.neighbors import rebuild_from_neighbors as rebuild_from_neighbors
from convcorr_jax.tasks.patches.neighbors import rebuild_uniformly as rebuild_uniformly
from convcorr_jax.tasks.patches.neighbors import score as score
