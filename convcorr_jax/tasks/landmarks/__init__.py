"""Facial landmarks by ridge regression with look-back (Sharif Razavian et al. 2014, section 3.1)."""

from convcorr_jax.tasks.landmarks.card import figures_of_tests as figures_of_tests
from convcorr_jax.tasks.landmarks.faces import FRAME_MARGIN as FRAME_MARGIN
from convcorr_jax.tasks.landmarks.faces import FaceSet as FaceSet
from convcorr_jax.tasks.landmarks.faces import frame_of as frame_of
from convcorr_jax.tasks.landmarks.faces import read_faces as read_faces
from convcorr_jax.tasks.landmarks.figures import cumulative_figure as cumulative_figure
from convcorr_jax.tasks.landmarks.figures import faces_figure as faces_figure
from convcorr_jax.tasks.landmarks.finder import FinderFit as FinderFit
from convcorr_jax.tasks.landmarks.finder import fit_finder as fit_finder
from convcorr_jax.tasks.landmarks.fitting import LANDMARK_LAYER as LANDMARK_LAYER
from convcorr_jax.tasks.landmarks.fitting import RGB_PX as RGB_PX
from convcorr_jax.tasks.landmarks.fitting import LandmarkOptions as LandmarkOptions
from convcorr_jax.tasks.landmarks.fitting import RoundPredictions as RoundPredictions
from convcorr_jax.tasks.landmarks.fitting import fit_faces as fit_faces
from convcorr_jax.tasks.landmarks.fitting import mean_face as mean_face
from convcorr_jax.tasks.landmarks.fitting import predict_rounds as predict_rounds
from convcorr_jax.tasks.landmarks.scores import eye_centre_distances as eye_centre_distances
from convcorr_jax.tasks.landmarks.scores import landmark_scores as landmark_scores
from convcorr_jax.tasks.landmarks.scores import method_errors as method_errors
from convcorr_jax.tasks.landmarks.scores import outer_eye_distances as outer_eye_distances
