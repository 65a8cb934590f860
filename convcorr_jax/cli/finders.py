"""The models of ``convcorr keypoints``, ``landmarks`` and ``pose``: each is a `Finder` of objects."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from convcorr_jax import coords
    from convcorr_jax.annotation import AnnotationModel
    from convcorr_jax.backbone.weights import Weights
    from convcorr_jax.keypoints import KeypointModel
    from convcorr_jax.labels import FoundObject
    from convcorr_jax.pose import TrainedCascade
    from convcorr_jax.probes import LandmarkModel
    from convcorr_jax.shapes import Image

TOGETHER = 8
"""The most photographs whose points are found together."""
# The longer side of the figure.
_LONGEST_PX = 800


class Finder(ABC):
    """A loaded model that finds objects, such as faces, and their points."""

    objects: tuple[str, str]
    """The name of one object, and of several."""
    what: str
    """What the points are, such as "joints"."""
    names: Sequence[str]
    limbs: Sequence[tuple[int, int]] = ()
    """The indices of points that lines join."""
    has_boxes: bool = True
    """Whether the user may name the place of an object by --box."""
    note: str = ""
    """What the user should know if there is no --box."""
    batch: int = 1
    """Photographs whose points are found together; programs may be compiled for this number."""

    @abstractmethod
    def find(self, photographs: Sequence["Image"], box: "coords.Box | None") -> "list[list[FoundObject]]":
        """Find the objects of each photograph, or the one in the user's box."""

    def draw(self, photograph: "Image", found: "Sequence[FoundObject]") -> "Image":
        """Draw the boxes, and the points with their names."""
        import numpy as np

        from convcorr_jax.report import name_colors, points_overlay

        return points_overlay(
            photograph,
            np.concatenate([one.present for one in found]),
            names=tuple(self.names) if len(found) == 1 else (),
            colors=np.tile(name_colors(len(self.names)), (len(found), 1)),
            boxes=[one.box for one in found],
            longest_px=_LONGEST_PX,
        )

    def count(self, found: int) -> str:
        """Return how many objects were found, in words."""
        return f"{found or 'no'} {self.objects[found > 1]}"


class _Faces(Finder):
    """Points of faces; the probe, if there is one, finds them in the whole photograph."""

    objects = ("face", "faces")

    def __init__(self, probe: "LandmarkModel | None", weights: "Weights") -> None:
        self.probe, self.weights = probe, weights

    def find(self, photographs: Sequence["Image"], box: "coords.Box | None") -> "list[list[FoundObject]]":
        """Find the points of each face, or of the object in the user's box."""
        from convcorr_jax.labels import FoundObject

        boxes = self._boxes(photographs, box)
        shown = [one for one, faces in zip(photographs, boxes, strict=True) for _ in faces]
        flat = [face for faces in boxes for face, _ in faces]
        points = zip(*self.points(shown, flat), strict=True) if flat else iter(())
        return [[FoundObject(*next(points), face, score) for face, score in faces] for faces in boxes]

    @abstractmethod
    def points(
        self, photographs: Sequence["Image"], boxes: Sequence["coords.Box"]
    ) -> "tuple[Sequence[np.ndarray], Sequence[np.ndarray | None]]":
        """Return the points of the object in each box, and their confidence."""

    def _boxes(
        self, photographs: Sequence["Image"], box: "coords.Box | None"
    ) -> "Sequence[Sequence[tuple[coords.Box, float | None]]]":
        """Return the box of every object of each photograph, and its presence if it was searched."""
        from convcorr_jax import coords
        from convcorr_jax.probes import find_faces, mosaic

        if box is not None:
            return [[(box, None)] for _ in photographs]
        wholes = [coords.whole_image(one.shape[:2]) for one in photographs]
        if self.probe is None:
            return [[(whole, None)] for whole in wholes]
        margin = self.probe.features.frame_margin
        if self.probe.finder is None:
            # The whole photograph is the probe's frame.
            return [[(coords.grow(coords.square(whole), -margin / (1 + 2 * margin)), None)] for whole in wholes]
        extractor = self.probe.extractor(self.weights)
        mosaics = [mosaic(one, extractor) for one in photographs]
        return find_faces(mosaics, self.probe.probe.face, self.probe.finder, extractor, margin=margin)


class FaceKeypoints(_Faces):
    """Keypoints of a model of faces, or of another category if there is no probe."""

    def __init__(
        self, model: "KeypointModel", probe: "LandmarkModel | None", weights: "Weights", *, refine: bool
    ) -> None:
        super().__init__(probe, weights)
        self.model, self.refine, self.names = model, refine, model.names
        self.what = f"keypoints of a {model.category}"
        if probe is None:
            self.objects = (model.category, f"objects of {model.category}")

    def points(self, photographs: Sequence["Image"], boxes: Sequence["coords.Box"]) -> Any:
        """Predict keypoints in batches of one size."""
        import numpy as np

        from convcorr_jax.arrays import padded_batches
        from convcorr_jax.keypoints import decode, predict

        points, confidence = [], []
        # Programs are compiled for powers of two.
        size = min(TOGETHER, 1 << (len(boxes) - 1).bit_length())
        for rows, own in padded_batches(len(boxes), size=size):
            chosen = [photographs[row] for row in rows], [boxes[row] for row in rows]
            found = decode(self.model, predict(self.model, *chosen, weights=self.weights), refine=self.refine)
            points.append(found.points[:own])
            confidence.append(found.confidence[:own])
        return np.concatenate(points), np.concatenate(confidence)


class AnnotatedObjects(Finder):
    """Points of the objects that a model of ``convcorr annotate`` finds itself."""

    has_boxes = False

    def __init__(self, model: "AnnotationModel") -> None:
        self.model, self.names, self.limbs = model, model.names, model.skeleton
        self.what = f"keypoints of a {model.category}"
        self.objects = (model.category, f"objects of {model.category}")

    def find(self, photographs: Sequence["Image"], box: "coords.Box | None") -> "list[list[FoundObject]]":
        """Find the objects of each photograph; there is no box."""
        return self.model.find_objects(photographs)


class FaceLandmarks(_Faces):
    """Landmarks of faces."""

    what = "landmarks"

    def __init__(self, model: "LandmarkModel", weights: "Weights") -> None:
        super().__init__(model, weights)
        self.model, self.names = model, model.probe.names
        if model.finder is None:
            self.note = (
                "This probe cannot search for a face: without --box, it was applied to the whole photograph."
            )

    def points(self, photographs: Sequence["Image"], boxes: Sequence["coords.Box"]) -> Any:
        """Predict landmarks; the probe has no confidence."""
        import numpy as np

        from convcorr_jax import coords
        from convcorr_jax.probes import Faces, predict_landmarks

        margin = self.model.features.frame_margin
        frames = tuple(coords.grow(coords.square(box), margin) for box in boxes)
        faces = Faces(photographs.__getitem__, frames, np.full((len(boxes), len(self.names), 2), np.nan))
        extractor = self.model.extractor(self.weights)
        points = predict_landmarks(self.model.probe, faces, extractor)[-1].points
        return points, [None] * len(points)


class People(Finder):
    """Joints of the person with the highest score."""

    objects, what = ("person", "people"), "joints"

    def __init__(self, model: "TrainedCascade", options: dict[str, bool]) -> None:
        from convcorr_jax.metrics import limbs

        self.model, self.options, self.names = model, options, model.architecture.joints
        self.limbs = limbs(self.names)

    def find(self, photographs: Sequence["Image"], box: "coords.Box | None") -> "list[list[FoundObject]]":
        """Find the joints of one person in each photograph, if there is one."""
        import numpy as np

        from convcorr_jax import coords
        from convcorr_jax.arrays import padded_batches
        from convcorr_jax.labels import FoundObject
        from convcorr_jax.pose import predict_photographs

        ((rows, own),) = padded_batches(len(photographs), size=self.batch)
        padded = [photographs[row] for row in rows]
        found = predict_photographs(self.model, padded, box=box, **self.options)[:own]
        return [
            [
                FoundObject(
                    points, np.clip(scores, 0, 1), box or coords.tight_box(points), None if box else presence
                )
            ]
            if box or self.model.threshold is None or presence >= self.model.threshold
            else []
            for points, scores, presence in found
        ]

    def draw(self, photograph: "Image", found: "Sequence[FoundObject]") -> "Image":
        """Draw the skeleton, and the user's box."""
        from convcorr_jax.labels import UNCERTAIN
        from convcorr_jax.report import skeleton

        (one,) = found
        hollow = None if one.confidence is None else one.confidence < UNCERTAIN
        boxes = (one.box,) if one.score is None else ()
        return skeleton(photograph, one.points, self.names, hollow=hollow, boxes=boxes, longest_px=_LONGEST_PX)
