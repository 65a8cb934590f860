"""One step of training the pose cascade, on all devices."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from convcorr_jax.pose.architecture import Architecture
from convcorr_jax.pose.augmentation import augment
from convcorr_jax.pose.batch import Batch
from convcorr_jax.pose.cascade import Params
from convcorr_jax.pose.objective import Losses, Phase, loss
from convcorr_jax.runtime import devices

# The rate rises over this share of a phase's steps, then falls along a cosine to this share of its height.
_RISE = 0.05
_LAST = 0.02
# The averaged parameters are those of about the last thousand steps, of fewer where there were not so many.
_DECAY = 0.999


class TrainState(NamedTuple):
    """All that a step changes."""

    step: Int[Array, ""]
    """How many were made, in all phases."""
    params: Params
    average: Params
    """The running mean of the parameters: what validates, and what is kept as the model."""
    moments: Any
    """Of the optimizer."""


class Told(NamedTuple):
    """What a step says of the whole batch."""

    total: Float[Array, ""]
    """What the phase minimises."""
    parts: Losses


Step = Callable[[TrainState, Batch], tuple[TrainState, Told]]


def optimizer(*, steps: int, rate: float) -> optax.GradientTransformation:
    """Adam with the learning rate of a phase of so many steps."""
    rise = max(1, round(_RISE * steps))
    return optax.adam(
        optax.warmup_cosine_decay_schedule(0.0, rate, rise, max(steps, rise + 1), _LAST * rate)
    )


def compiled_step(
    architecture: Architecture,
    phase: Phase,
    optimizer: optax.GradientTransformation,
    *,
    first: int,
    seed: int,
) -> Step:
    """The step of a phase, from a batch in the input frame to the next state.

    Args:
        architecture: of the cascade.
        phase: which errors it minimises.
        optimizer: of the phase.
        first: the number of the phase's first step.
        seed: of augmentation and dropout. What is drawn depends on it and on the number of the step alone.
    """

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Told]:
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        augment_keys, loss_keys = (
            devices.sample_keys(one, len(batch.images)) for one in jax.random.split(key)
        )
        batch = augment(augment_keys, batch, left_right_pairs=architecture.left_right_pairs)
        share = _share_of_joints(batch)

        def error(params: Params) -> tuple[Float[Array, ""], Told]:
            total, parts = loss(loss_keys, params, batch, architecture=architecture, phase=phase)
            told = jax.tree.map(lambda one: share * one, Told(total, parts))
            return told.total, told

        gradient, told = devices.mean(jax.grad(error, has_aux=True)(state.params))
        updates, moments = optimizer.update(gradient, state.moments, state.params)
        params = jax.tree.map(jnp.add, state.params, updates)
        made = state.step - first
        decay = jnp.minimum(_DECAY, (1.0 + made) / (10.0 + made))
        average = jax.tree.map(
            lambda mean, new: decay * mean + (1.0 - decay) * new, state.average, params
        )
        return TrainState(state.step + 1, params, average, moments), told

    return devices.data_parallel(step)


def _share_of_joints(batch: Batch) -> Float[Array, ""]:
    """What a device's error weighs in the whole batch's, each a mean over the joints that are present."""
    present = (~jnp.isnan(batch.points[..., 0])).sum().astype(jnp.float32)
    return present / jnp.maximum(devices.mean(present), 1e-6)
