"""Scores of predictions: pure functions of arrays that know no model and no data set."""

from convcorr_jax.metrics.pck import FLIC_PCK as FLIC_PCK
from convcorr_jax.metrics.pck import LONG_2014 as LONG_2014
from convcorr_jax.metrics.pck import LSP_PCK as LSP_PCK
from convcorr_jax.metrics.pck import PF_WILLOW as PF_WILLOW
from convcorr_jax.metrics.pck import Pck as Pck
from convcorr_jax.metrics.pck import Protocol as Protocol
from convcorr_jax.metrics.pck import correct as correct
from convcorr_jax.metrics.pck import pck as pck
from convcorr_jax.metrics.pckh import MPII_PCKH as MPII_PCKH
from convcorr_jax.metrics.pckh import pckh as pckh
