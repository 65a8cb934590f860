"""Convolutional networks and vision transformers: layers, forward pass, receptive fields, trained weights."""

from convcorr_jax.arrays import promote_arrays as _promote_arrays
from convcorr_jax.backbone.forward import activations as activations
from convcorr_jax.backbone.forward import preprocess as preprocess
from convcorr_jax.backbone.forward import single_pixel_activations as single_pixel_activations
from convcorr_jax.backbone.layers import Block as Block
from convcorr_jax.backbone.layers import Conv as Conv
from convcorr_jax.backbone.layers import Layer as Layer
from convcorr_jax.backbone.layers import LocalResponseNorm as LocalResponseNorm
from convcorr_jax.backbone.layers import MaxPool as MaxPool
from convcorr_jax.backbone.layers import Unit as Unit
from convcorr_jax.backbone.networks import FACETS as FACETS
from convcorr_jax.backbone.networks import NETWORKS as NETWORKS
from convcorr_jax.backbone.networks import Filters as Filters
from convcorr_jax.backbone.networks import Network as Network
from convcorr_jax.backbone.networks import Params as Params
from convcorr_jax.backbone.networks import Preprocessing as Preprocessing
from convcorr_jax.backbone.networks import ViT as ViT
from convcorr_jax.backbone.networks import channels as channels
from convcorr_jax.backbone.networks import filter_shapes as filter_shapes
from convcorr_jax.backbone.networks import find_network as find_network
from convcorr_jax.backbone.networks import vit_network as vit_network
from convcorr_jax.backbone.receptive_field import ReceptiveField as ReceptiveField
from convcorr_jax.backbone.receptive_field import cell_centers as cell_centers
from convcorr_jax.backbone.receptive_field import grid_size as grid_size
from convcorr_jax.backbone.receptive_field import receptive_field as receptive_field
from convcorr_jax.backbone.vit import prefix_tokens as prefix_tokens

_promote_arrays(globals())  # From here on, callers' arrays are checked and promoted (`convcorr_jax.arrays`).
