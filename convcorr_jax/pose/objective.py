"""The loss of training: squared differences between heat-maps and Gaussian targets.

    E = 1/N sum over joints of sum over cells of (H' - H)^2

over the N joints of the batch that are present. E1 is the error of the coarse net's heat-maps, ES that of the
spatial model's and E2 that of the fine net's. The three phases minimize

    coarse: E1        fine, the coarse net fixed: ES + E2        joint: E1 + ES + 0.1 E2

The front of an architecture with one is fixed in the coarse phase, which may therefore train on features that
are computed in advance, and in the fine phase; the joint phase trains its last layers with all nets.

The paper leaves open, and here is chosen: the spatial model is trained together with the fine net, on which it
does not depend, and then with all nets. The fine net's windows are around the true joint, moved by up to one
cell of the coarse heat-map in each direction, or by less if the joint would leave the window. In this way the
fine net learns to correct coarse errors from every joint: from joints that the coarse net misses on its
training set, and also from the others after the coarse net has memorized that set.

With ``robust``, a joint whose heat-map is worse than an empty one counts less: the sum over cells e of a joint
becomes

    e where e <= s, and s (2 - s / e) elsewhere, with s = pi sigma^2 / cell^2,

where s is the sum of an empty map, for a joint away from the border. The gradient of such a joint is multiplied
by (s / e)^2, which is 1/4 if the net finds a Gaussian as high as the target's at another place: when a trained
net confidently predicts another place, the annotation may be wrong.

Differs from the paper: it has no robust loss, and none is the default.

Source: Tompson et al. 2015, equations 1 and 2 and section 4.2.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from convcorr_jax import coords
from convcorr_jax.errors import InputError
from convcorr_jax.pose import cascade, front
from convcorr_jax.pose.architecture import Architecture
from convcorr_jax.pose.framing import Corners
from convcorr_jax.pose.heatmaps import Batch, FeatureBatch, gaussians

Phase = Literal["coarse", "fine", "joint"]
PHASES: tuple[Phase, ...] = get_args(Phase)
"""The phases of training, in their order."""

_FIXED: Mapping[Phase, tuple[str, ...]] = MappingProxyType(
    {"coarse": ("front",), "fine": ("front", "coarse"), "joint": ()}
)
"""The parts that a phase uses without training them."""

FINE_SIGMA_PX = 1.5
"""Standard deviation of the fine net's target Gaussians, in pixels of the input."""
FINE_WEIGHT = 0.1
"""The weight of E2 in the joint phase (equation 2 of the paper)."""


class Losses(NamedTuple):
    """The errors E1, ES and E2 in the loss of a phase; 0 for an error that is not part of it."""

    e1: Float[Array, ""]
    e_spatial: Float[Array, ""]
    e2: Float[Array, ""]


def loss(
    keys: Key[Array, " b"],
    params: cascade.Params,
    batch: Batch | FeatureBatch,
    *,
    architecture: Architecture,
    phase: Phase,
    robust: bool = False,
) -> tuple[Float[Array, ""], Losses]:
    """Compute the loss of a phase, and its parts for ``has_aux=True`` of `jax.grad`.

    Parameters on which the loss does not depend have zero gradients.

    Args:
        keys: one PRNG key for each person, for dropout and the positions of windows.
        batch: images, joints and torsos of people, in the input frame. The phase ``"coarse"`` of a cascade with
            a pretrained front takes the front's features in place of images, too.

    Raises:
        InputError: the images do not fit (see `Architecture.check_fits`), or the batch has features in another
            phase than ``"coarse"``.
    """
    dropout_keys, window_keys = jax.vmap(jax.random.split, out_axes=1)(keys)
    zero = jnp.zeros(())
    coarse_error = partial(_error, cells=architecture.cells, sigma_px=architecture.sigma_px, robust=robust)
    if isinstance(batch, FeatureBatch):
        if phase != "coarse":
            raise InputError(f"the phase {phase} needs images; features are for the phase coarse only")
        heatmaps = cascade.detect_from_features(
            params, batch.features, architecture=architecture, dropout_keys=dropout_keys
        )
        e1 = coarse_error(heatmaps, batch.points)
        return e1, Losses(e1, zero, zero)
    frozen = phase == "fine"
    fixed = {name: params[name] for name in _FIXED[phase] if name in params}
    params = params | jax.lax.stop_gradient(fixed)
    detection = cascade.detect(
        params,
        batch.images,
        batch.torso,
        architecture=architecture,
        dropout_keys=None if frozen else dropout_keys,
    )
    e1 = zero if frozen else coarse_error(detection.heatmaps, batch.points)
    if phase == "coarse":
        return e1, Losses(e1, zero, zero)
    e_spatial = coarse_error(detection.selected, batch.points)
    corners = training_corners(window_keys, batch.points, architecture=architecture)
    heatmaps = cascade.refine(params, detection.maps, corners, architecture=architecture)
    in_windows = jnp.asarray(batch.points) - corners
    fine_cells = architecture.fine_cells
    e2 = _error(heatmaps, in_windows, cells=fine_cells, sigma_px=FINE_SIGMA_PX, robust=robust)
    weight = 1.0 if frozen else FINE_WEIGHT
    return e1 + e_spatial + weight * e2, Losses(e1, e_spatial, e2)


def heatmap_error(
    heatmaps: Float[Array, "b h w j"], targets: Float[Array, "b h w j"], *, limit: float | None = None
) -> Float[Array, ""]:
    """Compute the error E, the mean over joints of the summed squares; 0 if no joint is present.

    A joint whose target map is NaN does not count.

    Args:
        limit: the sum of squares of a joint from which its error grows more slowly, towards twice the limit; by
            default there is none.

    Raises:
        InputError: ``limit`` is not positive.
    """
    if limit is not None and not limit > 0:
        raise InputError(f"limit is {limit}; a positive number is expected")
    present = ~jnp.isnan(targets).any(axis=(1, 2), keepdims=True)
    squares = jnp.where(present, heatmaps - targets, 0.0) ** 2
    errors = squares.sum(axis=(1, 2))
    if limit is not None:
        errors = jnp.where(errors <= limit, errors, limit * (2 - limit / jnp.maximum(errors, limit)))
    return errors.sum() / jnp.maximum(present.sum(), 1)


def training_corners(
    keys: Key[Array, " b"],
    points: Float[Array, "b j 2"] | Float[np.ndarray, "b j 2"],
    *,
    architecture: Architecture,
) -> Corners:
    """Draw the positions of the fine net's windows in training, around the true joints.

    Each joint is moved by up to one cell of the coarse heat-map in each direction, or by less if it would leave
    its window; the window is around the moved joint. It is arbitrary where the joint is missing.
    """
    limit = (architecture.fine_window - architecture.window_stride) / 2
    reach = min(architecture.pooling, limit)
    draw = partial(jax.random.uniform, shape=points.shape[1:], minval=-reach, maxval=reach)
    return cascade.corners(jnp.asarray(points) + jax.vmap(draw)(keys), architecture=architecture)


def _error(
    heatmaps: Float[Array, "b h w j"], points: Any, *, cells: coords.Transform, sigma_px: float, robust: bool
) -> Float[Array, ""]:
    """Compute the error of heat-maps whose targets are Gaussians at the points, in pixels."""
    targets = gaussians(points, coords.Size(*heatmaps.shape[1:3]), cells, sigma_px=sigma_px)
    # The sum of the squares of a target that is far from the border.
    empty = math.pi * sigma_px**2 / math.prod(cells.scale)
    return heatmap_error(heatmaps, targets, limit=empty if robust else None)


Platform = Literal["cuda", "tpu"]

# The count does not depend on the number of images; more than one keeps the axis of the batch.
_IMAGES = 2


class PhaseCosts(NamedTuple):
    """The costs of the gradient of a phase's loss."""

    flops_per_image: float
    """Floating-point operations of one image on an accelerator; a multiplication and an addition are two."""
    program_bytes: dict[str, int]


def phase_costs(architecture: Architecture, phase: Phase, *, platforms: Sequence[Platform]) -> PhaseCosts:
    """Lower the gradient of a phase's loss for accelerators, which need not be here, and count its operations.

    The gradient is lowered for shapes only. The count is that of the program for CUDA: the program for a CPU
    uses Winograd's algorithm.
    """
    params = jax.eval_shape(lambda: cascade.init(jax.random.key(0), architecture))
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), _IMAGES))
    gradient = jax.jit(jax.grad(partial(loss, architecture=architecture, phase=phase), argnums=1, has_aux=True))
    arguments = (keys, params, _shapes(architecture, phase, params))
    lowered = gradient.trace(*arguments).lower(lowering_platforms=("cuda",))
    counted: Mapping[str, Any] | None = lowered.cost_analysis()
    if not counted or not math.isfinite(counted.get("flops", math.nan)):
        raise InputError("XLA counts no operations on this platform; a CPU is expected")
    sizes = {
        str(platform): len(jax.export.export(gradient, platforms=[platform])(*arguments).mlir_module_serialized)
        for platform in platforms
    }
    return PhaseCosts(counted["flops"] / _IMAGES, sizes)


def _shapes(architecture: Architecture, phase: Phase, params: Any) -> Any:
    """Return the shapes of a batch of the phase."""
    joints = len(architecture.joints)
    points: Any = jax.ShapeDtypeStruct((_IMAGES, joints, 2), jnp.float32)
    torso: Any = jax.ShapeDtypeStruct((_IMAGES, 2), jnp.float32)
    images: Any = jax.ShapeDtypeStruct((_IMAGES, *architecture.input_size, 3), jnp.uint8)
    if phase != "coarse" or architecture.front == "none":
        return Batch(images, points, torso)
    found = jax.eval_shape(partial(front.front_maps, front=architecture.front), params["front"], images)
    return FeatureBatch(found.coarse, points, torso)
