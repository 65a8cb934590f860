"""The loop of a training run, and its log."""

import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from convcorr_jax.errors import InputError, NumericalError
from convcorr_jax.io import make_folder, save_fitted, write_image, written_whole
from convcorr_jax.pose import PHASES, Phase, TrainedCascade
from convcorr_jax.report import pixels, training_curves
from convcorr_jax.runtime import bar, devices
from convcorr_jax.runtime.checkpoint import Checkpoints, Saved, read_best
from convcorr_jax.runtime.ending import Terminated
from convcorr_jax.runtime.runlog import write_results
from convcorr_jax.tasks.pose.batches import prefetch
from convcorr_jax.tasks.pose.options import TrainingConfig
from convcorr_jax.tasks.pose.run import TrainingRun, prepare_run
from convcorr_jax.tasks.pose.step import StepMetrics, TrainState, compiled_step
from convcorr_jax.tasks.pose.validation import ALPHAS, Scores


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

    def log_losses(self, step: int, phase: Phase, *, people_of: Callable[[int], Sequence[str]]) -> None:
        """Log the mean losses of the steps added since the last call, and write the file."""
        metrics: list[StepMetrics] = jax.device_get(self._pending)
        seconds = time.perf_counter() - self._since
        for number, of_step in enumerate(metrics, start=step - len(metrics)):
            if not np.isfinite(of_step.total):
                raise NumericalError(
                    f"the loss of step {number} (phase {phase}) is {of_step.total}; its batch is "
                    f"{', '.join(people_of(number))}; smaller --rates may help"
                )
        totals = [of_step.total for of_step in metrics]
        line = {"step": step, "phase": phase, "loss": float(np.mean(totals))}
        for name in metrics[0].parts._fields:
            line[name] = float(np.mean([getattr(of_step.parts, name) for of_step in metrics]))
        if self._timed_steps:
            line["images_per_s"] = round(self._timed_steps * len(people_of(step)) / seconds, 1)
        self.lines.append(line)
        self._pending = []
        self._write()
        self.restart_clock()

    def log_scores(self, step: int, phase: Phase, scores: Scores) -> None:
        """Log the scores of a validation, and write the file."""
        pck = {
            name: {str(alpha): share for alpha, share in zip(ALPHAS, shares, strict=True)}
            for name, shares in scores._asdict().items()
        }
        self.lines.append({"step": step, "phase": phase, "pck": pck})
        self._write()

    def _write(self) -> None:
        if not devices.is_first_host():
            return
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
        phase: max((line["step"] for line in lines if line["phase"] == phase), default=0) for phase in PHASES
    }
    return training_curves(
        {name: points for name, points in losses.items() if points},
        shares,
        dashed=[name for name in shares if name.startswith("coarse")],
        phases={phase: end for phase, end in ends.items() if end},
    )


LOG_EVERY_STEPS = 20
"""Losses are logged, and checked for finite values, once in this many steps."""
NOT_VALIDATED = -1.0
"""The metric of a checkpoint that is saved between validations because the run is terminated."""
# The number of people without a readable image that ``result.json`` names.
_MOST_NAMED = 20


def train(config: TrainingConfig) -> Path:
    """Train a cascade, save the best model, and write ``result.json``; return its path.

    A run that was killed continues from its latest checkpoint, which SIGTERM lets it save first. One with more
    steps than a finished one of the same folder continues it (see `Plan.check_extends`).
    """
    started = time.perf_counter()
    run = prepare_run(config)
    out = make_folder(config.output.out)
    with Checkpoints(out / "checkpoints", run.identity, may_change=("steps",)) as checkpoints:
        state = first_state(run, checkpoints)
        if checkpoints.continued is not None:
            run.plan.check_extends(checkpoints.continued["steps"], done=int(state.step))
        log = TrainingLog(out / "metrics.jsonl", step=int(state.step))
        for phase in PHASES:
            state = train_phase(phase, state, run, log, checkpoints)
    if config.training.clear_cache:
        run.clear_cache()
    # All hosts read the checkpoint: Orbax synchronizes them.
    best = read_best(out / "checkpoints")
    if devices.is_first_host():
        facts = result_of(run, log, best, preset=config.training.preset)
        save_fitted(out / "model", TrainedCascade(best.params, run.architecture, facts))
        write_image(out / "curves.png", pixels(log_curves(log.lines)))
        write_results(out, facts, config, started=started)
    return out / "result.json"


def first_state(run: TrainingRun, checkpoints: Checkpoints) -> TrainState:
    """Return the state of the latest checkpoint, or the initial state if there is none."""
    params = run.initial_params()
    moments = run.optimizer(PHASES[0]).init(params)
    latest = checkpoints.latest(params, (params, moments))
    if latest is None:
        return TrainState(jnp.asarray(0), params, params, moments)
    step, average, (params, moments) = latest
    return TrainState(jnp.asarray(step), params, average, moments)


def train_phase(
    phase: Phase, state: TrainState, run: TrainingRun, log: TrainingLog, checkpoints: Checkpoints
) -> TrainState:
    """Do the remaining steps of a phase.

    Raises:
        NumericalError: a loss is NaN or infinite.
        Terminated: SIGTERM has come; the state is saved in a checkpoint.
    """
    steps = run.plan.range_of(phase)
    if not steps or int(state.step) >= steps.stop:
        return state
    optimizer = run.optimizer(phase)
    if int(state.step) == steps.start:
        # Each phase starts from the averaged parameters of the phase before.
        moments = optimizer.init(state.average)
        state = TrainState(state.step, state.average, state.average, moments)
    train_step = compiled_step(
        run.architecture,
        phase,
        optimizer,
        augmentation=run.plan.augmentation,
        first=steps.start,
        seed=run.seed,
        robust=run.plan.robust,
    )
    load = run.loader(phase, state.params)
    remaining = range(int(state.step), steps.stop)
    state = devices.replicate(state)
    with (
        bar(phase, total=len(steps), done=remaining.start - steps.start) as update_bar,
        devices.preemption() as is_preempted,
    ):
        for step, batch in prefetch(load, remaining):
            state, metrics = train_step(state, batch)
            log.add(metrics)
            if step == remaining.start:
                # The first step includes compilation, which does not count in the speed of steps.
                jax.block_until_ready(state)
                log.restart_clock()
            done = step + 1
            validates = done % run.validate_every == 0 or done == steps.stop
            if validates or done % LOG_EVERY_STEPS == 0:
                log.log_losses(done, phase, people_of=run.people_of)
                update_bar(done - steps.start, message=log.status)
            if validates:
                scores = run.validate(state.average)
                log.log_scores(done, phase, scores)
                _save(checkpoints, state, metric=run.metric(scores))
                log.restart_clock()
            if is_preempted(done):
                if not validates:
                    _save(checkpoints, state, metric=NOT_VALIDATED)
                raise Terminated
    return state


def _save(checkpoints: Checkpoints, state: TrainState, *, metric: float) -> None:
    training = (state.params, state.moments)
    checkpoints.save(int(state.step), state.average, training, metric=metric)


def result_of(run: TrainingRun, log: TrainingLog, best: Saved, *, preset: str) -> dict[str, Any]:
    """Return the facts of a finished run: what ``result.json`` and the model's ``.json`` hold."""
    left_out = (*run.unread, *run.unread_validation)
    return {
        "dataset": run.dataset,
        "sides": run.sides,
        "scale": run.scale,
        "preset": preset,
        "architecture": run.architecture.name,
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "people": len(run.records) - len(run.unread),
        "validated": run.validated - len(run.unread_validation),
        "left_out": len(left_out),
        "left_out_because": [list(absent) for absent in left_out[:_MOST_NAMED]],
        "seed": run.seed,
        "plan": dataclasses.asdict(run.plan) | {"augmentation": run.plan.augmentation._asdict()},
        # The facts of the run before, of which these parameters are the continuation.
        "initial": None if run.initial is None else dict(run.initial.training),
        "best_step": best.step,
        "pck": log.pck_of(best.step),
        "images_per_s": log.speeds,
    }
