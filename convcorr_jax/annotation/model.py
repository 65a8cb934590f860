"""A fitted method with its calibration, which can be saved and applied to other photographs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Complex, Float

from convcorr_jax import coords
from convcorr_jax.annotation import heads
from convcorr_jax.annotation.calibration import RIGHT, Calibration, HeldOut
from convcorr_jax.annotation.methods import MEMBERS, SHAPES, SIDE_STEP, FoundShape, OneStage, Task, TwoStages
from convcorr_jax.annotation.people import METHODS, Method, TunedCascade
from convcorr_jax.annotation.shape import complex_of, diameter, points_of
from convcorr_jax.annotation.stages import Example
from convcorr_jax.annotation.windows import DIRECTIONS, LAYERS, Directions, Extractor, Photograph, look
from convcorr_jax.backbone import NETWORKS, channels
from convcorr_jax.backbone.weights import load
from convcorr_jax.images import resize_longest_side
from convcorr_jax.io import Expected, Fitted, check_fields
from convcorr_jax.labels import FoundObject
from convcorr_jax.pose import TrainedCascade
from convcorr_jax.shapes import Image

LONGEST_PX = 1024
"""Points are searched in copies of photographs that are at most this long."""
_NETWORK = "vgg16"
_OF_TASK = ("swaps", "mirror", "mirrored", "angle_range", "aspect", "spread", "objects", "least_score")
_FACTS = {
    "names": tuple[str, ...], "category": str, "skeleton": tuple[tuple[int, int], ...], "method": str,
    "frame": tuple[int, int], "sizes_px": tuple[float, float], "whole": float, "swaps": tuple[int, ...],
    "mirror": bool, "mirrored": bool, "angle_range": float, "aspect": float, "spread": float, "objects": int,
    "least_score": float, "calibration": dict[str, Any], "labelled": tuple[str, ...], "found": int,
}  # fmt: skip
_MOST_PIXELS = 2**22
_TOGETHER = 16
_HELD_OUT = tuple(f"held_out/{name}" for name in HeldOut._fields[1:])


def find(photographs: Sequence[Photograph], method: Method) -> list[list[FoundShape]]:
    """Return the objects of each photograph; the features of sixteen are in memory at a time."""
    found: list[list[FoundShape]] = []
    for start in range(0, len(photographs), _TOGETHER):
        chunk = photographs[start : start + _TOGETHER]
        views = [(one, view) for one in chunk for view in method.views(one)]
        found += method.predict(chunk, look(method.task.extract, views, kind="whole")[1] if views else ())
    return found


def compare(examples: Sequence[Example], fitted: Method) -> HeldOut:
    """Compare what a method finds in labelled photographs with their labels."""
    found = find([one.photograph for one in examples], fitted)
    names, rows, scores, true = [], [], [], []
    for example, shapes in zip(examples, found, strict=True):
        for points, fit in zip(example.objects, example.fits, strict=True):
            size = diameter(points) or abs(fit.a)
            nearest, error = _nearest(shapes, points, size)
            names.append(example.name)
            rows.append((points, error / size, nearest.confidence, nearest.absent))
        scores += [shape.score for shape in shapes]
        true += [float(_is_one_of(shape, example.objects)) for shape in shapes]
    labels, errors, confidence, absent = map(np.array, zip(*rows, strict=True))
    return HeldOut(tuple(names), labels, errors, confidence, absent, np.array(scores), np.array(true))


def _nearest(
    shapes: Sequence[FoundShape], points: Complex[np.ndarray, " n"], size: float
) -> tuple[FoundShape, Float[np.ndarray, " n"]]:
    """Return the found object that is nearest to a true one, and its errors; its size, if there is none."""
    if not shapes:
        none = np.zeros(len(points))
        missed = np.where(np.isfinite(points), size, np.nan)
        return FoundShape(points_of(points), none + 1e-3, none), missed
    distances = [np.abs(complex_of(shape.points) - points) for shape in shapes]
    best = int(np.argmin([np.nanmedian(each) for each in distances]))
    return shapes[best], distances[best]


def _is_one_of(shape: FoundShape, objects: Sequence[Complex[np.ndarray, " n"]]) -> bool:
    distances = (
        np.nanmedian(np.abs(complex_of(shape.points) - each)) / max(diameter(each), 1.0) for each in objects
    )
    return any(distance < 3 * RIGHT for distance in distances)


@dataclass(frozen=True, eq=False)
class AnnotationModel:
    """A method that finds objects of a category and their points in whole photographs."""

    kind: ClassVar[str] = "annotation model"

    names: tuple[str, ...]
    category: str
    skeleton: tuple[tuple[int, int], ...]
    method: Method
    calibration: Calibration
    held_out: HeldOut | None = None
    """What the calibration is from; None of a model with fewer than five examples."""

    def find_objects(self, images: Sequence[Image]) -> list[list[FoundObject]]:
        """Return the objects of each image, in its own pixels."""
        copies = [resize_longest_side(one, min(LONGEST_PX, max(one.shape[:2]))) for one in images]
        photographs = [Photograph(partial(getattr, one, "image"), one.image.shape[:2]) for one in copies]
        found = find(photographs, self.method)
        return [
            [self.object_of(shape, copy.transform) for shape in shapes]
            for shapes, copy in zip(found, copies, strict=True)
        ]

    def object_of(self, shape: FoundShape, to_copy: coords.Transform) -> FoundObject:
        """Return a shape of a copy in its photograph's own pixels, with calibrated probabilities and radii."""
        points, absent = to_copy.inverse(shape.points), shape.absent >= self.calibration.absent
        confidence = np.where(absent, shape.absent, self.calibration.right(shape.confidence))
        kept = points[~absent] if np.sum(~absent) > 1 else points
        radius = self.calibration.radius(shape.confidence) * diameter(complex_of(kept))
        score = float(np.exp(shape.score))
        return FoundObject(points, confidence, coords.tight_box(kept), score, radius, absent)

    def to_fitted(self) -> Fitted:
        """Return the heads and the projections in half precision, and everything else as facts."""
        task = self.method.task
        arrays: dict[str, np.ndarray] = {"mean": points_of(task.mean)}
        for layer, (mean, basis) in zip(LAYERS, task.extract.directions, strict=True):
            arrays |= {f"{layer}/mean": mean.astype(np.float32), f"{layer}/basis": basis.astype(np.float16)}
        for number, head in enumerate(self.method.params):
            arrays |= {
                f"head{number}/{name}": np.asarray(values).astype(np.float16) for name, values in head.items()
            }
        if isinstance(self.method, OneStage):
            arrays["shapes"] = points_of(self.method.shapes).astype(np.float32)
        labelled, found = (), 0
        if self.held_out is not None:
            labelled, points, *others = self.held_out
            found = len(self.held_out.scores)
            arrays |= dict(zip(_HELD_OUT, (points_of(points), *others), strict=True))
        of_cascade = {}
        if isinstance(self.method, TunedCascade):
            tuned = self.method.cascade.to_fitted()
            arrays |= {f"cascade/{name}": values for name, values in tuned.arrays.items()}
            of_cascade = {"cascade": tuned.facts}
        sizes_px = self.method.sizes_px if isinstance(self.method, TwoStages) else (0.0, 0.0)
        facts = {
            "names": self.names, "category": self.category, "skeleton": self.skeleton,
            "method": self.method.name, "frame": self.method.frame, "sizes_px": sizes_px,
            "whole": self.method.whole if isinstance(self.method, OneStage) else 0.0,
            "calibration": self.calibration.to_json(), "labelled": labelled, "found": found,
            **{name: getattr(task, name) for name in _OF_TASK}, **of_cascade,
        }  # fmt: skip
        return Fitted(arrays, facts)

    @classmethod
    def expected_arrays(cls, facts: Mapping[str, Any]) -> Mapping[str, Expected]:
        """Return the type and shape of every array of a model with these facts."""
        tuned = facts.get("method") == TunedCascade.name
        check_fields(dict(facts), _FACTS | ({"cascade": dict[str, Any]} if tuned else {}), name="model")
        if facts["method"] not in METHODS:
            raise ValueError(f"its method is {facts['method']!r}; {' or '.join(METHODS)} is expected")
        _check_values(facts)
        n, network = len(facts["names"]), NETWORKS[_NETWORK]
        expected = {"mean": Expected(np.floating, (n, 2), finite=True)}
        if facts["method"] == OneStage.name:
            expected["shapes"] = Expected(np.floating, (SHAPES, n, 2))
        if tuned:
            of_cascade = TrainedCascade.expected_arrays(facts["cascade"])
            expected |= {f"cascade/{name}": one for name, one in of_cascade.items()}
        if objects := len(facts["labelled"]):
            shapes = (objects, n, 2), *[(objects, n)] * 3, *[(facts["found"],)] * 2
            expected |= {
                name: Expected(np.floating, shape, finite=name not in _HELD_OUT[:2])
                for name, shape in zip(_HELD_OUT, shapes, strict=True)
            }
        for layer, count in zip(LAYERS, DIRECTIONS, strict=True):
            width = channels(network, layer)
            expected[f"{layer}/mean"] = Expected(np.floating, (width,), finite=True)
            expected[f"{layer}/basis"] = Expected(np.floating, (width, count), finite=True)
        for number, design in enumerate(_designs(facts)):
            for name, shape in heads.shapes(design, DIRECTIONS, n).items():
                expected[f"head{number}/{name}"] = Expected(np.floating, (MEMBERS, *shape), finite=True)
        return expected

    @classmethod
    def from_fitted(cls, fitted: Fitted) -> "AnnotationModel":
        """Return the model, with the installed weights of its network."""
        arrays, facts = fitted.arrays, fitted.facts
        own = [
            {name: arrays[f"{layer}/{name}"].astype(np.float32) for name in Directions._fields}
            for layer in LAYERS
        ]
        task = Task(
            names=tuple(facts["names"]),
            mean=complex_of(arrays["mean"].astype(float)),
            extract=Extractor(load(_NETWORK), tuple(Directions(**each) for each in own)),
            **{name: facts[name] for name in _OF_TASK} | {"swaps": tuple(facts["swaps"])},
        )
        kind = METHODS[facts["method"]]
        params = tuple(
            {
                name: jnp.float32(arrays[f"head{number}/{name}"])
                for name in heads.shapes(design, DIRECTIONS, len(task.mean))
            }
            for number, design in enumerate(_designs(facts))
        )
        method = kind(task, tuple(facts["frame"]), 0, params)
        if isinstance(method, TwoStages):
            method = replace(method, sizes_px=tuple(facts["sizes_px"]))
        if isinstance(method, OneStage):
            shapes = complex_of(arrays["shapes"].astype(float))
            method = replace(method, whole=facts["whole"], shapes=shapes)
        if isinstance(method, TunedCascade):
            tuned = {n.removeprefix("cascade/"): a for n, a in arrays.items() if n.startswith("cascade/")}
            method = replace(method, cascade=TrainedCascade.from_fitted(Fitted(tuned, facts["cascade"])))
        held = [arrays[name].astype(float) for name in _HELD_OUT if name in arrays]
        skeleton = tuple((a, b) for a, b in facts["skeleton"])
        return cls(
            tuple(facts["names"]),
            facts["category"],
            skeleton,
            method,
            Calibration.from_json(facts["calibration"]),
            HeldOut(tuple(facts["labelled"]), complex_of(held[0]), *held[1:]) if held else None,
        )


def _designs(facts: Mapping[str, Any]) -> tuple[heads.Design, ...]:
    """Return the designs of the heads of a model with these facts."""
    kind = METHODS[facts["method"]]
    return kind.designs[:1] if kind is OneStage and facts["whole"] == 1 else kind.designs


def _check_values(facts: Mapping[str, Any]) -> None:
    """Refuse facts of the right types whose values no fitted model has."""
    n, swaps, (height, width), (least, greatest) = (
        len(facts["names"]), facts["swaps"], facts["frame"], facts["sizes_px"],
    )  # fmt: skip
    holds = {
        "names": 0 < n == len(set(facts["names"])),
        "skeleton": all(0 <= place < n for pair in facts["skeleton"] for place in pair),
        "swaps": sorted(swaps) == list(range(n)) and all(swaps[k] == own for own, k in enumerate(swaps)),
        "frame": min(height, width) > 0 == height % SIDE_STEP == width % SIDE_STEP
        and height * width <= _MOST_PIXELS,
        "sizes_px": 0 < least <= greatest or facts["method"] != TwoStages.name,
        "angle_range": 0 <= facts["angle_range"] <= math.pi,
        "aspect": facts["aspect"] > 0,
        "spread": facts["spread"] > 0,
        "whole": 0 <= facts["whole"] <= 1,
        "objects": facts["objects"] > 0,
    }
    for name, right in holds.items():
        if not right:
            raise ValueError(f"its {name} is {facts[name]!r}, which no model has")
    if len(Calibration.from_json(facts["calibration"]).quantiles) not in (0, n):
        raise ValueError(f"its calibration has other quantiles than those of its {n} points")
