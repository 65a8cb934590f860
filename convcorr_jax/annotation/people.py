"""The package's person cascade as a method: the joints of the person with the highest score, by their names."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from types import MappingProxyType
from typing import Any, ClassVar

import jax
import numpy as np
import optax

from convcorr_jax import coords
from convcorr_jax.annotation import heads
from convcorr_jax.annotation.methods import FittedHeads, FoundShape, OneStage, Task, TwoStages, frame_size
from convcorr_jax.annotation.shape import points_of
from convcorr_jax.annotation.stages import Example, Windows
from convcorr_jax.annotation.windows import Features, Photograph, View
from convcorr_jax.arrays import padded_batches
from convcorr_jax.errors import InputError
from convcorr_jax.io import load_fitted
from convcorr_jax.pose import (
    PERSON,
    Architecture,
    Augmentation,
    Batch,
    TrainedCascade,
    augment,
    loss,
    predict_photographs,
    resample_to_frame,
    second_frame,
    torso_of,
)

TUNED = 100
"""The number of examples from which on the cascade learns."""
_SIDES = {"left": "l", "l": "l", "right": "r", "r": "r"}
_TOGETHER = 8
# Those of the last training of the package's cascade; torsos are unknown where they are in prediction.
_AUGMENTATION = Augmentation(degrees=60.0, scales=(0.7, 1.4), shift=0.08, margin=0.25)
_RATE, _GREATEST_NORM, _WARM_UP = 1e-3, 1.0, 0.05


@cache
def _cascade() -> TrainedCascade:
    return load_fitted(PERSON, TrainedCascade)


@dataclass(frozen=True, eq=False)
class PersonCascade(FittedHeads):
    """A cascade that was trained on people, and learns nothing from examples."""

    name: ClassVar[str] = "person cascade"
    designs: ClassVar[tuple[heads.Design, ...]] = ()

    cascade: TrainedCascade = field(default_factory=_cascade)

    @classmethod
    def plan(cls, task: Task, examples: Sequence[Example], *, steps: int) -> "PersonCascade":
        """Check that the cascade has the points."""
        joints(task.names)
        return cls(task, frame_size(task.aspect, 1.0), steps)

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
            found += predict_photographs(self.cascade, loaded, mirrored=True)[:own]
        return [
            [FoundShape(one.points[order], np.clip(one.scores[order], 0, 1), np.zeros(len(order)))]
            for one in found
        ]


@dataclass(frozen=True, eq=False)
class TunedCascade(PersonCascade):
    """The cascade, whose nets learn on from examples on the same layers of its front.

    They minimize the robust loss of the joint phase (`convcorr_jax.pose.loss`) in frames such as those of both
    passes of a prediction: whole photographs with one person, and, by the labelled joints, the square around
    each person's torso.
    """

    name: ClassVar[str] = "tuned person cascade"
    # A step takes several times as long as one of heads.
    folds: ClassVar[int] = 2

    @classmethod
    def plan(cls, task: Task, examples: Sequence[Example], *, steps: int) -> PersonCascade:
        """Plan half the steps of heads."""
        return super().plan(task, examples, steps=steps // 2)

    def windows(
        self, examples: Sequence[Example], *, count: int, rng: np.random.Generator
    ) -> tuple[Windows, ...]:
        """Return frames with their surroundings: features are images and torsos, cells are joints in pixels."""
        some = examples[:count]
        frames = [(number, *one) for number, each in enumerate(some) for one in self._frames_of(each)]
        numbers, pixels, points, torsos = map(np.array, zip(*frames, strict=True))
        targets = heads.Targets(points[:, None], np.ones(points.shape[:2], np.float32))
        return (Windows((pixels, torsos), targets, numbers),)

    def _frames_of(self, example: Example) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Return the image, the joints and the torso of each frame."""
        architecture, photograph = self.cascade.architecture, example.photograph.load()
        size, names, found = architecture.input_size, np.array(architecture.joints), []
        margin_px = round(_AUGMENTATION.margin * max(size))
        for shape in example.objects:
            person = np.full((len(names), 2), np.nan)
            person[list(joints(self.task.names))] = points_of(shape)
            known = np.isfinite(person[:, 0])
            has_torso = any(name.endswith(("shoulder", "hip")) for name in names[known])
            boxes: list[coords.Box | None] = [] if has_torso and len(example.objects) > 1 else [None]
            if has_torso:
                whole = coords.whole_image(example.size)
                boxes.append(second_frame(person[known], names[known].tolist(), whole))
            for box in boxes:
                image, to_frame = resample_to_frame(photograph, box, size, margin_px=margin_px)
                found.append((image, np.float32(to_frame(person)), np.float32(torso_of(box, to_frame))))
        return found

    def fit(self, windows: Sequence[Windows], *, members: int = 1, seed: int = 0) -> "TunedCascade":
        """Train one cascade, whatever the number of members."""
        ((pixels, torsos), targets, _), params = windows[0], dict(self.cascade.params)
        front, rng = {"front": params.pop("front")}, np.random.default_rng(seed)
        state, warm_up = _OPTIMIZER.init(params), round(_WARM_UP * self.steps)
        rates = optax.warmup_cosine_decay_schedule(0.0, _RATE, warm_up, self.steps)
        for step, key in enumerate(jax.random.split(jax.random.key(seed), self.steps)):
            rows = rng.integers(len(pixels), size=_TOGETHER)
            batch = Batch(pixels[rows], targets.cells[rows, 0], torsos[rows])
            params, state = _step(
                params, state, front, key, batch, rates(step), architecture=self.cascade.architecture
            )
        facts = {"frames": len(pixels), "steps": self.steps, "seed": seed, "initial": self.cascade.training}
        return replace(self, cascade=replace(self.cascade, params=params | front, training=facts))


_OPTIMIZER = optax.chain(optax.clip_by_global_norm(_GREATEST_NORM), optax.adamw(1.0))


@partial(jax.jit, static_argnames=("architecture",))
def _step(params, state, front, key, batch, rate, *, architecture: Architecture) -> tuple[Any, Any]:
    augment_keys, loss_keys = jax.random.split(key, (2, len(batch.points)))
    batch = augment(
        augment_keys,
        batch,
        left_right_pairs=architecture.left_right_pairs,
        size=architecture.input_size,
        augmentation=_AUGMENTATION,
    )

    def error(params):
        return loss(loss_keys, params | front, batch, architecture=architecture, phase="joint", robust=True)[0]

    updates, state = _OPTIMIZER.update(jax.grad(error)(params), state, params)
    return jax.tree.map(lambda old, update: old + rate * update, params, updates), state


def joints(names: Sequence[str]) -> tuple[int, ...]:
    """Return the cascade's joint of each name, such as ``r_ankle``, ``rightAnkle`` or ``Ankle right``.

    Raises:
        InputError: the cascade lacks a joint of this name, or two names are of one joint.
    """
    known = _cascade().architecture.joints
    places = []
    for name in names:
        words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]
        side = [_SIDES[word] for word in words if word in _SIDES]
        joint = "_".join([*side, *(word for word in words if word not in _SIDES)])
        if joint not in known:
            raise InputError(f"the person cascade has no joint {name!r}; it has {', '.join(known)}")
        if known.index(joint) in places:
            raise InputError(f"{name!r} and another point are the joint {joint!r} of the person cascade, both")
        places.append(known.index(joint))
    return tuple(places)


Method = OneStage | TwoStages | PersonCascade
METHODS: Mapping[str, type[Method]] = MappingProxyType(
    {kind.name: kind for kind in (OneStage, TwoStages, PersonCascade, TunedCascade)}
)
"""The methods by their names."""
