"""A training run of the pose cascade from its options to its result, in the order in which things happen.

`train` sets up (`prepare_run`), does the steps of each phase (`train_phase`) and writes the result.
"""

import dataclasses
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from convcorr_jax.io import make_folder, save_fitted, write_image
from convcorr_jax.pose import PHASES, Architecture, Batch, FeatureBatch, Phase, TrainedCascade, cascade
from convcorr_jax.report import pixels
from convcorr_jax.runtime import Checkpoints, Saved, Terminated, bar, devices, plain, read_best, write_results
from convcorr_jax.tasks.pose import batches, setup
from convcorr_jax.tasks.pose.people import Share, share_of, sides_of
from convcorr_jax.tasks.pose.prediction import Scores, validate
from convcorr_jax.tasks.pose.step import TrainingLog, TrainState, compiled_step, log_curves, phase_optimizer

LOG_EVERY_STEPS = 20
"""Losses are logged, and checked for finite values, once in this many steps."""
NOT_VALIDATED = -1.0
"""The metric of a checkpoint that is saved between validations because the run is terminated."""
# The number of people without a readable image that ``result.json`` names.
_MOST_NAMED = 20


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """What all steps of a training run share."""

    config: setup.TrainingConfig
    plan: setup.Plan
    architecture: Architecture
    initial: TrainedCascade | None
    draw: Callable[[int], batches.Draw]
    """The function from a step to this host's part of its batch."""
    training: Share
    validation: Share
    cache: Path
    """The folder of this host's cached features, as hosts may share the folder of the run."""

    @property
    def seed(self) -> int:
        """The seed of initialization, sampling, augmentation and dropout."""
        return self.config.training.seed

    @property
    def sides(self) -> str:
        """Whose left is left, in words."""
        return sides_of(self.training.records[0].names, sides=self.config.data.sides)

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that determine the weights; a checkpoint with other settings is not continued.

        ``steps`` may change as `Plan.check_extends` allows.
        """
        plan = plain(self.plan)
        initial = {} if self.initial is None else {"initial": batches.checksum(self.initial.params)}
        return {
            "architecture": dataclasses.asdict(self.architecture),
            "steps": plan.pop("steps"),
            "plan": plan,
            "dataset": self.config.data.name,
            "people": len(self.training.records),
            "seed": self.seed,
            "sides": self.sides,
            "scale": self.config.data.scale,
            **initial,
        }


def train(config: setup.TrainingConfig) -> Path:
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
    if config.training.clear_cache and run.cache.is_dir():
        shutil.rmtree(run.cache)
    # All hosts read the checkpoint: Orbax synchronizes them.
    best = read_best(out / "checkpoints")
    if devices.is_first_host():
        facts = result_of(run, log, best)
        save_fitted(out / "model", TrainedCascade(best.params, run.architecture, facts))
        write_image(out / "curves.png", pixels(log_curves(log.lines)))
        write_results(out, facts, config, started=started)
    return out / "result.json"


def prepare_run(config: setup.TrainingConfig) -> TrainingRun:
    """Check the options, connect the hosts, choose plan and architecture, and decode this host's people."""
    training, data, hosts = config.training, config.data, config.hosts
    plan = setup.plan_of(training)
    setup.check_options(config, plan)
    devices.use_cores(max(1, plan.batch // hosts.hosts))
    if hosts.coordinator is not None:
        devices.initialize(hosts.coordinator, hosts=hosts.hosts, host=hosts.host)
    trains, validates = setup.read_part(data, "train"), setup.read_part(data, "validation")
    architecture = setup.architecture_of(training, trains[0])
    initial = setup.read_initial_model(training.initial_checkpoint, architecture)
    sampling, here = batches.Sampling(len(trains), plan.batch, training.seed), devices.rows_here(plan.batch)
    share = partial(share_of, architecture=architecture, damaged=data.damaged, scale=data.scale)
    train_share = share(trains, rows=sampling.needed(here), margin=plan.augmentation.margin)
    return TrainingRun(
        config,
        plan,
        architecture,
        initial,
        partial(sampling.draw, numbers=train_share.numbers, places=here),
        train_share,
        share(validates, rows=devices.shared_rows(len(validates))),
        config.output.out / ("features" if hosts.hosts == 1 else f"features_{hosts.host}_of_{hosts.hosts}"),
    )


def first_state(run: TrainingRun, checkpoints: Checkpoints) -> TrainState:
    """Return the state of the latest checkpoint, or the initial state if there is none."""
    params = initial_params(run)
    moments = _optimizer(run.plan, PHASES[0]).init(params)
    latest = checkpoints.latest(params, (params, moments))
    if latest is None:
        return TrainState(jnp.asarray(0), params, params, moments)
    step, average, (params, moments) = latest
    return TrainState(jnp.asarray(step), params, average, moments)


def initial_params(run: TrainingRun) -> cascade.Params:
    """Return the parameters before the first step.

    They are those of the initial model. Without one, they are random, but the spatial model has the joints'
    displacements in the training set, and a front the layers of its pretrained network.
    """
    if run.initial is not None:
        return run.initial.params
    architecture, share = run.architecture, run.training
    params = cascade.init(jax.random.key(run.seed), architecture)
    if architecture.front != "none":
        params = batches.with_pretrained_front(
            params, share.records, architecture=architecture, scale=run.config.data.scale, folder=run.cache
        )
    # Hosts may have the same people.
    rows = np.unique(devices.from_all_hosts(share.numbers), return_index=True)[1]
    points, torsos = map(devices.from_all_hosts, (share.people.points, share.people.torso))
    return cascade.with_priors(params, points[rows], torsos[rows], architecture=architecture)


def _optimizer(plan: setup.Plan, phase: Phase) -> optax.GradientTransformation:
    return phase_optimizer(
        phase,
        steps=len(plan.range_of(phase)),
        rate=plan.rate_of(phase),
        front_rate=plan.front_rate,
        weight_decay=plan.weight_decay,
    )


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
    optimizer = _optimizer(run.plan, phase)
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
    load = batch_loader(phase, state.params, run)
    remaining = range(int(state.step), steps.stop)
    state = devices.replicate(state)
    with (
        bar(phase, total=len(steps), done=remaining.start - steps.start) as update_bar,
        devices.preemption() as is_preempted,
    ):
        for step, batch in batches.prefetch(load, remaining):
            state, metrics = train_step(state, batch)
            log.add(metrics)
            if step == remaining.start:
                # The first step includes compilation, which does not count in the speed of steps.
                jax.block_until_ready(state)
                log.restart_clock()
            done = step + 1
            validates = done % run.config.training.validate_every == 0 or done == steps.stop
            if validates or done % LOG_EVERY_STEPS == 0:
                log.log_losses(done, phase, batch=run.plan.batch, people_of=partial(people_of, run))
                update_bar(done - steps.start, message=log.status)
            if validates:
                average = devices.first_copy(state.average)
                scores = validate(
                    average, run.validation.people, architecture=run.architecture, batch=run.plan.batch
                )
                log.log_scores(done, phase, scores)
                _save(checkpoints, state, metric=comparable(scores, run.plan))
                log.restart_clock()
            if is_preempted(done):
                if not validates:
                    _save(checkpoints, state, metric=NOT_VALIDATED)
                raise Terminated
    return state


def _save(checkpoints: Checkpoints, state: TrainState, *, metric: float) -> None:
    training = (state.params, state.moments)
    checkpoints.save(int(state.step), state.average, training, metric=metric)


def batch_loader(
    phase: Phase, params: cascade.Params, run: TrainingRun
) -> Callable[[int], Batch | FeatureBatch]:
    """Return the function from a step to this host's part of its batch, divided among its devices.

    Features that the phase needs are cached before this returns.
    """
    share, draw = run.training, run.draw
    if phase != "coarse" or run.architecture.front == "none":
        return lambda step: devices.shard(share.people.batch(draw(step).rows))
    features = batches.FeatureCache(
        params["front"], share.people, share.numbers, run.architecture, run.plan, run.seed, run.cache
    )
    features.complete(epochs=int(draw(run.plan.range_of(phase)[-1]).epochs.max()) + 1)
    return lambda step: devices.shard(features.batch(*draw(step)))


def people_of(run: TrainingRun, step: int) -> list[str]:
    """Return the source ids of the people in this host's part of a step's batch."""
    return [run.training.people.records[row].source_id for row in run.draw(step).rows]


def comparable(scores: Scores, plan: setup.Plan) -> float:
    """Return the mean PCK that checkpoints are compared by: the coarse net's if no other net is trained."""
    return float(np.mean(scores.cascade if plan.has_cascade else scores.coarse))


def result_of(run: TrainingRun, log: TrainingLog, best: Saved) -> dict[str, Any]:
    """Return the facts of a finished run: what ``result.json`` and the model's ``.json`` hold."""
    left_out = (*run.training.unread, *run.validation.unread)
    return {
        "dataset": run.config.data.name,
        "sides": run.sides,
        "scale": run.config.data.scale,
        "preset": run.config.training.preset,
        "architecture": run.architecture.name,
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "people": run.training.readable,
        "validated": run.validation.readable,
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
