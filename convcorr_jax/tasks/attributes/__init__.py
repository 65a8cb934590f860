"""Attributes of faces, and semantic directions (Sharif Razavian et al. 2014, section 4)."""

from convcorr_jax.tasks.attributes.directions import DirectionOptions as DirectionOptions
from convcorr_jax.tasks.attributes.directions import attribute_report as attribute_report
from convcorr_jax.tasks.attributes.directions import directions_figure as directions_figure
from convcorr_jax.tasks.attributes.directions import directions_widget as directions_widget
from convcorr_jax.tasks.attributes.directions import probe_attributes as probe_attributes
from convcorr_jax.tasks.attributes.faces import MIN_FACES as MIN_FACES
from convcorr_jax.tasks.attributes.faces import mirrored_values as mirrored_values
from convcorr_jax.tasks.attributes.faces import read_faces as read_faces
from convcorr_jax.tasks.attributes.faces import training_values as training_values
