"""Options that the pose scripts share: the parts of their ``Config``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from convcorr_jax.datasets.ground_truth import Sides
from convcorr_jax.errors import InputError
from convcorr_jax.pose import Cascade, DType, Pooling
from convcorr_jax.tasks.options import Output
from convcorr_jax.tasks.pose.examples import Damaged
from convcorr_jax.tasks.reading import RENDERED

Preset = Literal["small", "person", "paper-flic", "paper-mpii"]


@dataclass(frozen=True)
class PoseData:
    """Which people to read."""

    dataset: tuple[str, ...] = (RENDERED,)
    """``rendered``, or names or paths of data sets' folders with the same joints. In training, people of the
    first one choose the checkpoint, and all people of the others outside their test split train."""
    data_root: Path | None = None
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
        """Refuse options out of their range.

        Raises:
            InputError: ``batch`` is not positive.
        """
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
    pooling: Pooling | None = None
    """Pixels of the input for one cell of a heat-map."""
    cascade: Cascade = "shared"
    """Whether the input of the fine net is the coarse net's features or the image."""
    spatial_dropout: float | None = None
    """Probability that a map is dropped."""
    dtype: DType = "float32"
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
