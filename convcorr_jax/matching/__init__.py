"""Alignment of two photographs end to end, what it says of points, pixels and masks, and how sure it is."""

from convcorr_jax.matching.alignment import MAX_CELLS as MAX_CELLS
from convcorr_jax.matching.alignment import MIRRORED as MIRRORED
from convcorr_jax.matching.alignment import MUTUAL_CELLS as MUTUAL_CELLS
from convcorr_jax.matching.alignment import TURNED as TURNED
from convcorr_jax.matching.alignment import UPRIGHT as UPRIGHT
from convcorr_jax.matching.alignment import PhotographAlignment as PhotographAlignment
from convcorr_jax.matching.alignment import Turn as Turn
from convcorr_jax.matching.alignment import align_photographs as align_photographs
from convcorr_jax.matching.alignment import default_smoothness as default_smoothness
from convcorr_jax.matching.carrying import Matches as Matches
from convcorr_jax.matching.carrying import carry_mask as carry_mask
from convcorr_jax.matching.carrying import carry_to_b as carry_to_b
from convcorr_jax.matching.carrying import change_frames as change_frames
from convcorr_jax.matching.carrying import dense_flow as dense_flow
from convcorr_jax.matching.carrying import dense_places as dense_places
from convcorr_jax.matching.carrying import displacements as displacements
from convcorr_jax.matching.carrying import judge as judge
from convcorr_jax.matching.carrying import spread_matches as spread_matches
from convcorr_jax.matching.carrying import warp_onto_b as warp_onto_b
from convcorr_jax.matching.verdict import DOUBTFUL_POINT as DOUBTFUL_POINT
from convcorr_jax.matching.verdict import Verdict as Verdict
from convcorr_jax.matching.verdict import judge_points as judge_points
from convcorr_jax.matching.verdict import match_features as match_features
from convcorr_jax.matching.verdict import match_probability as match_probability
