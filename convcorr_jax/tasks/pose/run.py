"""What stays fixed during a training run: people, plan and architecture."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from convcorr_jax.datasets.records import Record
from convcorr_jax.errors import InputError
from convcorr_jax.pose import Architecture, Batch, cascade
from convcorr_jax.runtime import devices
from convcorr_jax.tasks.pose.batches import sampled_rows
from convcorr_jax.tasks.pose.examples import Part, People, prepare, read_people, sides_of
from convcorr_jax.tasks.pose.options import Hosts, PoseData, TrainingConfig
from convcorr_jax.tasks.pose.plans import Plan, architecture_of, plan_of
from convcorr_jax.tasks.pose.validation import Scores, validate


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """Everything that all steps of a training run share.

    Attributes:
        dataset: name of the data set.
        plan: steps, batch size and learning rates of the phases.
        architecture: of the cascade.
        training: the people that the cascade learns from.
        validation: the people that choose the checkpoint.
        validate_every: number of steps between validations.
        seed: of initialization, sampling, augmentation and dropout.
        sides: whose left is left, in words.
        scale: whether the frames are normalized by the people's sizes, where the data set has them.
    """

    dataset: str
    plan: Plan
    architecture: Architecture
    training: People
    validation: People
    validate_every: int
    seed: int
    sides: str
    scale: bool

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the result of a step; checkpoints of another identity are not continued."""
        return {
            "architecture": dataclasses.asdict(self.architecture),
            "plan": dataclasses.asdict(self.plan),
            "dataset": self.dataset,
            "people": len(self.training.records),
            "seed": self.seed,
            "sides": self.sides,
            "scale": self.scale,
        }

    def batch(self, step: int) -> Batch:
        """Return this host's part of a step's batch, divided among its devices."""
        rows = self._rows(step)[devices.rows_here(self.plan.batch)]
        return devices.shard(self.training.batch(rows))

    def validate(self, params: cascade.Params) -> Scores:
        """Compute PCK on the people for validation, on one device."""
        return validate(
            devices.first_copy(params),
            self.validation,
            architecture=self.architecture,
            batch=self.plan.batch,
        )

    def metric(self, scores: Scores) -> float:
        """Return the metric that compares checkpoints: the mean PCK.

        It is that of the cascade, or that of the coarse net if no other net is trained.
        """
        return float(np.mean(scores.cascade if self.plan.has_cascade else scores.coarse))

    def people_of(self, step: int) -> list[str]:
        """Return the source ids of the people in a step's batch."""
        return [self.training.records[row].source_id for row in self._rows(step)]

    def _rows(self, step: int) -> np.ndarray:
        people, batch = len(self.training.records), self.plan.batch
        return sampled_rows(step, people=people, batch=batch, seed=self.seed)


def read_part(data: PoseData, part: Part) -> tuple[Record, ...]:
    """Read the people of one part of the data that the options name.

    Args:
        data: the options.
        part: which part to read.

    Raises:
        InputError: the people cannot be read (see `read_people`).
    """
    return read_people(
        data.dataset,
        part=part,
        data_root=data.data_root,
        rendered=data.rendered_train,
        sides=data.sides,
    )


def prepare_run(config: TrainingConfig) -> TrainingRun:
    """Check the options, connect the hosts, read the people and choose plan and architecture.

    Raises:
        InputError: an option is out of its range, or the people cannot be read.
    """
    training, data = config.training, config.data
    plan = plan_of(training)
    _check(config, plan)
    _set_up_devices(config.hosts, batch=plan.batch)
    records = {part: read_part(data, part) for part in ("train", "validation")}
    architecture = architecture_of(training, records["train"][0])
    people = {
        part: prepare(chosen, architecture, damaged=data.damaged, scale=data.scale)
        for part, chosen in records.items()
    }
    return TrainingRun(
        data.dataset,
        plan,
        architecture,
        people["train"],
        people["validation"],
        training.validate_every,
        training.seed,
        sides_of(records["train"][0].names, sides=data.sides),
        data.scale,
    )


def _check(config: TrainingConfig, plan: Plan) -> None:
    training, hosts = config.training, config.hosts
    minimums = {
        "batch": (plan.batch, 1),
        "validate_every": (training.validate_every, 1),
        "seed": (training.seed, 0),
        "hosts": (hosts.hosts, 1),
    }
    for name, (value, minimum) in minimums.items():
        if value < minimum:
            raise InputError(f"{name} is {value}; at least {minimum} is expected")
    if min(plan.steps) < 0 or not any(plan.steps):
        raise InputError(
            f"steps are {plan.steps}; numbers of at least 0, one of them positive, are expected"
        )
    if not all(0 < rate < math.inf for rate in plan.rates):
        raise InputError(f"rates are {plan.rates}; positive numbers are expected")
    if hosts.hosts > 1 and hosts.coordinator is None:
        raise InputError(f"{hosts.hosts} hosts need the address of a coordinator")


def _set_up_devices(hosts: Hosts, *, batch: int) -> None:
    devices.use_cores(max(1, batch // hosts.hosts))
    if hosts.coordinator is not None:
        devices.initialize(hosts.coordinator, hosts=hosts.hosts, host=hosts.host)
