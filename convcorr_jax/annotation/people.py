"""The package's person cascade as a method: the joints of the person with the highest score, by their names."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from convcorr_jax.annotation import heads
from convcorr_jax.annotation.methods import FittedHeads, FoundShape, OneStage, Task, TwoStages, frame_size
from convcorr_jax.annotation.stages import Example, Windows
from convcorr_jax.annotation.windows import Features, Photograph, View
from convcorr_jax.arrays import padded_batches
from convcorr_jax.errors import InputError
from convcorr_jax.io import load_fitted
from convcorr_jax.pose import PERSON, TrainedCascade, predict_photographs

_SIDES = {"left": "l", "l": "l", "right": "r", "r": "r"}
_TOGETHER = 8


@dataclass(frozen=True, eq=False)
class PersonCascade(FittedHeads):
    """A cascade that was trained on people, and learns nothing from examples."""

    name: ClassVar[str] = "person cascade"
    designs: ClassVar[tuple[heads.Design, ...]] = ()

    @classmethod
    def plan(cls, task: Task, examples: Sequence[Example], *, steps: int) -> "PersonCascade":
        """Check that the cascade has the points."""
        joints(task.names)
        return cls(task, frame_size(task.aspect, 1.0), 0)

    def views(self, photograph: Photograph) -> list[View]:
        """Return none, because the cascade sees photographs itself."""
        return []

    def windows(
        self, examples: Sequence[Example], *, count: int, rng: np.random.Generator
    ) -> tuple[Windows, ...]:
        """Return none, because nothing is learned."""
        return ()

    def predict(self, photographs: Sequence[Photograph], seen: Features) -> list[list[FoundShape]]:
        """Return one person of each photograph, by its mean with mirrored and turned copies."""
        order, found = list(joints(self.task.names)), []
        for rows, own in padded_batches(len(photographs), size=min(_TOGETHER, len(photographs))):
            loaded = [photographs[row].load() for row in rows]
            found += predict_photographs(_cascade(), loaded, mirrored=True)[:own]
        return [
            [FoundShape(one.points[order], np.clip(one.scores[order], 0, 1), np.zeros(len(order)))]
            for one in found
        ]


@cache
def _cascade() -> TrainedCascade:
    return load_fitted(PERSON, TrainedCascade)


def joints(names: Sequence[str]) -> tuple[int, ...]:
    """Return the cascade's joint of each name, such as ``r_ankle``, ``rightAnkle`` or ``Ankle right``.

    Raises:
        InputError: the cascade lacks a joint of this name.
    """
    known = _cascade().architecture.joints
    places = []
    for name in names:
        words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]
        side = [_SIDES[word] for word in words if word in _SIDES]
        joint = "_".join([*side, *(word for word in words if word not in _SIDES)])
        if joint not in known:
            raise InputError(f"the person cascade has no joint {name!r}; it has {', '.join(known)}")
        places.append(known.index(joint))
    return tuple(places)


Method = OneStage | TwoStages | PersonCascade
METHODS: Mapping[str, type[Method]] = MappingProxyType(
    {kind.name: kind for kind in (OneStage, TwoStages, PersonCascade)}
)
"""The methods by their names."""
