"""Facial landmarks by ridge regression with look-back (Sharif Razavian et al. 2014, section 3.1)."""

from convcorr_jax.tasks.landmarks.faces import ANNOTATED as ANNOTATED
from convcorr_jax.tasks.landmarks.faces import FaceSet as FaceSet
from convcorr_jax.tasks.landmarks.faces import annotated_boxes as annotated_boxes
from convcorr_jax.tasks.landmarks.faces import boxes_by_kind as boxes_by_kind
from convcorr_jax.tasks.landmarks.faces import frame_of as frame_of
from convcorr_jax.tasks.landmarks.faces import read_faces as read_faces
from convcorr_jax.tasks.landmarks.fitting import LANDMARK_LAYER as LANDMARK_LAYER
from convcorr_jax.tasks.landmarks.fitting import RGB_PX as RGB_PX
from convcorr_jax.tasks.landmarks.fitting import LandmarkOptions as LandmarkOptions
from convcorr_jax.tasks.landmarks.fitting import RoundPredictions as RoundPredictions
from convcorr_jax.tasks.landmarks.fitting import fit_faces as fit_faces
from convcorr_jax.tasks.landmarks.fitting import fit_finder as fit_finder
from convcorr_jax.tasks.landmarks.fitting import predict_rounds as predict_rounds
from convcorr_jax.tasks.landmarks.scores import cumulative_figure as cumulative_figure
from convcorr_jax.tasks.landmarks.scores import errors_by_kind as errors_by_kind
from convcorr_jax.tasks.landmarks.scores import faces_figure as faces_figure
from convcorr_jax.tasks.landmarks.scores import figures_of_tests as figures_of_tests
from convcorr_jax.tasks.landmarks.scores import jitter_figure as jitter_figure
from convcorr_jax.tasks.landmarks.scores import kinds_report as kinds_report
from convcorr_jax.tasks.landmarks.scores import landmark_scores as landmark_scores
