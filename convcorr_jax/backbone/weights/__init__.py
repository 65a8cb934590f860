"""Trained filters: their official files, download, and readers of all formats.

There are no default weights: a file is read completely and checked, or refused with one sentence.
"""

from convcorr_jax.backbone.weights.catalogue import OFFICIAL as OFFICIAL
from convcorr_jax.backbone.weights.catalogue import OfficialFile as OfficialFile
from convcorr_jax.backbone.weights.download import Progress as Progress
from convcorr_jax.backbone.weights.download import fetch as fetch
from convcorr_jax.backbone.weights.hub import is_repository as is_repository
from convcorr_jax.backbone.weights.layout import save as save
from convcorr_jax.backbone.weights.loading import ANY_VIT as ANY_VIT
from convcorr_jax.backbone.weights.loading import Weights as Weights
from convcorr_jax.backbone.weights.loading import find as find
from convcorr_jax.backbone.weights.loading import folder as folder
from convcorr_jax.backbone.weights.loading import load as load
from convcorr_jax.backbone.weights.loading import read_params as read_params
from convcorr_jax.backbone.weights.tensors import read_tensors as read_tensors
from convcorr_jax.backbone.weights.vit_files import read_vit as read_vit
