"""Scores of predictions: pure functions of arrays that depend on no model and no data set.

An `InputError` refuses a normalizer that is neither positive nor NaN, names of joints that are not those of all
columns, each once, and a mean of nothing; docstrings state what else they raise.
"""

from convcorr_jax.arrays import promote_arrays as _promote_arrays
from convcorr_jax.metrics.attributes import GradedScores as GradedScores
from convcorr_jax.metrics.attributes import TwoValuedScores as TwoValuedScores
from convcorr_jax.metrics.attributes import correlation_interval as correlation_interval
from convcorr_jax.metrics.attributes import graded_scores as graded_scores
from convcorr_jax.metrics.attributes import two_valued_scores as two_valued_scores
from convcorr_jax.metrics.attributes import two_valued_sums as two_valued_sums
from convcorr_jax.metrics.bootstrap import Interval as Interval
from convcorr_jax.metrics.bootstrap import UnitSums as UnitSums
from convcorr_jax.metrics.bootstrap import bootstrap as bootstrap
from convcorr_jax.metrics.bootstrap import group_numbers as group_numbers
from convcorr_jax.metrics.bootstrap import group_ratios as group_ratios
from convcorr_jax.metrics.bootstrap import interval as interval
from convcorr_jax.metrics.bootstrap import mean_interval as mean_interval
from convcorr_jax.metrics.bootstrap import mean_ratios as mean_ratios
from convcorr_jax.metrics.bootstrap import named_intervals as named_intervals
from convcorr_jax.metrics.bootstrap import unit_means as unit_means
from convcorr_jax.metrics.errors import LANDMARK_FAILURE as LANDMARK_FAILURE
from convcorr_jax.metrics.errors import OUTLIER_PX as OUTLIER_PX
from convcorr_jax.metrics.errors import LabelSpread as LabelSpread
from convcorr_jax.metrics.errors import LandmarkError as LandmarkError
from convcorr_jax.metrics.errors import MatchedSides as MatchedSides
from convcorr_jax.metrics.errors import Spread as Spread
from convcorr_jax.metrics.errors import cumulative_error_curve as cumulative_error_curve
from convcorr_jax.metrics.errors import error_spreads as error_spreads
from convcorr_jax.metrics.errors import label_spreads as label_spreads
from convcorr_jax.metrics.errors import landmark_errors as landmark_errors
from convcorr_jax.metrics.errors import landmark_summary as landmark_summary
from convcorr_jax.metrics.errors import match_sides as match_sides
from convcorr_jax.metrics.errors import mean_error_per_image as mean_error_per_image
from convcorr_jax.metrics.errors import x_error_histogram as x_error_histogram
from convcorr_jax.metrics.joint_table import MPII_PCKH as MPII_PCKH
from convcorr_jax.metrics.joint_table import PCKH_ALPHAS as PCKH_ALPHAS
from convcorr_jax.metrics.joint_table import JointTable as JointTable
from convcorr_jax.metrics.joint_table import area_under_curve as area_under_curve
from convcorr_jax.metrics.joint_table import column_of as column_of
from convcorr_jax.metrics.joint_table import head_sizes as head_sizes
from convcorr_jax.metrics.joint_table import joint_errors as joint_errors
from convcorr_jax.metrics.joint_table import joint_table as joint_table
from convcorr_jax.metrics.joint_table import pckh as pckh
from convcorr_jax.metrics.joint_table import total_sums as total_sums
from convcorr_jax.metrics.keypoint_truth import NORMALIZERS as NORMALIZERS
from convcorr_jax.metrics.keypoint_truth import KeypointTruth as KeypointTruth
from convcorr_jax.metrics.keypoint_truth import normalizer_lengths as normalizer_lengths
from convcorr_jax.metrics.keypoint_truth import resize_to_squares as resize_to_squares
from convcorr_jax.metrics.labels import LabelArray as LabelArray
from convcorr_jax.metrics.labels import check_names as check_names
from convcorr_jax.metrics.labels import label_pairs as label_pairs
from convcorr_jax.metrics.labels import validate_labels as validate_labels
from convcorr_jax.metrics.pck import FLIC_PCK as FLIC_PCK
from convcorr_jax.metrics.pck import LONG_2014 as LONG_2014
from convcorr_jax.metrics.pck import LSP_PCK as LSP_PCK
from convcorr_jax.metrics.pck import PF_PASCAL as PF_PASCAL
from convcorr_jax.metrics.pck import PF_PASCAL_BOX as PF_PASCAL_BOX
from convcorr_jax.metrics.pck import PF_WILLOW as PF_WILLOW
from convcorr_jax.metrics.pck import SPAIR_71K as SPAIR_71K
from convcorr_jax.metrics.pck import SPAIR_71K_POINTS as SPAIR_71K_POINTS
from convcorr_jax.metrics.pck import Pck as Pck
from convcorr_jax.metrics.pck import Protocol as Protocol
from convcorr_jax.metrics.pck import correct as correct
from convcorr_jax.metrics.pck import pck as pck
from convcorr_jax.metrics.protocol_grid import FRAMES as FRAMES
from convcorr_jax.metrics.protocol_grid import GRID_ALPHAS as GRID_ALPHAS
from convcorr_jax.metrics.protocol_grid import GROUP_LIMIT as GROUP_LIMIT
from convcorr_jax.metrics.protocol_grid import FigureMatch as FigureMatch
from convcorr_jax.metrics.protocol_grid import GridRow as GridRow
from convcorr_jax.metrics.protocol_grid import ProtocolChoices as ProtocolChoices
from convcorr_jax.metrics.protocol_grid import PublishedFigure as PublishedFigure
from convcorr_jax.metrics.protocol_grid import distinct_rows as distinct_rows
from convcorr_jax.metrics.protocol_grid import matching_figures as matching_figures
from convcorr_jax.metrics.protocol_grid import nearest_figures as nearest_figures
from convcorr_jax.metrics.protocol_grid import protocol_grid as protocol_grid
from convcorr_jax.metrics.protocol_grid import published_figure as published_figure
from convcorr_jax.metrics.protocol_grid import stated_protocol as stated_protocol
from convcorr_jax.metrics.protocol_grid import without_rare_cases as without_rare_cases
from convcorr_jax.metrics.segmentation import IGNORED as IGNORED
from convcorr_jax.metrics.segmentation import SegmentationScores as SegmentationScores
from convcorr_jax.metrics.segmentation import confusion_counts as confusion_counts
from convcorr_jax.metrics.segmentation import iou_sums as iou_sums
from convcorr_jax.metrics.segmentation import segmentation_scores as segmentation_scores

_promote_arrays(globals())  # From here on, callers' arrays are checked and promoted (`convcorr_jax.arrays`).
