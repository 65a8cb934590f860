"""Files of poses to score: annotations, predictions, and both together, without images.

`read_comparison` reads the two sides of an evaluation of PCK, official or plain; `match_files` reads official
annotations and predictions of their people, `read_predictions` predictions alone. `coco` is a module for COCO's
format; call its functions by its name: ``coco.write_results``.
"""

from convcorr_jax.datasets.poses import coco as coco
from convcorr_jax.datasets.poses.comparison import Comparison as Comparison
from convcorr_jax.datasets.poses.comparison import match_files as match_files
from convcorr_jax.datasets.poses.comparison import read_comparison as read_comparison
from convcorr_jax.datasets.poses.ground_truth import Release as Release
from convcorr_jax.datasets.poses.ground_truth import Sides as Sides
from convcorr_jax.datasets.poses.joint_orders import ORDERS as ORDERS
from convcorr_jax.datasets.poses.joint_orders import Order as Order
from convcorr_jax.datasets.poses.joint_orders import common as common
from convcorr_jax.datasets.poses.predictions import AS_STATED as AS_STATED
from convcorr_jax.datasets.poses.predictions import Axes as Axes
from convcorr_jax.datasets.poses.predictions import Interpretation as Interpretation
from convcorr_jax.datasets.poses.predictions import read_predictions as read_predictions
