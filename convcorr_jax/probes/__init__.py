"""Linear probes: what one feature vector of a whole image still encodes of its parts.

Ridge regressions predict landmarks of faces, keypoints of objects, colours, the class of every pixel and
attributes (Sharif Razavian et al. 2014). `ProbeModel` and `LandmarkModel` are saved by
`convcorr_jax.io.save_fitted`.
"""

from convcorr_jax.arrays import promote_arrays as _promote_arrays
from convcorr_jax.probes.directions import AttributeProbe as AttributeProbe
from convcorr_jax.probes.directions import Directions as Directions
from convcorr_jax.probes.directions import fit_attributes as fit_attributes
from convcorr_jax.probes.directions import fit_attributes_sums as fit_attributes_sums
from convcorr_jax.probes.directions import fit_directions as fit_directions
from convcorr_jax.probes.directions import fit_directions_sums as fit_directions_sums
from convcorr_jax.probes.directions import move_along as move_along
from convcorr_jax.probes.fitted import FACE as FACE
from convcorr_jax.probes.fitted import FeatureSettings as FeatureSettings
from convcorr_jax.probes.fitted import LandmarkModel as LandmarkModel
from convcorr_jax.probes.fitted import ProbeModel as ProbeModel
from convcorr_jax.probes.keypoints import KeypointRegressors as KeypointRegressors
from convcorr_jax.probes.keypoints import fit_keypoints as fit_keypoints
from convcorr_jax.probes.keypoints import mean_keypoints as mean_keypoints
from convcorr_jax.probes.landmarks import Faces as Faces
from convcorr_jax.probes.landmarks import FeatureExtractor as FeatureExtractor
from convcorr_jax.probes.landmarks import FeatureMaps as FeatureMaps
from convcorr_jax.probes.landmarks import LandmarkFit as LandmarkFit
from convcorr_jax.probes.landmarks import LandmarkProbe as LandmarkProbe
from convcorr_jax.probes.landmarks import Prediction as Prediction
from convcorr_jax.probes.landmarks import add_mirrored as add_mirrored
from convcorr_jax.probes.landmarks import fit_landmarks as fit_landmarks
from convcorr_jax.probes.landmarks import jitter_frames as jitter_frames
from convcorr_jax.probes.landmarks import network_features as network_features
from convcorr_jax.probes.landmarks import predict_landmarks as predict_landmarks
from convcorr_jax.probes.landmarks import rgb_features as rgb_features
from convcorr_jax.probes.look_back import Region as Region
from convcorr_jax.probes.look_back import look_back_sets as look_back_sets
from convcorr_jax.probes.look_back import needed_margin as needed_margin
from convcorr_jax.probes.look_back import squares_around as squares_around
from convcorr_jax.probes.look_back import to_fractions as to_fractions
from convcorr_jax.probes.look_back import to_pixels as to_pixels
from convcorr_jax.probes.rgb import Variation as Variation
from convcorr_jax.probes.rgb import absolute_error as absolute_error
from convcorr_jax.probes.rgb import as_squares as as_squares
from convcorr_jax.probes.rgb import reconstruct as reconstruct
from convcorr_jax.probes.rgb import rgb_targets as rgb_targets
from convcorr_jax.probes.rgb import variation_image as variation_image
from convcorr_jax.probes.rgb import variations as variations
from convcorr_jax.probes.search import FaceFinder as FaceFinder
from convcorr_jax.probes.search import FoundFace as FoundFace
from convcorr_jax.probes.search import Mosaic as Mosaic
from convcorr_jax.probes.search import find_faces as find_faces
from convcorr_jax.probes.search import mosaic as mosaic
from convcorr_jax.probes.segmentation import apply_mixing as apply_mixing
from convcorr_jax.probes.segmentation import class_responses as class_responses
from convcorr_jax.probes.segmentation import class_shares as class_shares
from convcorr_jax.probes.segmentation import class_targets as class_targets
from convcorr_jax.probes.segmentation import fit_grid as fit_grid
from convcorr_jax.probes.segmentation import fit_grid_sums as fit_grid_sums
from convcorr_jax.probes.segmentation import fit_mixing as fit_mixing
from convcorr_jax.probes.segmentation import fit_mixing_sums as fit_mixing_sums
from convcorr_jax.probes.segmentation import mean_shares as mean_shares
from convcorr_jax.probes.segmentation import mixing_rows as mixing_rows
from convcorr_jax.probes.segmentation import predict_label_map as predict_label_map
from convcorr_jax.probes.segmentation import resize_responses as resize_responses

_promote_arrays(globals())  # From here on, callers' arrays are checked and promoted (`convcorr_jax.arrays`).
