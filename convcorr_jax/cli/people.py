"""``convcorr keypoints``, ``landmarks`` and ``pose``: points of a photograph, as a figure and a table.

`PointCommand` is what the three share: it checks and reads the files, and writes what was found.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple

from tyro.conf import Positional, arg

from convcorr_jax.cli import arguments
from convcorr_jax.runtime import BoxOption, as_box

if TYPE_CHECKING:
    import numpy as np

    from convcorr_jax import coords
    from convcorr_jax.probes import FeatureExtractor, LandmarkModel
    from convcorr_jax.shapes import Image

_Photograph = Annotated[Positional[Path], arg(metavar="PHOTO.jpg", help="The photograph.")]
# The longer side of the figure.
_LONGEST_PX = 800


class FoundBox(NamedTuple):
    """A box in pixels of the photograph, what the user should know of it, and its values in the JSON object."""

    box: "coords.Box"
    sentences: tuple[str, ...] = ()
    values: Mapping[str, Any] = {}


class FoundPoints(NamedTuple):
    """The points (x, y) of an object in pixels of the photograph, ``[n, 2]``, and its box if it is drawn.

    ``what`` says in the summary what the points are, such as "joints".
    """

    what: str
    names: Sequence[str]
    points: "np.ndarray"
    confidence: "np.ndarray | None"
    box: FoundBox | None


class PointCommand(ABC):
    """A command that finds points in a photograph by a model of a ``kind``; a subclass adds `find`."""

    kind: ClassVar[str]

    @abstractmethod
    def find(self, photograph: "Image", box: "coords.Box | None") -> FoundPoints:
        """Find the points of the object in a box, None if the user drew none."""

    def draw(self, photograph: "Image", found: FoundPoints) -> "Image":
        """Draw the box, and the points with their names."""
        from convcorr_jax.report import points_overlay

        return points_overlay(photograph, found.points, names=found.names, **_figure_options(found))

    def find_and_write(
        self, path: Path, box: "coords.Box | None", out: Path, model: Path | None, weights: Path | None
    ) -> arguments.Result:
        """Find the points of a photograph, and write the figure and the table."""
        table = out.with_suffix(".csv")
        arguments.check_outputs(out, (table,), read=(path, model, weights))
        arguments.check_models(model=model, kind=self.kind, weights=weights)
        photograph = arguments.read_photograph(path, box=box)
        found = self.find(photograph, box)
        from convcorr_jax.io import write_image, write_points, written_whole

        with written_whole(out) as temporary_figure, written_whole(table) as temporary_table:
            write_image(temporary_figure, self.draw(photograph, found))
            write_points(temporary_table, found.names, found.points, confidence=found.confidence)
        lines = [f"{len(found.names)} {found.what}.", str(out), str(table)]
        points = arguments.point_values(found.names, found.points, confidence=found.confidence)
        values = {"figure": out, "table": table, "points": points}
        if found.box is not None:
            lines += found.box.sentences
            values |= found.box.values
        return arguments.Result(lines, values)


def _figure_options(found: FoundPoints) -> dict[str, Any]:
    return {"boxes": () if found.box is None else (found.box.box,), "longest_px": _LONGEST_PX}


def _drawn_face(box: "coords.Box") -> FoundBox:
    return FoundBox(box, values={"box": list(box)})


def search_face(photograph: "Image", model: "LandmarkModel", extractor: "FeatureExtractor") -> FoundBox:
    """Search a photograph for a face; without a finder, take the whole photograph for the probe's frame."""
    from convcorr_jax import coords
    from convcorr_jax.probes import find_face

    margin = model.features.frame_margin
    if model.finder is None:
        whole = coords.square(coords.whole_image(photograph.shape[:2]))
        box = coords.grow(whole, -margin / (1 + 2 * margin))
        sentence = "This probe cannot search for a face: without --box, it was applied to the whole photograph."
        return FoundBox(box, (sentence,), {"box": list(box)})
    found = find_face(photograph, model.probe.face, model.finder, extractor, margin=margin)
    edges = " ".join(f"{edge:.0f}" for edge in found.box)
    sentence = f"The face that was found: --box {edges}."
    if not found.sure:
        sentence = (
            f"No face was found with certainty (presence {found.presence:.2f}, "
            f"at least {model.finder.threshold:.2f} is expected); the points are those of --box {edges}."
        )
    values = {"box": list(found.box), "presence": found.presence, "sure": found.sure}
    return FoundBox(found.box, (sentence,), values)


@dataclass(frozen=True)
class Keypoints(PointCommand):
    """Predict the keypoints of an object: a figure of the photograph with the points, and a table of them."""

    kind = "keypoint model"
    photograph: _Photograph
    model: Annotated[
        Path | None, arg(metavar="MODEL.npz", help_behavior_hint="(default: the package's own model of faces)")
    ] = None
    """The model that train.keypoint_detectors wrote: the .npz file, with its .json beside it."""
    box: Annotated[
        BoxOption,
        arg(
            help_behavior_hint="(default: all of it; with the package's own model, the part that most "
            "resembles a face)"
        ),
    ] = None
    """The object: its left, upper, right and lower edge in pixels; 0 0 is the centre of the first pixel."""
    out: Path = Path("keypoints.png")
    """The figure: .png, .jpg or .pdf. Beside it, a .csv file of the same name is written, with the header
    name,x,y,confidence. The confidence is the probability that the best cell shows the keypoint."""
    refine: bool = False
    """Place points between cells, at the maximum of a parabola through the best cell and its neighbours."""
    weights: arguments.WeightsOption = None
    """The weights of the model's network: .caffemodel, torch's .pth, or .npz."""
    output: arguments.OutputOptions = arguments.OutputOptions()

    def run(self) -> arguments.Result:
        """Predict the keypoints, write the figure and the table, and return their paths and the points."""
        return self.find_and_write(self.photograph, as_box(self.box), self.out, self.model, self.weights)

    def find(self, photograph: "Image", box: "coords.Box | None") -> FoundPoints:
        """Find the keypoints in the box, in the face that is found, or in the whole photograph."""
        from convcorr_jax import coords
        from convcorr_jax.backbone.weights import load
        from convcorr_jax.io import load_fitted
        from convcorr_jax.keypoints import FACE, KeypointModel, decode, predict
        from convcorr_jax.probes import FACE as LANDMARKS
        from convcorr_jax.probes import LandmarkModel

        model = load_fitted(self.model or FACE, KeypointModel)
        weights = load(model.network, path=self.weights)
        if box is None and self.model is None:
            probe = load_fitted(LANDMARKS, LandmarkModel)
            face = search_face(photograph, probe, probe.extractor(weights))
        else:
            face = _drawn_face(box or coords.whole_image(photograph.shape[:2]))
        found = decode(model, predict(model, [photograph], [face.box], weights=weights), refine=self.refine)
        what = f"keypoints of a {model.category}"
        return FoundPoints(what, model.names, found.points[0], found.confidence[0], face)


@dataclass(frozen=True)
class Landmarks(PointCommand):
    """Predict the landmarks of a face: a figure of the photograph with the points, and a table of them."""

    kind = "landmark probe"
    photograph: _Photograph
    model: Annotated[
        Path | None, arg(metavar="PROBE.npz", help_behavior_hint="(default: the package's own probe of faces)")
    ] = None
    """The probe that train.ridge_probes wrote: the .npz file, with its .json beside it."""
    box: Annotated[BoxOption, arg(help_behavior_hint="(default: the part that most resembles a face)")] = None
    """The face from its brows to its chin: its left, upper, right and lower edge in pixels; 0 0 is the centre
    of the first pixel."""
    out: Path = Path("landmarks.png")
    """The figure: .png, .jpg or .pdf. Beside it, a .csv file of the same name is written, with the header
    name,x,y."""
    weights: arguments.WeightsOption = None
    """The weights of the probe's network: .caffemodel, torch's .pth, or .npz."""
    output: arguments.OutputOptions = arguments.OutputOptions()

    def run(self) -> arguments.Result:
        """Predict the landmarks, write the figure and the table, and return their paths and the points."""
        return self.find_and_write(self.photograph, as_box(self.box), self.out, self.model, self.weights)

    def find(self, photograph: "Image", box: "coords.Box | None") -> FoundPoints:
        """Find the landmarks in the box, or in the face that is found."""
        import numpy as np

        from convcorr_jax import coords
        from convcorr_jax.backbone.weights import load as load_weights
        from convcorr_jax.io import load_fitted
        from convcorr_jax.probes import FACE, Faces, LandmarkModel, predict_landmarks

        model = load_fitted(self.model or FACE, LandmarkModel)
        features, names = model.features, model.probe.names
        extractor = model.extractor(load_weights(features.network, path=self.weights))
        face = search_face(photograph, model, extractor) if box is None else _drawn_face(box)
        frame = coords.grow(coords.square(face.box), features.frame_margin)
        faces = Faces(lambda _: photograph, (frame,), np.full((1, len(names), 2), np.nan))
        points = predict_landmarks(model.probe, faces, extractor)[-1].points[0]
        return FoundPoints("landmarks", names, points, None, face)


# Joints with a lower score in the coarse heat-map are drawn as rings; the target of its training is 1.
_UNCERTAIN = 0.2


@dataclass(frozen=True)
class Pose(PointCommand):
    """Predict a person's joints: a figure of the photograph with the skeleton, and a table of the joints."""

    kind = "pose cascade"
    photograph: _Photograph
    model: Annotated[
        Path | None, arg(metavar="MODEL.npz", help_behavior_hint="(default: the package's own person cascade)")
    ] = None
    """The cascade that train.pose_cascade wrote: the .npz file, with its .json beside it."""
    box: Annotated[
        BoxOption, arg(help_behavior_hint="(default: all of it, and the person with the highest score)")
    ] = None
    """The person from head to feet: the left, upper, right and lower edge in pixels; 0 0 is the centre of the
    first pixel. The centre of the box is used as that of the torso."""
    mirrored: bool = True
    """Average heat-maps with those of the mirrored photograph."""
    rotated: bool = True
    """Average the coarse heat-maps with those of rotated photographs, if the cascade is made for it: the person
    cascade is, and takes three times as long with them."""
    subcell: bool = True
    """Estimate positions between the cells of heat-maps."""
    out: Path = Path("pose.png")
    """The figure: .png, .jpg or .pdf. Beside it, a .csv file of the same name is written, with the header
    name,x,y,confidence. The confidence is the value of the coarse heat-map, about 1 where the network is
    certain. Joints below 0.2 are drawn as rings."""
    output: arguments.OutputOptions = arguments.OutputOptions()

    def run(self) -> arguments.Result:
        """Predict the joints, write the figure and the table, and return their paths and the points."""
        return self.find_and_write(self.photograph, as_box(self.box), self.out, self.model, None)

    def find(self, photograph: "Image", box: "coords.Box | None") -> FoundPoints:
        """Find the joints of the person in the box, or of the one with the highest score."""
        import numpy as np

        from convcorr_jax.io import load_fitted
        from convcorr_jax.pose import PERSON, TrainedCascade, predict_photograph

        model = load_fitted(self.model or PERSON, TrainedCascade)
        options = {"mirrored": self.mirrored, "rotated": self.rotated, "subcell": self.subcell}
        points, scores = predict_photograph(model, photograph, box=box, **options)
        joints, drawn = model.architecture.joints, None if box is None else FoundBox(box)
        return FoundPoints("joints", joints, points, np.clip(scores, 0, 1), drawn)

    def draw(self, photograph: "Image", found: FoundPoints) -> "Image":
        """Draw the skeleton, and the box if there is one."""
        from convcorr_jax.report import skeleton

        hollow = None if found.confidence is None else found.confidence < _UNCERTAIN
        return skeleton(photograph, found.points, found.names, hollow=hollow, **_figure_options(found))
