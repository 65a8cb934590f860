"""The options of a training run, and the people, the plan and the architecture that they choose."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from convcorr_jax import pose
from convcorr_jax.datasets import Record
from convcorr_jax.datasets.poses import Sides
from convcorr_jax.errors import InputError
from convcorr_jax.io import load_fitted
from convcorr_jax.tasks.pose.people import Damaged, Part, read_people
from convcorr_jax.tasks.reading import RENDERED, DataRoot, Output, Sources

Preset = Literal["small", "person", "paper-flic", "paper-mpii"]


@dataclass(frozen=True)
class PoseData:
    """Which people to read."""

    dataset: Sources = (RENDERED,)
    """``rendered``, or names or paths of data sets' folders with the same joints. In training, people of the
    first one choose the checkpoint, and all people of the others outside their test split train."""
    data_root: DataRoot = None
    """Folder of data sets; by default $CONVCORR_DATA, or else the user's data folder."""
    rendered_train: int = 1000
    """Number of rendered people for training and validation together; a quarter as many others are for
    testing."""
    damaged: Damaged = "skip"
    """Whether people whose image cannot be read are left out and counted, or refused."""
    sides: Sides | None = None
    """Whose left is left, FLIC only; by default the observer's, as in published figures."""
    scale: bool = True
    """Normalize the frame by each person's size, where the data set has it. Without it, all frames show as many
    pixels of the photograph (the rows "unnormalized" of the paper's Table 4)."""

    @property
    def name(self) -> str:
        """The names of the data sets.

        >>> PoseData(("lspet", "mpii")).name
        'lspet + mpii'
        """
        return " + ".join(self.dataset)


@dataclass(frozen=True)
class PredictionOptions:
    """How joints are predicted."""

    batch: int = 32
    """People that are predicted together."""
    mirrored: bool = True
    """Average heat-maps with those of the mirrored image."""
    rotated: bool = True
    """Average the coarse heat-maps with those of rotated images, if the cascade is made for it: the person
    cascade is, and takes three times as long with them."""
    subcell: bool = True
    """Estimate positions between the cells of heat-maps."""

    def check(self) -> None:
        """Refuse options out of their range."""
        if self.batch < 1:
            raise InputError(f"batch is {self.batch}; at least 1 is expected")


@dataclass(frozen=True)
class Training:
    """Which cascade to train, and how; every option that is None has the value of the preset."""

    preset: Preset = "small"
    """``paper-flic`` and ``paper-mpii`` have the paper's sizes; ``small`` has fewer features and pixels;
    ``person`` has pretrained layers in front, by default those of VGG16. A network predicts its own joints if
    the data set has all of them, otherwise all joints of the data set."""
    front: Literal["alexnet", "vgg16"] | None = None
    """The network whose pretrained layers are the first of the preset ``person``."""
    pooling: pose.Pooling | None = None
    """Pixels of the input for one cell of a heat-map."""
    cascade: pose.Cascade = "shared"
    """Whether the input of the fine net is the coarse net's features or the image."""
    spatial_dropout: float | None = None
    """Probability that a map is dropped."""
    dtype: pose.DType = "float32"
    """Type of the computations."""
    sigma_px: float | None = None
    """Standard deviation of the coarse net's target Gaussians, in pixels of the input."""
    frame_px: float | None = None
    """Side of the square around the torso that the input shows, in pixels of the photograph."""
    initial_checkpoint: Path | None = None
    """The model of an earlier run, the .npz with its .json beside it, whose parameters the run starts from; its
    architecture must be that of the run. By default parameters are random, except a pretrained front."""
    steps: tuple[int, int, int] | None = None
    """Steps of the phases coarse, fine and joint."""
    batch: int | None = None
    """People in a step, on all devices of all hosts together."""
    rates: tuple[float, float, float] | None = None
    """Greatest learning rate of each phase."""
    copies: int | None = None
    """Augmented copies of every person whose features of a pretrained front are cached for the coarse phase."""
    robust: bool = False
    """Joints count less where the net is sure of another place, because their annotations may be wrong."""
    clear_cache: bool = False
    """Remove the cached features when the run has finished."""
    validate_every: int = 500
    """Steps between validations; each validation, and the end of each phase, writes a checkpoint."""
    seed: int = 0
    """Seed of initialization, sampling, augmentation and dropout."""


@dataclass(frozen=True)
class Hosts:
    """The hosts of a run that train together; their ``--out`` is a folder that all of them share."""

    coordinator: str | None = None
    """Address and port of the first host, such as 10.0.0.1:8476; needed on several hosts."""
    hosts: int = 1
    """Number of hosts."""
    host: int = 0
    """Number of this host, from 0."""


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that a training run depends on."""

    data: PoseData = PoseData()
    training: Training = Training()
    hosts: Hosts = Hosts()
    output: Output = Output(Path("runs/pose_cascade"))


@dataclass(frozen=True)
class Plan:
    """The number of steps, the size of batches and the learning rates of a training run.

    A phase with 0 steps is left out. The front's learning rate in the joint phase is in parts of that of the
    other parameters; kernels of coarse and fine net decay; ``copies`` of a person's features of the front are
    cached.
    """

    steps: tuple[int, int, int]
    batch: int = 32
    rates: tuple[float, float, float] = (2e-3, 2e-3, 5e-4)
    augmentation: pose.Augmentation = pose.Augmentation()
    front_rate: float = 0.1
    weight_decay: float = 1e-4
    copies: int = 4
    robust: bool = False

    def range_of(self, phase: pose.Phase) -> range:
        """Return the numbers of a phase's steps; steps are counted through all phases.

        >>> Plan((5, 3, 2)).range_of("fine")
        range(5, 8)
        """
        number = pose.PHASES.index(phase)
        first = sum(self.steps[:number])
        return range(first, first + self.steps[number])

    def check_extends(self, steps: Sequence[int], *, done: int) -> None:
        """Refuse to continue a run that was begun with other numbers of steps, unless phases become longer.

        The phase of the last step done, and those after it, may have other numbers of steps, but not end before
        it.
        """
        first = 0
        for number, (before, now) in enumerate(zip(steps, self.steps, strict=True)):
            is_last = done <= first + before
            if (now != before and not is_last) or (is_last and first + now < done):
                raise InputError(
                    f"{done} steps are done of a run with steps {tuple(steps)}: with steps {self.steps} the "
                    f"phase {pose.PHASES[number]} would not be that of the run; another folder is expected"
                )
            if is_last:
                return
            first += before

    def rate_of(self, phase: pose.Phase) -> float:
        """Return the greatest learning rate of a phase."""
        return self.rates[pose.PHASES.index(phase)]

    @property
    def has_cascade(self) -> bool:
        """Whether more than the coarse net is trained."""
        return any(self.steps[1:])


PLANS: Mapping[Preset, Plan] = MappingProxyType(
    {
        # Less than an hour on two processor cores, at 0.52, 0.69 and 1.1 s a step.
        "small": Plan((2200, 400, 1500), rates=(5e-3, 2e-3, 2e-3)),
        # On two processor cores: eleven minutes for each cached copy, and about 16 ms an image in the coarse
        # phase, 130 ms in the fine one and 170 ms in the joint one.
        "person": Plan(
            (2500, 120, 850),
            rates=(3e-3, 2e-3, 1e-3),
            augmentation=pose.Augmentation(60.0, (0.7, 1.4), 0.08, 0.25, 0.3),
            weight_decay=1e-2,
        ),
        "paper-flic": Plan((60_000, 20_000, 20_000)),
        "paper-mpii": Plan((120_000, 40_000, 40_000)),
    }
)


def plan_of(training: Training) -> Plan:
    """Return the preset's plan with the steps, batch size and rates that the options set.

    >>> plan_of(Training(batch=8)).batch
    8
    """
    changes = _set_options(training, "steps", "batch", "rates", "copies")
    return dataclasses.replace(PLANS[training.preset], robust=training.robust, **changes)


def architecture_of(training: Training, example: Record) -> pose.Architecture:
    """Return the preset's architecture with what the options change of it.

    It gets the joints of the example, a record of the data set, unless they include all joints of the preset.
    """
    names, pairs = example.names, example.left_right_pairs
    if training.preset == "person":
        if training.pooling not in (None, 8) or training.cascade != "shared":
            raise InputError("the preset person has a pooling of 8 and the shared cascade only")
        architecture = pose.person(names, pairs, **_set_options(training, "front"))
    elif training.front is not None:
        raise InputError(f"the preset {training.preset} has no front; front is an option of the preset person")
    else:
        preset = {"small": partial(pose.small, names, pairs), "paper-flic": pose.flic, "paper-mpii": pose.mpii}
        architecture = preset[training.preset](**_set_options(training, "pooling"), cascade=training.cascade)
    if not set(architecture.joints) <= set(names):
        architecture = dataclasses.replace(architecture, joints=names, left_right_pairs=pairs)
    return dataclasses.replace(
        architecture, dtype=training.dtype, **_set_options(training, "spatial_dropout", "sigma_px", "frame_px")
    )


def _set_options(training: Training, *names: str) -> dict[str, Any]:
    """Return those of the options that are not left to the preset."""
    options = {name: getattr(training, name) for name in names}
    return {name: value for name, value in options.items() if value is not None}


def check_options(config: TrainingConfig, plan: Plan) -> None:
    """Refuse options out of their range."""
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


def read_initial_model(path: Path | None, architecture: pose.Architecture) -> pose.TrainedCascade | None:
    """Read the model that a run starts from, and refuse one of another architecture."""
    if path is None:
        return None
    model = load_fitted(path, pose.TrainedCascade)
    own, others = (dataclasses.asdict(each) for each in (architecture, model.architecture))
    different = [name for name in own if own[name] != others[name]]
    if different:
        raise InputError(
            f"{path} has another architecture than this run: {', '.join(different)} "
            f"{'differs' if len(different) == 1 else 'differ'}"
        )
    return model
