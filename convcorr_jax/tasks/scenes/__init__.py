"""Colours and segmentation of whole images (Sharif Razavian et al. 2014, section 3.1)."""

from convcorr_jax.tasks.scenes.colors import Split as Split
from convcorr_jax.tasks.scenes.colors import color_samples as color_samples
from convcorr_jax.tasks.scenes.colors import error_figure as error_figure
from convcorr_jax.tasks.scenes.colors import join_splits as join_splits
from convcorr_jax.tasks.scenes.colors import read_split as read_split
from convcorr_jax.tasks.scenes.colors import reconstruct_test as reconstruct_test
from convcorr_jax.tasks.scenes.colors import reconstruction_figure as reconstruction_figure
from convcorr_jax.tasks.scenes.colors import reconstruction_scores as reconstruction_scores
from convcorr_jax.tasks.scenes.segmentation import CONVNET as CONVNET
from convcorr_jax.tasks.scenes.segmentation import MIXINGS as MIXINGS
from convcorr_jax.tasks.scenes.segmentation import SceneRows as SceneRows
from convcorr_jax.tasks.scenes.segmentation import SegmentationOptions as SegmentationOptions
from convcorr_jax.tasks.scenes.segmentation import example_scenes as example_scenes
from convcorr_jax.tasks.scenes.segmentation import examples_figure as examples_figure
from convcorr_jax.tasks.scenes.segmentation import fit_scene_mixing as fit_scene_mixing
from convcorr_jax.tasks.scenes.segmentation import fit_scenes as fit_scenes
from convcorr_jax.tasks.scenes.segmentation import read_scenes as read_scenes
from convcorr_jax.tasks.scenes.segmentation import scene_parts as scene_parts
from convcorr_jax.tasks.scenes.segmentation import score_table as score_table
from convcorr_jax.tasks.scenes.segmentation import segment_scenes as segment_scenes
