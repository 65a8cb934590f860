"""A trained pose cascade as a value that can be saved and applied to photographs.

`convcorr_jax.io.save_fitted` and `convcorr_jax.io.load_fitted` write and read it. Parameters are stored in half
precision: that keeps three digits of each, which moves no joint by a noticeable part of a pixel, and makes a
model small enough to be shipped with the package. A pretrained front comes from the installed weights of its
network; the model has the changes of the layers that were trained (`convcorr_jax.pose.front_changes`).
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from jaxtyping import Float, UInt8

from convcorr_jax import coords
from convcorr_jax.backbone import weights
from convcorr_jax.errors import InputError
from convcorr_jax.io import Expected, Fitted, check_fields
from convcorr_jax.pose import cascade, front_changes
from convcorr_jax.pose.architecture import Architecture, from_dict
from convcorr_jax.pose.framing import frame_of_box, resample_to_frame, second_frame, torso_of

PERSON = Path(__file__).with_name("person.npz")
"""The cascade for people that is shipped with the package; ``person.md`` beside it describes its training."""


@dataclass(frozen=True, eq=False)
class TrainedCascade:
    """A pose cascade with trained parameters, and facts about the training, as JSON stores them."""

    kind: ClassVar[str] = "pose cascade"

    params: cascade.Params
    architecture: Architecture
    training: Mapping[str, Any]

    @property
    def threshold(self) -> float | None:
        """The least presence of a person, if the facts on the training state one."""
        return self.training.get("presence_threshold")

    def to_fitted(self) -> Fitted:
        """Return the parameters in half precision, by their paths, and everything else as facts.

        Of a pretrained front, the layers that training does not change are left out, and the others are stored
        as their change in 8 bits; the facts have a hash of its pretrained weights.

        Raises:
            InputError: a parameter is not finite in half precision, or the weights of the front are not here.
        """
        params, front = dict(self.params), self.architecture.front
        arrays: dict[str, np.ndarray] = {}
        facts: dict[str, Any] = {
            "architecture": dataclasses.asdict(self.architecture),
            "training": dict(self.training),
        }
        if "front" in params:
            trained = weights.load(front).params
            facts["front_weights"] = front_changes.fingerprint(trained, front=front)
            front_arrays = front_changes.changes(params.pop("front"), trained, front=front)
            arrays |= {f"front/{name}": values for name, values in front_arrays.items()}
        arrays |= {name: np.asarray(values) for name, values in _flat(params).items()}
        with np.errstate(over="ignore"):
            stored = {
                name: values if values.dtype == np.int8 else values.astype(np.float16)
                for name, values in arrays.items()
            }
        for name, values in stored.items():
            if not np.isfinite(values).all():
                raise InputError(f"parameters {name!r} are not all finite in half precision")
        return Fitted(stored, facts)

    @classmethod
    def expected_arrays(cls, facts: Mapping[str, Any]) -> Mapping[str, Expected]:
        """Return type and shape of every parameter of the architecture that the facts describe."""
        fields: dict[str, Any] = {"architecture": dict[str, Any], "training": dict[str, Any]}
        if "front_weights" in facts:
            fields["front_weights"] = str
        check_fields(dict(facts), fields, name="model")
        architecture = from_dict(facts["architecture"])
        shapes = dict(_parameter_shapes(architecture))
        expected = {}
        if "front" in shapes:
            in_front = front_changes.expected_arrays(shapes.pop("front"), front=architecture.front)
            expected = {f"front/{name}": each for name, each in in_front.items()}
        return expected | {
            name: Expected(np.floating, leaf.shape, finite=True) for name, leaf in _flat(shapes).items()
        }

    @classmethod
    def from_fitted(cls, fitted: Fitted) -> "TrainedCascade":
        """Return the cascade with its parameters in single precision.

        Raises:
            InputError: the weights of the front are not here, or are not those that were changed.
        """
        architecture = from_dict(fitted.facts["architecture"])
        in_front = {
            name.removeprefix("front/"): values
            for name, values in fitted.arrays.items()
            if name.startswith("front/")
        }
        params = traverse_util.unflatten_dict(
            {
                tuple(name.split("/")): jnp.float32(values)
                for name, values in fitted.arrays.items()
                if not name.startswith("front/")
            }
        )
        front = architecture.front
        if in_front:
            trained = weights.load(front).params
            found = front_changes.fingerprint(trained, front=front)
            if fitted.facts.get("front_weights") != found:
                raise InputError(
                    f"the installed weights of {front} are not those from which this model was trained"
                )
            params["front"] = front_changes.apply_changes(in_front, trained, front=front)
        return cls(params, architecture, dict(fitted.facts["training"]))


@functools.lru_cache(maxsize=8)
def _parameter_shapes(architecture: Architecture) -> Mapping[str, Any]:
    """Return the parameters of an architecture as shapes."""
    return jax.eval_shape(lambda: cascade.init(jax.random.key(0), architecture))


def _flat(params: cascade.Params) -> dict[str, Any]:
    """Return the leaves of nested parameters, by their paths such as ``coarse/params/joints/kernel``."""
    return traverse_util.flatten_dict(params, sep="/")


class FoundJoints(NamedTuple):
    """The joints of a person."""

    points: Float[np.ndarray, "j 2"]
    """Pixels of the photograph."""
    scores: Float[np.ndarray, " j"]
    """About 1 where the coarse net is certain."""
    presence: float
    """How certain it is that there is a person: the mean of `cascade.Prediction.presence` in all passes."""


def predict_photograph(
    model: TrainedCascade,
    photograph: UInt8[np.ndarray, "height width 3"],
    *,
    box: coords.Box | None = None,
    mirrored: bool = True,
    rotated: bool = True,
    subcell: bool = True,
) -> FoundJoints:
    """Predict the joints of a person in a photograph, as `predict_photographs` does."""
    options = {"mirrored": mirrored, "rotated": rotated, "subcell": subcell}
    return predict_photographs(model, [photograph], box=box, **options)[0]


def predict_photographs(
    model: TrainedCascade,
    photographs: Sequence[UInt8[np.ndarray, "_ _ 3"]],
    *,
    box: coords.Box | None = None,
    mirrored: bool = True,
    rotated: bool = True,
    subcell: bool = True,
) -> list[FoundJoints]:
    """Predict the joints of a person in each photograph, in one batch, whose size is compiled for.

    A cascade that was trained on squares around the torso predicts in two passes if the person's box is unknown
    (see `convcorr_jax.pose.framing`). The options are those of `cascade.predict`.

    Args:
        box: the person from head to feet, in pixels, whose middle stands for that of the torso; None for the
            person with the highest score.

    Raises:
        InputError: the box has no area or does not meet a photograph.
    """
    architecture = model.architecture
    frame = None
    if box is not None:
        for photograph in photographs:
            coords.check_meets(box, photograph.shape[:2])
        frame = frame_of_box(box, architecture=architecture)

    def found_in(frames: Sequence[coords.Box | None], around: Sequence[coords.Box | None]) -> list[FoundJoints]:
        looks = [
            resample_to_frame(photograph, one, architecture.input_size)
            for photograph, one in zip(photographs, frames, strict=True)
        ]
        torsos = [torso_of(one, look.transform) for one, look in zip(around, looks, strict=True)]
        prediction = cascade.predict(
            model.params,
            np.stack([look.image for look in looks]),
            np.stack(torsos).astype(np.float32),
            architecture=architecture,
            mirrored=mirrored,
            rotated=rotated,
            subcell=subcell,
        )
        points, scores = (np.asarray(each, np.float64) for each in (prediction.points, prediction.scores))
        presences = np.asarray(prediction.presence).tolist()
        return [
            FoundJoints(look.transform.inverse(of_one), score, presence)
            for look, of_one, score, presence in zip(looks, points, scores, presences, strict=True)
        ]

    count = len(photographs)
    found = found_in([frame] * count, [box] * count)
    if architecture.frame_px is None or box is not None:
        return found
    second = [
        second_frame(one.points, architecture.joints, coords.whole_image(photograph.shape[:2]))
        for one, photograph in zip(found, photographs, strict=True)
    ]
    return [
        last._replace(presence=(first.presence + last.presence) / 2)
        for first, last in zip(found, found_in(second, second), strict=True)
    ]
