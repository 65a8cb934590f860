"""Train the coarse-to-fine pose cascade (Tompson et al. 2015).

    python -m train.pose_cascade                                            (rendered people, small)
    python -m train.pose_cascade --dataset lspet --preset small --out runs/lspet
    python -m train.pose_cascade --dataset mpii --preset paper-mpii --dtype bfloat16     (an accelerator)

Three phases: the coarse net; the fine net and the spatial model with the coarse net fixed; all together. Only
the training split is learned from; a part of it, or the data set's validation split, chooses the checkpoint.

Writes into ``--out``: ``model.npz`` and ``model.json``, the best model in half precision
(`convcorr_jax.pose.trained`); ``checkpoints``, the latest and the best; ``metrics.jsonl`` and ``curves.png``;
``result.json``. A run that was killed goes on from its latest checkpoint to the same weights, bit for bit on as
many devices, up to rounding on others.
"""

import dataclasses
import math
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from convcorr_jax.datasets.records import Record
from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, save_fitted, write_image, write_json
from convcorr_jax.pose import cascade
from convcorr_jax.pose.architecture import Architecture, Cascade, DType, Pooling, flic, mpii, small
from convcorr_jax.pose.batch import Batch
from convcorr_jax.pose.objective import PHASES, Phase
from convcorr_jax.pose.trained import TrainedCascade
from convcorr_jax.report.figures import pixels
from convcorr_jax.runtime import devices
from convcorr_jax.runtime.checkpoint import Checkpoints, Saved, read_best
from convcorr_jax.runtime.progress import bar
from convcorr_jax.runtime.runlog import write_run
from convcorr_jax.runtime.script import run
from convcorr_jax.tasks.keypoints.categories import RENDERED
from convcorr_jax.tasks.pose.examples import (
    Damaged,
    People,
    ahead,
    prepare,
    read_people,
    sampled_rows,
)
from convcorr_jax.tasks.pose.history import History, curves
from convcorr_jax.tasks.pose.step import TrainState, compiled_step, optimizer
from convcorr_jax.tasks.pose.validation import Scores, validate

Preset = Literal["small", "paper-flic", "paper-mpii"]

# Lines of metrics, and looks at whether errors are finite, come once in so many steps.
_TELL_EVERY = 20
# Of the people that are left out so many are named.
_MOST_NAMED = 20


@dataclass(frozen=True)
class Plan:
    """How long, in how large steps, and at what rates a preset trains."""

    steps: tuple[int, int, int]
    """Of the phases coarse, fine and joint; a phase of none is passed over."""
    batch: int = 32
    """People in a step, on all devices of all hosts together."""
    rates: tuple[float, float, float] = (2e-3, 2e-3, 5e-4)
    """Greatest learning rate of each phase."""

    def range_of(self, phase: Phase) -> range:
        """The steps of a phase, counted through all phases."""
        number = PHASES.index(phase)
        first = sum(self.steps[:number])
        return range(first, first + self.steps[number])


PLANS: dict[Preset, Plan] = {
    # Under an hour of two processor cores at 0.52, 0.69 and 1.1 s a step.
    "small": Plan((2200, 400, 1500), rates=(5e-3, 2e-3, 2e-3)),
    "paper-flic": Plan((60_000, 20_000, 20_000)),
    "paper-mpii": Plan((120_000, 40_000, 40_000)),
}


@dataclass(frozen=True)
class Config:
    """What to train on what."""

    dataset: str = RENDERED
    """``rendered``, or the name or path of a data set's folder."""
    preset: Preset = "small"
    """``paper-flic`` and ``paper-mpii`` are the paper's networks; ``small`` has fewer features and pixels. A
    network finds its own joints in a data set that has them all, else all joints of the data set."""
    pooling: Pooling | None = None
    """Pixels of the input for one cell of a heat-map; by default the preset's."""
    cascade: Cascade = "shared"
    """Whether the fine net looks at the coarse net's features or at the image."""
    spatial_dropout: float | None = None
    """How likely a map is dropped; by default the preset's."""
    dtype: DType = "float32"
    """In which to compute."""
    steps: tuple[int, int, int] | None = None
    """Of the phases coarse, fine and joint; by default the preset's, as all of the plan."""
    batch: int | None = None
    """People in a step, on all devices of all hosts together."""
    rates: tuple[float, float, float] | None = None
    """Greatest learning rate of each phase."""
    validate_every: int = 500
    """Steps between validations, each of which makes a checkpoint; the end of a phase makes one besides."""
    seed: int = 0
    damaged: Damaged = "skip"
    """Whether people whose image cannot be read are left out and counted, or refused."""
    rendered_train: int = 1000
    data_root: Path | None = None
    """Folder of prepared data sets; by default the environment's CONVCORR_DATA."""
    coordinator: str | None = None
    """On several hosts, address and port of the first; ``--out`` is then a folder that all of them share."""
    hosts: int = 1
    host: int = 0
    """Which one this is, from 0."""
    out: Path = Path("runs/pose_cascade")


@dataclass(frozen=True, eq=False)
class Run:
    """What all steps share."""

    plan: Plan
    architecture: Architecture
    learning: People
    validating: People
    seed: int
    validate_every: int

    def batch(self, step: int) -> Batch:
        """This host's part of a step's people, cut for its devices."""
        return devices.shard(
            self.learning.batch(self._rows(step)[devices.rows_here(self.plan.batch)])
        )

    def validate(self, params: cascade.Params) -> Scores:
        """PCK of parameters on the people kept back."""
        return validate(
            params, self.validating, architecture=self.architecture, batch=self.plan.batch
        )

    def metric(self, scores: Scores) -> float:
        """By which checkpoints are compared: mean PCK of the cascade, or of a coarse net that trains alone."""
        return float(np.mean(scores.cascade if any(self.plan.steps[1:]) else scores.coarse))

    def people_of(self, step: int) -> list[str]:
        """Who is in a step's batch."""
        return [self.learning.records[row].source_id for row in self._rows(step)]

    def _rows(self, step: int) -> np.ndarray:
        return sampled_rows(
            step, people=len(self.learning.records), batch=self.plan.batch, seed=self.seed
        )


def main(config: Config) -> Path:
    """Train, save, and write ``result.json``; returns its path."""
    started = time.perf_counter()
    devices.use_cores(max(1, _plan_of(config).batch // max(1, config.hosts)))
    if config.coordinator is not None:
        devices.initialize(config.coordinator, hosts=config.hosts, host=config.host)
    out = make_folder(config.out)
    given = run_of(config)
    about = {
        "architecture": dataclasses.asdict(given.architecture),
        "plan": dataclasses.asdict(given.plan),
        "dataset": config.dataset,
        "people": len(given.learning.records),
        "seed": config.seed,
    }
    with Checkpoints(out / "checkpoints", about) as checkpoints:
        state = first_state(given, checkpoints)
        history = History(out / "metrics.jsonl", step=int(state.step))
        for phase in PHASES:
            state = train_phase(phase, state, given, history, checkpoints)
    # All hosts read together.
    best = read_best(out / "checkpoints")
    if devices.is_first_host():
        write_results(out, config, given, history, best)
        write_run(out, config, seconds=time.perf_counter() - started)
    return out / "result.json"


def run_of(config: Config) -> Run:
    """Read the people and choose architecture and plan.

    Raises:
        InputError: an option is out of its range, or as `read_people` and `prepare`.
    """
    plan = _plan_of(config)
    least = {
        **{"batch": (plan.batch, 1), "validate_every": (config.validate_every, 1)},
        **{"seed": (config.seed, 0), "hosts": (config.hosts, 1)},
    }
    for name, (value, at_least) in least.items():
        if value < at_least:
            raise InputError(f"{name} is {value}; at least {at_least} is expected")
    if min(plan.steps) < 0 or not any(plan.steps):
        raise InputError(f"steps are {plan.steps}; none can be negative, and one phase needs some")
    if not all(0 < rate < math.inf for rate in plan.rates):
        raise InputError(f"rates are {plan.rates}; positive numbers are expected")
    if config.hosts > 1 and config.coordinator is None:
        raise InputError(f"{config.hosts} hosts need the address of a coordinator")
    learning, validating = (
        read_people(config.dataset, config.data_root, part=part, rendered=config.rendered_train)
        for part in ("train", "validation")
    )
    architecture = architecture_of(config, learning[0])
    return Run(
        plan,
        architecture,
        prepare(learning, architecture, damaged=config.damaged),
        prepare(validating, architecture, damaged=config.damaged),
        config.seed,
        config.validate_every,
    )


def _plan_of(config: Config) -> Plan:
    """The preset's, in as far as nothing else was chosen."""
    return dataclasses.replace(PLANS[config.preset], **_chosen(config, "steps", "batch", "rates"))


def _chosen(config: Config, *names: str) -> dict[str, Any]:
    """Those options that are not left to the preset."""
    given = {name: getattr(config, name) for name in names}
    return {name: value for name, value in given.items() if value is not None}


def architecture_of(config: Config, person: Record) -> Architecture:
    """The preset's, with the joints of the data set unless it has all of the preset's own."""
    names, pairs = person.names, person.left_right_pairs
    of_all = partial(small, names, pairs)
    preset = {"small": of_all, "paper-flic": flic, "paper-mpii": mpii}[config.preset]
    found = preset(**_chosen(config, "pooling"), cascade=config.cascade)
    if not set(found.joints) <= set(names):
        found = dataclasses.replace(found, joints=names, left_right_pairs=pairs)
    return dataclasses.replace(found, dtype=config.dtype, **_chosen(config, "spatial_dropout"))


def first_state(given: Run, checkpoints: Checkpoints) -> TrainState:
    """The state of the latest checkpoint, or an untrained cascade that knows the joints' displacements."""
    params = cascade.with_priors(
        cascade.init(jax.random.key(given.seed), given.architecture),
        given.learning.points,
        given.learning.torso,
        architecture=given.architecture,
    )
    moments = optimizer(steps=1, rate=1.0).init(params)
    found = checkpoints.latest(params, (params, moments))
    if found is None:
        return TrainState(jnp.asarray(0), params, params, moments)
    step, average, (params, moments) = found
    return TrainState(jnp.asarray(step), params, average, moments)


def train_phase(
    phase: Phase, state: TrainState, given: Run, history: History, checkpoints: Checkpoints
) -> TrainState:
    """Make what is left of a phase's steps.

    Raises:
        NumericalError: an error is not finite.
        WriteError: a checkpoint cannot be written.
    """
    steps = given.plan.range_of(phase)
    if not steps or int(state.step) >= steps.stop:
        return state
    update = optimizer(steps=len(steps), rate=given.plan.rates[PHASES.index(phase)])
    if int(state.step) == steps.start:
        # Each phase begins where the mean of the one before has come.
        state = TrainState(state.step, state.average, state.average, update.init(state.average))
    step = compiled_step(given.architecture, phase, update, first=steps.start, seed=given.seed)
    left = range(int(state.step), steps.stop)
    state = devices.everywhere(state)
    with bar(phase, total=len(steps), done=left.start - steps.start) as move:
        for number, batch in ahead(given.batch, left):
            state, told = step(state, batch)
            history.add(told)
            made = number + 1
            if number == left.start:
                # What was compiled is no step's time.
                jax.block_until_ready(state)
                history.restart_clock()
            validates = made % given.validate_every == 0 or made == steps.stop
            if validates or made % _TELL_EVERY == 0:
                line = history.tell_errors(made, phase, people_of=given.people_of)
                said = f"loss {line['loss']:.3f}, {line.get('images_per_s', 0):.0f} images/s"
                move(made - steps.start, message=f"{said}{history.last_scores}")
            if validates:
                scores = given.validate(state.average)
                history.tell_scores(made, phase, scores)
                kept = (state.params, state.moments)
                checkpoints.save(made, state.average, kept, metric=given.metric(scores))
                history.restart_clock()
    return state


def write_results(out: Path, config: Config, given: Run, history: History, best: Saved) -> None:
    """Write the best model, the curves and ``result.json``."""
    left_out = (*given.learning.left_out, *given.validating.left_out)
    facts = {
        "dataset": config.dataset,
        "preset": config.preset,
        "architecture": given.architecture.name,
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "people": len(given.learning.records),
        "validated": len(given.validating.records),
        "left_out": len(left_out),
        "left_out_because": [list(one) for one in left_out[:_MOST_NAMED]],
        "plan": dataclasses.asdict(given.plan),
        "best_step": best.step,
        "pck": history.pck_of(best.step),
        "images_per_s": history.speeds,
    }
    save_fitted(out / "model", TrainedCascade(best.params, given.architecture, facts))
    write_image(out / "curves.png", pixels(curves(history.lines)))
    write_json(out / "result.json", facts)


if __name__ == "__main__":
    run(Config, main, __doc__)
