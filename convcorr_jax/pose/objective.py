"""What training minimises: squared differences between heat-maps and Gaussian targets.

    E = 1/N sum over joints of sum over cells of (H' - H)^2

over the N joints of the batch that are present. E1 is that of the coarse net's heat-maps, ES of the spatial
model's and E2 of the fine net's. The three phases minimise

    coarse: E1        fine, the coarse net fixed: ES + E2        joint: E1 + ES + 0.1 E2

The paper leaves open, and here is chosen: the spatial model learns together with the fine net, of which it is
independent, and then with all. The fine net's windows lie around the true joint, moved by up to one cell of the
coarse heat-map each way, or by as much less as keeps the joint inside. So it learns what coarse errors are like
from every joint, also from those that the coarse net misses on its training set, and from the others when it
knows that set by heart.

Source: Tompson et al. 2015, equations 1 and 2 and section 4.2.
"""

from functools import partial
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from convcorr_jax import coords
from convcorr_jax.pose import cascade
from convcorr_jax.pose.architecture import Architecture
from convcorr_jax.pose.batch import Batch
from convcorr_jax.pose.crop import Corners
from convcorr_jax.pose.heatmaps import gaussians

Phase = Literal["coarse", "fine", "joint"]
PHASES: tuple[Phase, ...] = get_args(Phase)

FINE_WEIGHT = 0.1


class Losses(NamedTuple):
    """The errors that a phase has in its sum; 0 for the others."""

    e1: Float[Array, ""]
    e_spatial: Float[Array, ""]
    e2: Float[Array, ""]


def loss(
    keys: Key[Array, " b"],
    params: cascade.Params,
    batch: Batch,
    *,
    architecture: Architecture,
    phase: Phase,
) -> tuple[Float[Array, ""], Losses]:
    """What the phase minimises, and its parts, for ``jax.value_and_grad(..., argnums=1, has_aux=True)``.

    Parameters on which a phase does not depend have zero gradients.

    Args:
        keys: one a person, of all that is drawn for them.
        params: of the cascade.
        batch: of people.
        architecture: of the cascade.
        phase: which errors count.

    Raises:
        InputError: the images are smaller than the patch.
    """
    dropout_keys, window_keys = jax.vmap(jax.random.split, out_axes=1)(keys)
    frozen = phase == "fine"
    if frozen:
        params = params | {"coarse": jax.lax.stop_gradient(params["coarse"])}
    seen = cascade.detect(
        params,
        batch.images,
        batch.torso,
        architecture=architecture,
        dropout_keys=None if frozen else dropout_keys,
    )
    size = coords.Size(*seen.heatmaps.shape[1:3])
    targets = gaussians(batch.points, size, architecture.cells)
    none = jnp.zeros(())
    e1 = none if frozen else heatmap_error(seen.heatmaps, targets)
    if phase == "coarse":
        return e1, Losses(e1, none, none)
    e_spatial = heatmap_error(seen.selected, targets)
    corners = training_corners(window_keys, batch.points, architecture=architecture)
    e2 = _fine_error(params, seen.maps, jnp.asarray(batch.points), corners, architecture)
    weight = 1.0 if frozen else FINE_WEIGHT
    return e1 + e_spatial + weight * e2, Losses(e1, e_spatial, e2)


def heatmap_error(
    heatmaps: Float[Array, "b h w j"], targets: Float[Array, "b h w j"]
) -> Float[Array, ""]:
    """The error E; joints whose target is NaN do not count, and without any joint it is 0."""
    present = ~jnp.isnan(targets).any(axis=(1, 2), keepdims=True)
    squares = jnp.where(present, heatmaps - targets, 0.0) ** 2
    return squares.sum() / jnp.maximum(present.sum(), 1)


def training_corners(
    keys: Key[Array, " b"],
    points: Float[Array, "b j 2"] | Float[np.ndarray, "b j 2"],
    *,
    architecture: Architecture,
) -> Corners:
    """Where the fine net's windows start in training: around joints moved at random; see the module's text."""
    inside = (architecture.fine_window - architecture.window_stride) / 2
    reach = min(architecture.pooling, inside)
    draw = partial(jax.random.uniform, shape=points.shape[1:], minval=-reach, maxval=reach)
    return cascade.corners(jnp.asarray(points) + jax.vmap(draw)(keys), architecture=architecture)


def _fine_error(
    params: cascade.Params,
    maps: cascade.Maps,
    points: Float[Array, "b j 2"],
    corners: Corners,
    architecture: Architecture,
) -> Float[Array, ""]:
    found = cascade.refine(params, maps, corners, architecture=architecture)
    size = coords.Size(architecture.fine_window, architecture.fine_window)
    return heatmap_error(found, gaussians(points - corners, size, cascade.PIXELS))
