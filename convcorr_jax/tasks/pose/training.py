"""Training the pose cascade: three phases of steps, with validations, checkpoints and a log."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from convcorr_jax.io import make_folder, save_fitted, write_image
from convcorr_jax.pose import PHASES, Phase, TrainedCascade
from convcorr_jax.report import pixels
from convcorr_jax.runtime import devices
from convcorr_jax.runtime.checkpoint import Checkpoints, Saved, read_best
from convcorr_jax.runtime.ending import Terminated
from convcorr_jax.runtime.progress import bar
from convcorr_jax.runtime.runlog import write_results
from convcorr_jax.tasks.pose.batches import prefetch
from convcorr_jax.tasks.pose.log import TrainingLog, log_curves
from convcorr_jax.tasks.pose.options import TrainingConfig
from convcorr_jax.tasks.pose.run import TrainingRun, prepare_run
from convcorr_jax.tasks.pose.step import TrainState, compiled_step

LOG_EVERY_STEPS = 20
"""Losses are logged, and checked for finite values, once in this many steps."""
NOT_VALIDATED = -1.0
"""The metric of a checkpoint that is saved between validations because the run is terminated."""
# The number of people without a readable image that ``result.json`` names.
_MOST_NAMED = 20


def train(config: TrainingConfig) -> Path:
    """Train a cascade, save the best model, and write ``result.json``.

    A run that was killed continues from its latest checkpoint, which SIGTERM lets it save first. One with more
    steps than a finished one of the same folder continues it (see `Plan.check_extends`).

    Args:
        config: the options of the run.

    Returns:
        The path of ``result.json``.

    Raises:
        InputError: an option is out of range, the people cannot be read, or the folder has checkpoints of
            another run.
        NumericalError: a loss is NaN or infinite.
        WriteError: a file cannot be written.
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
    phase: Phase,
    state: TrainState,
    run: TrainingRun,
    log: TrainingLog,
    checkpoints: Checkpoints,
) -> TrainState:
    """Do the remaining steps of a phase.

    Args:
        phase: the phase.
        state: after the last step that was done, of this phase or of an earlier one.
        run: people, plan and architecture.
        log: gets the losses and the scores of validations.
        checkpoints: get the state after each validation.

    Returns:
        The state after the phase.

    Raises:
        NumericalError: a loss is NaN or infinite.
        Terminated: SIGTERM has come; the state is saved in a checkpoint.
        WriteError: a checkpoint cannot be written.
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
    """Return the facts of a finished run: what ``result.json`` and the model's ``.json`` hold.

    Args:
        run: people, plan and architecture.
        log: of all steps.
        best: the best checkpoint.
        preset: the name of the preset.
    """
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
