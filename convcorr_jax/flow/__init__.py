"""Dense flow between two grids of features: distance transforms, belief propagation, warping."""

from convcorr_jax.arrays import promote_arrays as _promote_arrays
from convcorr_jax.flow.alignment import CONFIDENCE_TEMPERATURE as CONFIDENCE_TEMPERATURE
from convcorr_jax.flow.alignment import SMOOTHNESS as SMOOTHNESS
from convcorr_jax.flow.alignment import TEMPERATURE as TEMPERATURE
from convcorr_jax.flow.alignment import Alignment as Alignment
from convcorr_jax.flow.alignment import Cost as Cost
from convcorr_jax.flow.alignment import Subcell as Subcell
from convcorr_jax.flow.alignment import align as align
from convcorr_jax.flow.alignment import align_costs as align_costs
from convcorr_jax.flow.alignment import check_descriptors as check_descriptors
from convcorr_jax.flow.alignment import data_cost as data_cost
from convcorr_jax.flow.alignment import mean_offset as mean_offset
from convcorr_jax.flow.alignment import parabola_vertex as parabola_vertex
from convcorr_jax.flow.alignment import subcell_offset as subcell_offset
from convcorr_jax.flow.belief_propagation import MinSum as MinSum
from convcorr_jax.flow.belief_propagation import SoftMinSum as SoftMinSum
from convcorr_jax.flow.belief_propagation import min_sum as min_sum
from convcorr_jax.flow.belief_propagation import soft_min_sum as soft_min_sum
from convcorr_jax.flow.distance_transform import DistanceTransform as DistanceTransform
from convcorr_jax.flow.distance_transform import Penalty as Penalty
from convcorr_jax.flow.distance_transform import distance_transform as distance_transform
from convcorr_jax.flow.distance_transform import soft_distance_transform as soft_distance_transform
from convcorr_jax.flow.labelling import Energy as Energy
from convcorr_jax.flow.messages import Schedule as Schedule
from convcorr_jax.flow.warping import sample as sample
from convcorr_jax.flow.warping import sample_flow as sample_flow
from convcorr_jax.flow.warping import upsample_flow as upsample_flow
from convcorr_jax.flow.warping import warp as warp

_promote_arrays(globals())  # From here on, callers' arrays are checked and promoted (`convcorr_jax.arrays`).
