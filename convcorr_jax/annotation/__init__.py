"""Annotation of photographs from a few labelled ones: `annotate` finds the same points in all of a folder.

Points are (x, y) in pixels of the photograph, 0-based, with pixel centres at integers; points that are absent
are NaN in labels. Inside the room, points are also complex numbers ``x + iy``.
"""

from convcorr_jax.annotation.annotate import Annotations as Annotations
from convcorr_jax.annotation.annotate import Comparison as Comparison
from convcorr_jax.annotation.annotate import annotate as annotate
from convcorr_jax.annotation.calibration import COVERAGE as COVERAGE
from convcorr_jax.annotation.calibration import RIGHT as RIGHT
from convcorr_jax.annotation.calibration import Calibration as Calibration
from convcorr_jax.annotation.calibration import calibrate as calibrate
from convcorr_jax.annotation.heads import FEW as FEW
from convcorr_jax.annotation.model import AnnotationModel as AnnotationModel
from convcorr_jax.annotation.shape import MeanShape as MeanShape
from convcorr_jax.annotation.shape import Similarity as Similarity
from convcorr_jax.annotation.shape import fit_similarity as fit_similarity
from convcorr_jax.annotation.shape import mean_shape as mean_shape
from convcorr_jax.annotation.shape import shape_residual as shape_residual
