"""What stays fixed during a training run: people, plan and architecture."""

import dataclasses
import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from jaxtyping import Float, Int

from convcorr_jax.datasets import Absent, Record
from convcorr_jax.errors import InputError
from convcorr_jax.io import load_fitted
from convcorr_jax.pose import Architecture, Batch, FeatureBatch, Phase, TrainedCascade, cascade
from convcorr_jax.runtime import devices
from convcorr_jax.runtime.runlog import plain
from convcorr_jax.tasks.pose.batches import Draw, FeatureCache, Sampling, checksum, with_pretrained_front
from convcorr_jax.tasks.pose.options import Hosts, Plan, PoseData, TrainingConfig, architecture_of, plan_of
from convcorr_jax.tasks.pose.people import Part, People, prepare, read_people, sides_of
from convcorr_jax.tasks.pose.step import phase_optimizer
from convcorr_jax.tasks.pose.validation import Scores, validate


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """Everything that all steps of a training run share.

    ``records`` and ``unread`` are the people of all hosts; ``training`` and ``validation`` are this host's
    part, whose ``numbers`` in ``records`` are known. People whose image cannot be read count in ``records`` and
    ``validated``.
    """

    dataset: str
    plan: Plan
    architecture: Architecture
    records: tuple[Record, ...]
    sampling: Sampling
    training: People
    numbers: Int[np.ndarray, " n"]
    validation: People
    unread: tuple[Absent, ...]
    unread_validation: tuple[Absent, ...]
    validated: int
    validate_every: int
    sides: str
    scale: bool
    cache: Path
    initial: TrainedCascade | None

    @property
    def seed(self) -> int:
        """The seed of initialization, sampling, augmentation and dropout."""
        return self.sampling.seed

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that determine the weights; a checkpoint with other settings is not continued.

        ``steps`` may change as `Plan.check_extends` allows.
        """
        plan = plain(self.plan)
        initial = {} if self.initial is None else {"initial": checksum(self.initial.params)}
        return {
            "architecture": dataclasses.asdict(self.architecture),
            "steps": plan.pop("steps"),
            "plan": plan,
            "dataset": self.dataset,
            "people": len(self.records),
            "seed": self.seed,
            "sides": self.sides,
            "scale": self.scale,
            **initial,
        }

    def optimizer(self, phase: Phase) -> optax.GradientTransformation:
        """Return the optimizer of a phase."""
        plan = self.plan
        return phase_optimizer(
            phase,
            steps=len(plan.range_of(phase)),
            rate=plan.rate_of(phase),
            front_rate=plan.front_rate,
            weight_decay=plan.weight_decay,
        )

    def initial_params(self) -> cascade.Params:
        """Return the parameters before the first step.

        They are those of the initial model. Without one, they are random, but the spatial model has the joints'
        displacements in the training set, and a front the layers of its pretrained network.
        """
        if self.initial is not None:
            return self.initial.params
        params = cascade.init(jax.random.key(self.seed), self.architecture)
        if self.architecture.front != "none":
            params = with_pretrained_front(
                params, self.records, architecture=self.architecture, scale=self.scale, folder=self.cache
            )
        return cascade.with_priors(params, *self.points_and_torsos(), architecture=self.architecture)

    def points_and_torsos(self) -> tuple[Float[np.ndarray, "n j 2"], Float[np.ndarray, "n 2"]]:
        """Return the joints and the torsos of the training people of all hosts, in the input frame."""
        numbers = devices.from_all_hosts(self.numbers)
        # Hosts may have the same people.
        rows = np.unique(numbers, return_index=True)[1]
        points, torsos = map(devices.from_all_hosts, (self.training.points, self.training.torso))
        return points[rows], torsos[rows]

    def loader(self, phase: Phase, params: cascade.Params) -> Callable[[int], Batch | FeatureBatch]:
        """Return the function from a step to this host's part of its batch, divided among its devices.

        Features that the phase needs are cached before this returns.
        """

        def load(step: int) -> Batch | FeatureBatch:
            return devices.shard(self.training.batch(self._draw(step).rows))

        if phase != "coarse" or self.architecture.front == "none":
            return load
        features = FeatureCache(
            params["front"], self.training, self.numbers, self.architecture, self.plan, self.seed, self.cache
        )
        last = self._draw(self.plan.range_of(phase)[-1])
        features.complete(epochs=int(last.epochs.max()) + 1)

        def load_features(step: int) -> Batch | FeatureBatch:
            return devices.shard(features.batch(*self._draw(step)))

        return load_features

    def clear_cache(self) -> None:
        """Remove the cached features, if there are any."""
        if self.cache.is_dir():
            shutil.rmtree(self.cache)

    def validate(self, params: cascade.Params) -> Scores:
        """Compute PCK on the people for validation, each host on its part of them, on all its devices."""
        return validate(
            devices.first_copy(params), self.validation, architecture=self.architecture, batch=self.plan.batch
        )

    def metric(self, scores: Scores) -> float:
        """Return the metric that compares checkpoints: the mean PCK.

        It is that of the cascade, or that of the coarse net if no other net is trained.
        """
        return float(np.mean(scores.cascade if self.plan.has_cascade else scores.coarse))

    def people_of(self, step: int) -> list[str]:
        """Return the source ids of the people in this host's part of a step's batch."""
        return [self.training.records[row].source_id for row in self._draw(step).rows]

    def _draw(self, step: int) -> Draw:
        here = devices.rows_here(self.plan.batch)
        return self.sampling.draw(step, numbers=self.numbers, places=here)


def read_part(data: PoseData, part: Part) -> tuple[Record, ...]:
    """Read the people of one part of the data that the options name.

    Only people of the first data set validate; of the others, all outside the test split train.
    """
    if not data.dataset:
        raise InputError("dataset names no data set; at least one is expected")
    if len(set(data.dataset)) < len(data.dataset):
        raise InputError(f"dataset {data.name} names a data set twice; its people would train on themselves")
    read = partial(read_people, data_root=data.data_root, rendered=data.rendered_train, sides=data.sides)
    first, *others = data.dataset
    people = list(read(first, part=part))
    if part != "validation":
        parts: tuple[Part, ...] = ("train", "validation") if part == "train" else ("test",)
        people += [person for name in others for one in parts for person in read(name, part=one)]
    if len({person.names for person in people}) > 1:
        raise InputError(f"the people of {data.name} have different joints; the same are expected")
    return tuple(people)


def prepare_run(config: TrainingConfig) -> TrainingRun:
    """Check the options, connect the hosts, read the people and choose plan and architecture."""
    training, data = config.training, config.data
    plan = plan_of(training)
    _check(config, plan)
    _set_up_devices(config.hosts, batch=plan.batch)
    records = {part: read_part(data, part) for part in ("train", "validation")}
    architecture = architecture_of(training, records["train"][0])
    initial = _initial_model(training.initial_checkpoint, architecture)
    framed = partial(prepare, architecture=architecture, damaged=data.damaged, scale=data.scale)
    sampling = Sampling(len(records["train"]), plan.batch, training.seed)
    own = sampling.needed(devices.rows_here(plan.batch))
    people = framed(records["train"], margin=plan.augmentation.margin, rows=own)
    validation = framed(records["validation"], rows=devices.shared_rows(len(records["validation"])))
    number_of = {id(record): number for number, record in enumerate(records["train"])}
    return TrainingRun(
        data.name,
        plan,
        architecture,
        records["train"],
        sampling,
        people,
        np.array([number_of[id(record)] for record in people.records], np.int32),
        validation,
        _of_all_hosts(people.left_out),
        _of_all_hosts(validation.left_out),
        len(records["validation"]),
        training.validate_every,
        sides_of(records["train"][0].names, sides=data.sides),
        data.scale,
        config.output.out / _cache_name(config.hosts),
        initial,
    )


def _initial_model(path: Path | None, architecture: Architecture) -> TrainedCascade | None:
    """Read the model that a run starts from, and refuse one of another architecture."""
    if path is None:
        return None
    model = load_fitted(path, TrainedCascade)
    own, others = (dataclasses.asdict(each) for each in (architecture, model.architecture))
    different = [name for name in own if own[name] != others[name]]
    if different:
        raise InputError(
            f"{path} has another architecture than this run: {', '.join(different)} "
            f"{'differs' if len(different) == 1 else 'differ'}"
        )
    return model


def _of_all_hosts(left_out: Sequence[Absent]) -> tuple[Absent, ...]:
    """Return the people whose image cannot be read, of this host and of all others."""
    lines = "".join(f"{json.dumps(absent)}\n" for absent in left_out).encode()
    text = devices.from_all_hosts(np.frombuffer(lines, np.uint8)).tobytes().decode()
    # Hosts may have the same people.
    return tuple(dict.fromkeys(Absent(*json.loads(line)) for line in text.splitlines()))


def _cache_name(hosts: Hosts) -> str:
    """Return the name of this host's folder of features, as hosts may share the folder of the run."""
    return "features" if hosts.hosts == 1 else f"features_{hosts.host}_of_{hosts.hosts}"


def _check(config: TrainingConfig, plan: Plan) -> None:
    training, hosts = config.training, config.hosts
    minimums = {
        "batch": (plan.batch, 1),
        "copies": (plan.copies, 1),
        "validate_every": (training.validate_every, 1),
        "seed": (training.seed, 0),
        "hosts": (hosts.hosts, 1),
    }
    for name, (value, minimum) in minimums.items():
        if value < minimum:
            raise InputError(f"{name} is {value}; at least {minimum} is expected")
    if min(plan.steps) < 0 or not any(plan.steps):
        raise InputError(f"steps are {plan.steps}; numbers of at least 0, one of them positive, are expected")
    if not all(0 < rate < math.inf for rate in plan.rates):
        raise InputError(f"rates are {plan.rates}; positive numbers are expected")
    if hosts.hosts > 1 and hosts.coordinator is None:
        raise InputError(f"{hosts.hosts} hosts need the address of a coordinator")


def _set_up_devices(hosts: Hosts, *, batch: int) -> None:
    devices.use_cores(max(1, batch // hosts.hosts))
    if hosts.coordinator is not None:
        devices.initialize(hosts.coordinator, hosts=hosts.hosts, host=hosts.host)
