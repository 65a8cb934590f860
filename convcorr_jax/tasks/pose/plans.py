"""What a training run trains: the plan of its phases and the architecture of its cascade, from the options."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from convcorr_jax.datasets.records import Record
from convcorr_jax.pose import PHASES, Architecture, Phase, flic, mpii, small
from convcorr_jax.tasks.pose.options import Preset, Training


@dataclass(frozen=True)
class Plan:
    """The number of steps, the size of batches and the learning rates of a training run.

    Attributes:
        steps: number of steps of the phases coarse, fine and joint; a phase with 0 steps is left out.
        batch: people in a step, on all devices of all hosts together.
        rates: greatest learning rate of each phase.
    """

    steps: tuple[int, int, int]
    batch: int = 32
    rates: tuple[float, float, float] = (2e-3, 2e-3, 5e-4)

    def range_of(self, phase: Phase) -> range:
        """Return the numbers of a phase's steps; steps are counted through all phases.

        >>> Plan((5, 3, 2)).range_of("fine")
        range(5, 8)
        """
        number = PHASES.index(phase)
        first = sum(self.steps[:number])
        return range(first, first + self.steps[number])

    def rate_of(self, phase: Phase) -> float:
        """Return the greatest learning rate of a phase."""
        return self.rates[PHASES.index(phase)]

    @property
    def has_cascade(self) -> bool:
        """Whether more than the coarse net is trained."""
        return any(self.steps[1:])


PLANS: Mapping[Preset, Plan] = MappingProxyType(
    {
        # Less than an hour on two processor cores, at 0.52, 0.69 and 1.1 s a step.
        "small": Plan((2200, 400, 1500), rates=(5e-3, 2e-3, 2e-3)),
        "paper-flic": Plan((60_000, 20_000, 20_000)),
        "paper-mpii": Plan((120_000, 40_000, 40_000)),
    }
)
"""The plan of each preset."""


def plan_of(training: Training) -> Plan:
    """Return the preset's plan with the steps, batch size and rates that the options set.

    >>> plan_of(Training(batch=8)).batch
    8
    """
    return dataclasses.replace(
        PLANS[training.preset], **_set_options(training, "steps", "batch", "rates")
    )


def architecture_of(training: Training, person: Record) -> Architecture:
    """Return the preset's architecture with the pooling, cascade, dropout and type that the options set.

    Args:
        training: the options.
        person: a record of the data set. The architecture gets this record's joints, unless they include all
            joints of the preset.

    Raises:
        InputError: no cascade can have such an architecture.
    """
    names, pairs = person.names, person.left_right_pairs
    presets = {"small": partial(small, names, pairs), "paper-flic": flic, "paper-mpii": mpii}
    preset = presets[training.preset]
    architecture = preset(**_set_options(training, "pooling"), cascade=training.cascade)
    if not set(architecture.joints) <= set(names):
        architecture = dataclasses.replace(architecture, joints=names, left_right_pairs=pairs)
    return dataclasses.replace(
        architecture, dtype=training.dtype, **_set_options(training, "spatial_dropout")
    )


def _set_options(training: Training, *names: str) -> dict[str, Any]:
    """Return those of the options that are not left to the preset."""
    options = {name: getattr(training, name) for name in names}
    return {name: value for name, value in options.items() if value is not None}
