"""Keypoint classification and prediction of annotated categories.

`classify_category` classifies keypoints at known positions by every feature. `train_model` trains the detectors
of a category, and `predict_category` predicts its tested objects (Long et al. 2014, sections 4 and 5).
`predict_by_ridge` predicts keypoints by ridge regression from one feature of the whole box (Sharif Razavian et
al. 2014); `probe_layers` compares networks by it.
"""

from convcorr_jax.tasks.keypoints.categories import FACE_POINTS as FACE_POINTS
from convcorr_jax.tasks.keypoints.categories import Category as Category
from convcorr_jax.tasks.keypoints.categories import read_categories as read_categories
from convcorr_jax.tasks.keypoints.categories import with_face_points as with_face_points
from convcorr_jax.tasks.keypoints.classification import FeatureOptions as FeatureOptions
from convcorr_jax.tasks.keypoints.classification import accuracy_intervals as accuracy_intervals
from convcorr_jax.tasks.keypoints.classification import best_features as best_features
from convcorr_jax.tasks.keypoints.classification import check_costs as check_costs
from convcorr_jax.tasks.keypoints.classification import classify_category as classify_category
from convcorr_jax.tasks.keypoints.classification import confusion_figure as confusion_figure
from convcorr_jax.tasks.keypoints.classification import cost_curves_figure as cost_curves_figure
from convcorr_jax.tasks.keypoints.classification import mean_curves as mean_curves
from convcorr_jax.tasks.keypoints.examples import Mining as Mining
from convcorr_jax.tasks.keypoints.layer_probes import probe_layers as probe_layers
from convcorr_jax.tasks.keypoints.layer_probes import read_tested as read_tested
from convcorr_jax.tasks.keypoints.prediction import by_alpha as by_alpha
from convcorr_jax.tasks.keypoints.prediction import by_method as by_method
from convcorr_jax.tasks.keypoints.prediction import by_positive as by_positive
from convcorr_jax.tasks.keypoints.prediction import check_scorable as check_scorable
from convcorr_jax.tasks.keypoints.prediction import intervals as intervals
from convcorr_jax.tasks.keypoints.prediction import pck_of as pck_of
from convcorr_jax.tasks.keypoints.prediction import predict_category as predict_category
from convcorr_jax.tasks.keypoints.prediction import prediction_figure as prediction_figure
from convcorr_jax.tasks.keypoints.prediction import with_card as with_card
from convcorr_jax.tasks.keypoints.responses import response_figure as response_figure
from convcorr_jax.tasks.keypoints.responses import response_maps as response_maps
from convcorr_jax.tasks.keypoints.ridge import RGB as RGB
from convcorr_jax.tasks.keypoints.ridge import RGB_SIDE_PX as RGB_SIDE_PX
from convcorr_jax.tasks.keypoints.ridge import RIDGE_METHODS as RIDGE_METHODS
from convcorr_jax.tasks.keypoints.ridge import RidgeOptions as RidgeOptions
from convcorr_jax.tasks.keypoints.ridge import box_features as box_features
from convcorr_jax.tasks.keypoints.ridge import predict_by_ridge as predict_by_ridge
from convcorr_jax.tasks.keypoints.ridge import ridge_curves_figure as ridge_curves_figure
from convcorr_jax.tasks.keypoints.training import DetectorOptions as DetectorOptions
from convcorr_jax.tasks.keypoints.training import PriorChoice as PriorChoice
from convcorr_jax.tasks.keypoints.training import check_trainable as check_trainable
from convcorr_jax.tasks.keypoints.training import train_model as train_model
