"""Trying `convcorr_jax.annotation` on photographs that are all labelled: folders, scores and peers."""

from convcorr_jax.tasks.annotation.folders import FOLDERS as FOLDERS
from convcorr_jax.tasks.annotation.folders import Choice as Choice
from convcorr_jax.tasks.annotation.folders import draw_examples as draw_examples
from convcorr_jax.tasks.annotation.folders import read_split as read_split
from convcorr_jax.tasks.annotation.folders import write_folder as write_folder
from convcorr_jax.tasks.annotation.scores import PEERS as PEERS
from convcorr_jax.tasks.annotation.scores import annotate_by_peers as annotate_by_peers
from convcorr_jax.tasks.annotation.scores import example_curves as example_curves
from convcorr_jax.tasks.annotation.scores import lengths as lengths
from convcorr_jax.tasks.annotation.scores import over_draws as over_draws
from convcorr_jax.tasks.annotation.scores import score as score
