"""Sections of the results page, with our results beside the published numbers.

Every function takes the name of an experiment, which is its folder beside the page, and the content of its
``result.json``, and returns a section.
"""

from convcorr_jax.report.sections import correspondence as correspondence
from convcorr_jax.report.sections import pose as pose
from convcorr_jax.report.sections import probes as probes
