"""Floating-point operations of a cascade by XLA's count, and whether its training compiles for accelerators.

Both need no accelerator and no images: the gradient of a phase's loss is lowered for shapes only.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from convcorr_jax.errors import InputError
from convcorr_jax.pose import Architecture, Batch, FeatureBatch, Phase, cascade, front, loss

Platform = Literal["cuda", "tpu"]

# The count does not depend on the number of images; more than one keeps the axis of the batch.
_IMAGES = 2


class PhaseCosts(NamedTuple):
    """The costs of the gradient of a phase's loss."""

    flops_per_image: float
    """Floating-point operations of one image on an accelerator; a multiplication and an addition are two."""
    program_bytes: dict[str, int]
    """Size of the program that was lowered for each platform."""


def phase_costs(
    architecture: Architecture, phase: Phase, *, platforms: Sequence[Platform]
) -> PhaseCosts:
    """Lower the gradient of a phase's loss, and count its operations.

    The count is that of the program for CUDA: the program for a CPU uses Winograd's algorithm.

    Args:
        architecture: of the cascade.
        phase: the phase.
        platforms: accelerators for which the gradient is lowered, too; none of them need be here.

    Raises:
        InputError: XLA counts no operations on this platform.
    """
    params = jax.eval_shape(lambda: cascade.init(jax.random.key(0), architecture))
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), _IMAGES))
    gradient = jax.jit(
        jax.grad(partial(loss, architecture=architecture, phase=phase), argnums=1, has_aux=True)
    )
    arguments = (keys, params, _shapes(architecture, phase, params))
    lowered = gradient.trace(*arguments).lower(lowering_platforms=("cuda",))
    counted: Mapping[str, Any] | None = lowered.cost_analysis()
    if not counted or not math.isfinite(counted.get("flops", math.nan)):
        raise InputError("XLA counts no operations on this platform; a CPU is expected")
    sizes = {
        str(platform): len(
            jax.export.export(gradient, platforms=[platform])(*arguments).mlir_module_serialized
        )
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
    found = jax.eval_shape(
        partial(front.front_maps, front=architecture.front), params["front"], images
    )
    return FeatureBatch(found.coarse, points, torso)
