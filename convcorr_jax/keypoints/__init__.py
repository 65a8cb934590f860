"""Keypoints of object categories: transfer, classification and detection (Long et al. 2014, sections 3 to 5).

Transfer moves the keypoints of annotated images to another image by flow. Classification decides which
keypoint is at a known position. Detection predicts where the keypoints of a box are: detectors score the
candidates of a grid, and a prior comes from the most similar training object. A box that has no area or lies
outside its photograph is an `InputError`.
"""

from convcorr_jax.arrays import promote_arrays as _promote_arrays
from convcorr_jax.keypoints.candidates import BOX_PX as BOX_PX
from convcorr_jax.keypoints.candidates import Cells as Cells
from convcorr_jax.keypoints.candidates import ConvCells as ConvCells
from convcorr_jax.keypoints.candidates import SiftCells as SiftCells
from convcorr_jax.keypoints.candidates import Square as Square
from convcorr_jax.keypoints.classification import COSTS as COSTS
from convcorr_jax.keypoints.classification import UNKNOWN as UNKNOWN
from convcorr_jax.keypoints.classification import Classification as Classification
from convcorr_jax.keypoints.classification import Samples as Samples
from convcorr_jax.keypoints.classification import accuracy as accuracy
from convcorr_jax.keypoints.classification import classify as classify
from convcorr_jax.keypoints.classification import confusion as confusion
from convcorr_jax.keypoints.detection import BestCandidates as BestCandidates
from convcorr_jax.keypoints.detection import Detectors as Detectors
from convcorr_jax.keypoints.detection import MinedPool as MinedPool
from convcorr_jax.keypoints.detection import best_candidates as best_candidates
from convcorr_jax.keypoints.detection import fit_detectors as fit_detectors
from convcorr_jax.keypoints.detection import initial_pool as initial_pool
from convcorr_jax.keypoints.detection import mine_violators as mine_violators
from convcorr_jax.keypoints.detection import score_candidates as score_candidates
from convcorr_jax.keypoints.detection import score_images as score_images
from convcorr_jax.keypoints.model import FACE as FACE
from convcorr_jax.keypoints.model import Detections as Detections
from convcorr_jax.keypoints.model import KeypointModel as KeypointModel
from convcorr_jax.keypoints.model import Prediction as Prediction
from convcorr_jax.keypoints.model import decode as decode
from convcorr_jax.keypoints.model import predict as predict
from convcorr_jax.keypoints.model import prior_features as prior_features
from convcorr_jax.keypoints.prior import NEIGHBORS as NEIGHBORS
from convcorr_jax.keypoints.prior import POSITIVES as POSITIVES
from convcorr_jax.keypoints.prior import VOTERS as VOTERS
from convcorr_jax.keypoints.prior import Calibration as Calibration
from convcorr_jax.keypoints.prior import Positive as Positive
from convcorr_jax.keypoints.prior import calibrate as calibrate
from convcorr_jax.keypoints.prior import carry_points as carry_points
from convcorr_jax.keypoints.prior import combine_with_prior as combine_with_prior
from convcorr_jax.keypoints.prior import log_gaussian as log_gaussian
from convcorr_jax.keypoints.prior import log_scores as log_scores
from convcorr_jax.keypoints.prior import neighbor_points as neighbor_points
from convcorr_jax.keypoints.prior import principal_directions as principal_directions
from convcorr_jax.keypoints.prior import vote as vote
from convcorr_jax.keypoints.response_histogram import ResponsePeaks as ResponsePeaks
from convcorr_jax.keypoints.response_histogram import Sharpness as Sharpness
from convcorr_jax.keypoints.response_histogram import chance_sharpness as chance_sharpness
from convcorr_jax.keypoints.response_histogram import conv_window as conv_window
from convcorr_jax.keypoints.response_histogram import peak_histogram as peak_histogram
from convcorr_jax.keypoints.response_histogram import response_peaks as response_peaks
from convcorr_jax.keypoints.response_histogram import sharpness as sharpness
from convcorr_jax.keypoints.response_histogram import sift_window as sift_window

_promote_arrays(globals())  # From here on, callers' arrays are checked and promoted (`convcorr_jax.arrays`).
