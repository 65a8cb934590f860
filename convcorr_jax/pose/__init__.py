"""Where a person's joints are: a cascade of a coarse net, a spatial model and a fine net (Tompson et al. 2015).

Images are 8-bit RGB, ``[batch, height, width, 3]``; all maps are NHWC. Points are in the *input frame*: pixels
of the image that enters the network. A cell (column, row) of a map of stride s has its centre at input pixel
``(column + 0.5) s - 0.5``, and the same holds for rows (see `convcorr_jax.coords`). Letters in shapes: b batch,
h w a map, j joints, c features. Joints and torsos (their middles) are (x, y); NaN where missing or unknown.
Functions with an ``architecture`` take that of the cascade.

`small`, `person`, `flic` and `mpii` are presets of an `Architecture`; `cascade.init` and `cascade.predict` are
the whole model, `predict_photograph` applies it to a photograph; `loss` is what training minimizes.

Source: Tompson, Goroshin, Jain, LeCun and Bregler 2015, *Efficient Object Localization Using Convolutional
Networks*.
"""

from convcorr_jax.arrays import promote_arrays as _promote_arrays
from convcorr_jax.pose import cascade as cascade
from convcorr_jax.pose import front as front
from convcorr_jax.pose.architecture import POOLINGS as POOLINGS
from convcorr_jax.pose.architecture import Architecture as Architecture
from convcorr_jax.pose.architecture import Cascade as Cascade
from convcorr_jax.pose.architecture import DType as DType
from convcorr_jax.pose.architecture import Pooling as Pooling
from convcorr_jax.pose.architecture import from_dict as from_dict
from convcorr_jax.pose.augmentation import Augmentation as Augmentation
from convcorr_jax.pose.augmentation import augment as augment
from convcorr_jax.pose.augmentation import frame_offset as frame_offset
from convcorr_jax.pose.cascade import Detection as Detection
from convcorr_jax.pose.cascade import Params as Params
from convcorr_jax.pose.cascade import Prediction as Prediction
from convcorr_jax.pose.framing import frame_around as frame_around
from convcorr_jax.pose.framing import frame_of_box as frame_of_box
from convcorr_jax.pose.framing import resample_to_frame as resample_to_frame
from convcorr_jax.pose.framing import second_frame as second_frame
from convcorr_jax.pose.framing import torso_of as torso_of
from convcorr_jax.pose.heatmaps import Batch as Batch
from convcorr_jax.pose.heatmaps import FeatureBatch as FeatureBatch
from convcorr_jax.pose.heatmaps import Peaks as Peaks
from convcorr_jax.pose.heatmaps import gaussians as gaussians
from convcorr_jax.pose.heatmaps import peaks as peaks
from convcorr_jax.pose.layers import normalize as normalize
from convcorr_jax.pose.layers import pyramid as pyramid
from convcorr_jax.pose.objective import PHASES as PHASES
from convcorr_jax.pose.objective import Losses as Losses
from convcorr_jax.pose.objective import Phase as Phase
from convcorr_jax.pose.objective import PhaseCosts as PhaseCosts
from convcorr_jax.pose.objective import heatmap_error as heatmap_error
from convcorr_jax.pose.objective import loss as loss
from convcorr_jax.pose.objective import phase_costs as phase_costs
from convcorr_jax.pose.presets import FLIC_JOINTS as FLIC_JOINTS
from convcorr_jax.pose.presets import MPII_JOINTS as MPII_JOINTS
from convcorr_jax.pose.presets import MPII_PAIRS as MPII_PAIRS
from convcorr_jax.pose.presets import flic as flic
from convcorr_jax.pose.presets import mpii as mpii
from convcorr_jax.pose.presets import person as person
from convcorr_jax.pose.presets import small as small
from convcorr_jax.pose.spatial_model import initial_priors as initial_priors
from convcorr_jax.pose.trained import PERSON as PERSON
from convcorr_jax.pose.trained import FoundJoints as FoundJoints
from convcorr_jax.pose.trained import TrainedCascade as TrainedCascade
from convcorr_jax.pose.trained import predict_photograph as predict_photograph
from convcorr_jax.pose.trained import predict_photographs as predict_photographs

_promote_arrays(globals())  # From here on, callers' arrays are checked and promoted (`convcorr_jax.arrays`).
