"""One training step of the pose cascade on all devices, and the log of the steps of a run."""

import json
import time
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int
from matplotlib.figure import Figure

from convcorr_jax import pose
from convcorr_jax.errors import InputError, NumericalError
from convcorr_jax.io import written_whole
from convcorr_jax.report import training_curves
from convcorr_jax.runtime import devices
from convcorr_jax.tasks.pose.prediction import ALPHAS, Scores

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
_DECAYING: Mapping[pose.Phase, tuple[str, ...]] = MappingProxyType(
    {"coarse": ("coarse",), "fine": ("fine",), "joint": ("coarse", "fine")}
)


class TrainState(NamedTuple):
    """Everything that a step changes."""

    step: Int[Array, ""]
    """The number of steps done, in all phases together."""
    params: pose.Params
    average: pose.Params
    """The running mean of the parameters, which is validated and saved as the model."""
    moments: Any
    """The state of the optimizer, of the same structure in all phases."""


class StepMetrics(NamedTuple):
    """The losses of a step, over the whole batch."""

    total: Float[Array, ""]
    """The loss that the phase minimizes."""
    parts: pose.Losses


Step = Callable[[TrainState, pose.Batch | pose.FeatureBatch], tuple[TrainState, StepMetrics]]


def phase_optimizer(
    phase: pose.Phase, *, steps: int, rate: float, front_rate: float = 0.1, weight_decay: float = 0.0
) -> optax.GradientTransformation:
    """Return AdamW with clipped gradients and the learning-rate schedule of a phase.

    The rate rises linearly, then falls along a cosine. A gradient whose norm exceeds 1 is scaled to 1.
    Parameters without a gradient do not change. The states of all phases have the same structure. The rate of a
    pretrained front is in parts of that of the other parameters.

    Differs from the paper: it states neither clipping nor weight decay, nor the running mean of parameters over
    about a thousand steps that is validated and saved (`TrainState.average`).
    """
    warmup = max(1, round(_WARMUP_FRACTION * steps))

    def schedule(greatest: float) -> optax.Schedule:
        return optax.warmup_cosine_decay_schedule(
            0.0, greatest, warmup, max(steps, warmup + 1), _FINAL_FRACTION * greatest
        )

    decays = partial(_decaying_kernels, parts=_DECAYING[phase])
    parts: dict[Hashable, optax.GradientTransformation] = {
        "front": optax.adam(schedule(front_rate * rate)),
        "rest": optax.adamw(schedule(rate), weight_decay=weight_decay, mask=decays),
    }
    return optax.chain(optax.clip_by_global_norm(_GREATEST_NORM), optax.multi_transform(parts, _part_of_each))


def _part_of_each(params: pose.Params) -> pose.Params:
    """Return whether each parameter belongs to the front or to the rest."""
    return {
        name: jax.tree.map(lambda _, part=name: "front" if part == "front" else "rest", tree)
        for name, tree in params.items()
    }


def _decaying_kernels(params: pose.Params, *, parts: Collection[str]) -> pose.Params:
    """Return which parameters are kernels of these parts."""
    return jax.tree.map_with_path(lambda path, _: path[0].key in parts and path[-1].key == "kernel", params)


def compiled_step(
    architecture: pose.Architecture,
    phase: pose.Phase,
    optimizer: optax.GradientTransformation,
    *,
    augmentation: pose.Augmentation,
    first: int,
    seed: int,
    robust: bool = False,
) -> Step:
    """Return the compiled training step of a phase, whose first step has the number ``first``.

    The step augments its batch unless it is one of features, updates the parameters and averages them. Random
    numbers depend on the seed and the number of the step only.
    """
    error = partial(pose.loss, architecture=architecture, phase=phase, robust=robust)

    def step(state: TrainState, batch: pose.Batch | pose.FeatureBatch) -> tuple[TrainState, StepMetrics]:
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        augment_keys, loss_keys = (
            devices.sample_keys(half, len(batch.points)) for half in jax.random.split(key)
        )
        if isinstance(batch, pose.Batch):
            batch = pose.augment(
                augment_keys,
                batch,
                left_right_pairs=architecture.left_right_pairs,
                size=architecture.input_size,
                augmentation=augmentation,
            )
        weight = _device_weight(batch)

        def weighted_loss(params: pose.Params) -> tuple[Float[Array, ""], StepMetrics]:
            total, parts = error(loss_keys, params, batch)
            metrics = jax.tree.map(lambda value: weight * value, StepMetrics(total, parts))
            return metrics.total, metrics

        gradient, metrics = devices.mean(jax.grad(weighted_loss, has_aux=True)(state.params))
        updates, moments = optimizer.update(gradient, state.moments, state.params)
        params = jax.tree.map(jnp.add, state.params, updates)
        average = _running_mean(state.average, params, steps=state.step - first)
        return TrainState(state.step + 1, params, average, moments), metrics

    return devices.data_parallel(step)


def _running_mean(average: pose.Params, params: pose.Params, *, steps: Int[Array, ""]) -> pose.Params:
    """Update the running mean of parameters; at the beginning of a phase it averages fewer steps."""
    decay = jnp.minimum(_DECAY, (1.0 + steps) / (10.0 + steps))
    # In this form, the mean of parameters that do not change is these parameters, bit for bit.
    return jax.tree.map(lambda mean, new: mean + (1.0 - decay) * (new - mean), average, params)


def _device_weight(batch: pose.Batch | pose.FeatureBatch) -> Float[Array, ""]:
    """Return the weight of a device's loss, a mean over its present joints, in the loss of the whole batch."""
    present = (~jnp.isnan(batch.points[..., 0])).sum().astype(jnp.float32)
    return present / jnp.maximum(devices.mean(present), 1e-6)


class TrainingLog:
    """The lines of ``metrics.jsonl``: mean losses and speed of several steps, and scores of validations.

    Lines of steps after ``step``, which a killed run logged after its last checkpoint, are dropped.
    """

    def __init__(self, path: Path, *, step: int) -> None:
        self._path = path
        self._pending: list[StepMetrics] = []
        self.restart_clock()
        try:
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            lines = [json.loads(line) for line in text.splitlines()]
            self.lines: list[dict[str, Any]] = [line for line in lines if line["step"] <= step]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is damaged ({error}); remove it to start a new log") from error

    def restart_clock(self) -> None:
        """Exclude the time and the steps before this call from the speed of steps."""
        self._since, self._timed_steps = time.perf_counter(), 0

    def add(self, metrics: StepMetrics) -> None:
        """Add the metrics of a step, without waiting for their values."""
        self._pending.append(metrics)
        self._timed_steps += 1

    def log_losses(
        self, step: int, phase: pose.Phase, *, batch: int, people_of: Callable[[int], Sequence[str]]
    ) -> None:
        """Log the mean losses of the steps added since the last call, and write the file.

        ``batch`` is the size of a batch of all hosts, ``people_of`` returns the people of a step on this host.
        """
        metrics: list[StepMetrics] = jax.device_get(self._pending)
        seconds = time.perf_counter() - self._since
        for number, of_step in enumerate(metrics, start=step - len(metrics)):
            if not np.isfinite(of_step.total):
                raise NumericalError(
                    f"the loss of step {number} (phase {phase}) is {of_step.total}; its batch is "
                    f"{', '.join(people_of(number))}; smaller --rates may help"
                )
        line = {"step": step, "phase": phase, "loss": float(np.mean([of_step.total for of_step in metrics]))}
        for name in metrics[0].parts._fields:
            line[name] = float(np.mean([getattr(of_step.parts, name) for of_step in metrics]))
        if self._timed_steps:
            line["images_per_s"] = round(self._timed_steps * batch / seconds, 1)
        self.lines.append(line)
        self._pending = []
        self._write()
        self.restart_clock()

    def log_scores(self, step: int, phase: pose.Phase, scores: Scores) -> None:
        """Log the scores of a validation, and write the file."""
        pck = {
            name: {str(alpha): share for alpha, share in zip(ALPHAS, shares, strict=True)}
            for name, shares in scores._asdict().items()
        }
        self.lines.append({"step": step, "phase": phase, "pck": pck})
        self._write()

    def _write(self) -> None:
        if devices.is_first_host():
            with written_whole(self._path) as temporary:
                text = "".join(json.dumps(line) + "\n" for line in self.lines)
                temporary.write_text(text, encoding="utf-8")

    @property
    def status(self) -> str:
        """The last mean loss, speed and validation, for the terminal."""
        losses = [line for line in self.lines if "loss" in line][-1:]
        parts = [f"loss {line['loss']:.3f}, {line.get('images_per_s', 0):.0f} images/s" for line in losses]
        return ", ".join(part for part in (*parts, self.last_scores) if part)

    @property
    def last_scores(self) -> str:
        """The last validation, for the terminal; empty before the first."""
        lines = [line["pck"] for line in self.lines if "pck" in line][-1:]
        alpha = str(ALPHAS[1])
        return "".join(
            f"PCK@{alpha} {pck['cascade'][alpha]:.3f} (coarse {pck['coarse'][alpha]:.3f})" for pck in lines
        )

    @property
    def speeds(self) -> dict[str, float]:
        """Images per second in each phase, the median of its lines."""
        timed = [line for line in self.lines if "images_per_s" in line]
        phases = dict.fromkeys(line["phase"] for line in timed)
        return {
            phase: float(np.median([line["images_per_s"] for line in timed if line["phase"] == phase]))
            for phase in phases
        }

    def pck_of(self, step: int) -> dict[str, dict[str, float]] | None:
        """Return PCK of the validation after a step, or None if its line was removed with the file."""
        return next((line["pck"] for line in self.lines if "pck" in line and line["step"] == step), None)


def log_curves(lines: Sequence[dict[str, Any]]) -> Figure:
    """Draw the losses of a training run and its PCK over its steps."""
    losses = {
        name: [(line["step"], line[name]) for line in lines if line.get(name)]
        for name in ("e1", "e_spatial", "e2")
    }
    validations = [line for line in lines if "pck" in line]
    shares = {
        f"{name}, {alpha}": [(line["step"], line["pck"][name][str(alpha)]) for line in validations]
        for alpha in ALPHAS
        for name in ("cascade", "coarse")
        if validations
    }
    ends = {
        phase: max((line["step"] for line in lines if line["phase"] == phase), default=0)
        for phase in pose.PHASES
    }
    return training_curves(
        {name: points for name, points in losses.items() if points},
        shares,
        dashed=[name for name in shares if name.startswith("coarse")],
        phases={phase: end for phase, end in ends.items() if end},
    )
