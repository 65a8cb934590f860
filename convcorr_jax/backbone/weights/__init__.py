"""Trained filters: where they are published, fetching them, and reading every format they come in.

Nothing here invents weights: a file is read whole and checked, or refused in one sentence.
"""

from convcorr_jax.backbone.weights.catalogue import OFFICIAL as OFFICIAL
from convcorr_jax.backbone.weights.catalogue import OfficialFile as OfficialFile
from convcorr_jax.backbone.weights.download import fetch as fetch
from convcorr_jax.backbone.weights.loading import Weights as Weights
from convcorr_jax.backbone.weights.loading import find as find
from convcorr_jax.backbone.weights.loading import folder as folder
from convcorr_jax.backbone.weights.loading import load as load
from convcorr_jax.backbone.weights.native import save as save
