"""One training step of the pose cascade on all devices, and its floating-point operations by XLA's count.

The count, and whether training compiles for accelerators, need no accelerator and no images: the gradient of a
phase's loss is lowered for shapes only.
"""

import math
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from convcorr_jax.errors import InputError
from convcorr_jax.pose import (
    Architecture,
    Augmentation,
    Batch,
    FeatureBatch,
    Losses,
    Params,
    Phase,
    augment,
    cascade,
    front,
    loss,
)
from convcorr_jax.runtime import devices

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

    The count is that of the program for CUDA: the program for a CPU uses Winograd's algorithm.
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


# The learning rate rises linearly over this fraction of a phase's steps, then falls along a cosine to this
# fraction of its greatest value.
_WARMUP_FRACTION = 0.05
_FINAL_FRACTION = 0.02
# The decay of the running mean of parameters: it averages about the last thousand steps.
_DECAY = 0.999
# The norm to which greater gradients are scaled. Those of the first steps are much greater than later ones.
_GREATEST_NORM = 1.0
# The parts whose kernels decay in a phase: those that it trains, but not the front, whose pretrained kernels
# are not drawn to zero.
_DECAYING: Mapping[Phase, tuple[str, ...]] = MappingProxyType(
    {"coarse": ("coarse",), "fine": ("fine",), "joint": ("coarse", "fine")}
)


class TrainState(NamedTuple):
    """Everything that a step changes."""

    step: Int[Array, ""]
    """The number of steps done, in all phases together."""
    params: Params
    average: Params
    """The running mean of the parameters, which is validated and saved as the model."""
    moments: Any


class StepMetrics(NamedTuple):
    """The losses of a step, over the whole batch."""

    total: Float[Array, ""]
    """The loss that the phase minimizes."""
    parts: Losses


Step = Callable[[TrainState, Batch | FeatureBatch], tuple[TrainState, StepMetrics]]


def phase_optimizer(
    phase: Phase, *, steps: int, rate: float, front_rate: float = 0.1, weight_decay: float = 0.0
) -> optax.GradientTransformation:
    """Return AdamW with clipped gradients and the learning-rate schedule of a phase.

    The rate rises linearly, then falls along a cosine. A gradient whose norm exceeds 1 is scaled to 1.
    Parameters without a gradient do not change. The states of all phases have the same structure. The rate of a
    pretrained front is in parts of that of the other parameters.

    Differs from the paper: it states neither clipping nor weight decay.
    """
    warmup = max(1, round(_WARMUP_FRACTION * steps))

    def schedule(greatest: float) -> optax.Schedule:
        return optax.warmup_cosine_decay_schedule(
            0.0, greatest, warmup, max(steps, warmup + 1), _FINAL_FRACTION * greatest
        )

    decays = partial(_decaying_kernels, parts=_DECAYING[phase])
    rest = optax.adamw(schedule(rate), weight_decay=weight_decay, mask=decays)
    parts: dict[Hashable, optax.GradientTransformation] = {
        "front": optax.adam(schedule(front_rate * rate)),
        "rest": rest,
    }
    return optax.chain(optax.clip_by_global_norm(_GREATEST_NORM), optax.multi_transform(parts, _part_of_each))


def _part_of_each(params: Params) -> Params:
    """Return whether each parameter belongs to the front or to the rest."""
    return {
        name: jax.tree.map(lambda _, part=name: "front" if part == "front" else "rest", tree)
        for name, tree in params.items()
    }


def _decaying_kernels(params: Params, *, parts: Collection[str]) -> Params:
    """Return which parameters are kernels of these parts."""
    return jax.tree.map_with_path(lambda path, _: path[0].key in parts and path[-1].key == "kernel", params)


def compiled_step(
    architecture: Architecture,
    phase: Phase,
    optimizer: optax.GradientTransformation,
    *,
    augmentation: Augmentation,
    first: int,
    seed: int,
    robust: bool = False,
) -> Step:
    """Return the compiled training step of a phase, whose first step has the number ``first``.

    The step augments its batch unless it is one of features, updates the parameters and averages them. Random
    numbers depend on the seed and the number of the step only.
    """
    error = partial(loss, architecture=architecture, phase=phase, robust=robust)

    def step(state: TrainState, batch: Batch | FeatureBatch) -> tuple[TrainState, StepMetrics]:
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        augment_keys, loss_keys = (
            devices.sample_keys(half, len(batch.points)) for half in jax.random.split(key)
        )
        if isinstance(batch, Batch):
            batch = augment(
                augment_keys,
                batch,
                left_right_pairs=architecture.left_right_pairs,
                size=architecture.input_size,
                augmentation=augmentation,
            )
        weight = _device_weight(batch)

        def weighted_loss(params: Params) -> tuple[Float[Array, ""], StepMetrics]:
            total, parts = error(loss_keys, params, batch)
            metrics = jax.tree.map(lambda value: weight * value, StepMetrics(total, parts))
            return metrics.total, metrics

        gradient, metrics = devices.mean(jax.grad(weighted_loss, has_aux=True)(state.params))
        updates, moments = optimizer.update(gradient, state.moments, state.params)
        params = jax.tree.map(jnp.add, state.params, updates)
        average = _running_mean(state.average, params, steps=state.step - first)
        return TrainState(state.step + 1, params, average, moments), metrics

    return devices.data_parallel(step)


def _running_mean(average: Params, params: Params, *, steps: Int[Array, ""]) -> Params:
    """Update the running mean of parameters; at the beginning of a phase it averages fewer steps."""
    decay = jnp.minimum(_DECAY, (1.0 + steps) / (10.0 + steps))
    # In this form, the mean of parameters that do not change is these parameters, bit for bit.
    return jax.tree.map(lambda mean, new: mean + (1.0 - decay) * (new - mean), average, params)


def _device_weight(batch: Batch | FeatureBatch) -> Float[Array, ""]:
    """Return the weight of a device's loss, a mean over its present joints, in the loss of the whole batch."""
    present = (~jnp.isnan(batch.points[..., 0])).sum().astype(jnp.float32)
    return present / jnp.maximum(devices.mean(present), 1e-6)
