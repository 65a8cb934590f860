"""``convcorr keypoints``, ``landmarks`` and ``pose``: points of a photograph, as a figure and a table."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from tyro.conf import Positional, arg

from convcorr_jax.cli.arguments import (
    OutputOptions,
    Result,
    check_models,
    check_outputs,
    read_photograph,
    write_points_and_figure,
)
from convcorr_jax.runtime import BoxOption, as_box, numbers

if TYPE_CHECKING:
    from convcorr_jax import coords
    from convcorr_jax.probes import FeatureExtractor, LandmarkModel
    from convcorr_jax.shapes import Image


class FaceBox(NamedTuple):
    """The box of a face in pixels of the photograph: drawn by the user, or found by a landmark probe.

    ``sentences`` say what the user should know of a box that was found; ``values`` are for the JSON object.
    """

    box: "coords.Box"
    sentences: tuple[str, ...]
    values: dict[str, Any]

    def result(
        self, out: Path, photograph: "Image", names: Sequence[str], points: Any, **options: Any
    ) -> Result:
        """Draw and write points of the face, and return a command's result with what is known of the box."""
        from convcorr_jax.report import points_overlay

        figure = points_overlay(photograph, points, names=names, boxes=[self.box], longest_px=_LONGEST_PX)
        result = write_points_and_figure(out, figure, names, points, **options)
        return result._replace(lines=[*result.lines, *self.sentences], values={**result.values, **self.values})


def _drawn_face(box: "coords.Box") -> FaceBox:
    return FaceBox(box, (), {"box": list(box)})


def search_face(photograph: "Image", model: "LandmarkModel", extractor: "FeatureExtractor") -> FaceBox:
    """Search a photograph for a face; without a finder, take the whole photograph for the probe's frame."""
    from convcorr_jax import coords
    from convcorr_jax.probes import find_face

    margin = model.features.frame_margin
    if model.finder is None:
        whole = coords.square(coords.whole_image(photograph.shape[:2]))
        box = coords.grow(whole, -margin / (1 + 2 * margin))
        sentence = "This probe cannot search for a face: without --box, it was applied to the whole photograph."
        return FaceBox(box, (sentence,), {"box": list(box)})
    found = find_face(photograph, model.probe.face, model.finder, extractor, margin=margin)
    edges = " ".join(f"{edge:.0f}" for edge in found.box)
    sentence = f"The face that was found: --box {edges}."
    if not found.sure:
        sentence = (
            f"No face was found with certainty (presence {found.presence:.2f}, "
            f"at least {model.finder.threshold:.2f} is expected); the points are those of --box {edges}."
        )
    values = {"box": list(found.box), "presence": found.presence, "sure": found.sure}
    return FaceBox(found.box, (sentence,), values)


# The longer side of the figure.
_LONGEST_PX = 800


@dataclass(frozen=True)
class Keypoints:
    """Predict the keypoints of an object: a figure of the photograph with the points, and a table of them."""

    photograph: Annotated[Positional[Path], arg(metavar="PHOTO.jpg")]
    """The photograph."""
    model: Annotated[
        Path | None, arg(metavar="MODEL.npz", help_behavior_hint="(default: the package's own model of faces)")
    ] = None
    """The model that train.keypoint_detectors wrote: the .npz file, with its .json beside it."""
    box: Annotated[
        BoxOption,
        numbers("X0", "Y0", "X1", "Y1"),
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
    weights: Annotated[
        Path | None, arg(metavar="PATH", help_behavior_hint="(default: see `convcorr weights list`)")
    ] = None
    """The weights of the model's network: .caffemodel, torch's .pth, or .npz."""
    output: OutputOptions = field(default_factory=OutputOptions)

    def run(self) -> Result:
        """Predict the keypoints, write the figure and the table, and return their paths and the points."""
        read = (self.photograph, self.model, self.weights)
        check_outputs(self.out, (self.out.with_suffix(".csv"),), read=read)
        photograph = read_photograph(self.photograph, box=None)
        from convcorr_jax import coords
        from convcorr_jax.backbone.weights import load
        from convcorr_jax.io import load_fitted
        from convcorr_jax.keypoints import FACE, KeypointModel, decode, predict
        from convcorr_jax.probes import FACE as LANDMARKS
        from convcorr_jax.probes import LandmarkModel

        model = load_fitted(self.model or FACE, KeypointModel)
        weights = load(model.network, path=self.weights)
        drawn = as_box(self.box)
        if drawn is None and self.model is None:
            probe = load_fitted(LANDMARKS, LandmarkModel)
            face = search_face(photograph, probe, probe.extractor(weights))
        else:
            face = _drawn_face(drawn or coords.whole_image(photograph.shape[:2]))
        prediction = predict(model, [photograph], [face.box], weights=weights)
        detections = decode(model, prediction, refine=self.refine)
        points, confidence = detections.points[0], detections.confidence[0]
        what = f"keypoints of a {model.category}"
        return face.result(self.out, photograph, model.names, points, what=what, confidence=confidence)


@dataclass(frozen=True)
class Landmarks:
    """Predict the landmarks of a face: a figure of the photograph with the points, and a table of them."""

    photograph: Annotated[Positional[Path], arg(metavar="PHOTO.jpg")]
    """The photograph."""
    model: Annotated[
        Path | None, arg(metavar="PROBE.npz", help_behavior_hint="(default: the package's own probe of faces)")
    ] = None
    """The probe that train.ridge_probes wrote: the .npz file, with its .json beside it."""
    box: Annotated[
        BoxOption,
        numbers("X0", "Y0", "X1", "Y1"),
        arg(help_behavior_hint="(default: the part that most resembles a face)"),
    ] = None
    """The face from its brows to its chin: its left, upper, right and lower edge in pixels; 0 0 is the centre
    of the first pixel."""
    out: Path = Path("landmarks.png")
    """The figure: .png, .jpg or .pdf. Beside it, a .csv file of the same name is written, with the header
    name,x,y."""
    weights: Annotated[
        Path | None, arg(metavar="PATH", help_behavior_hint="(default: see `convcorr weights list`)")
    ] = None
    """The weights of the probe's network: .caffemodel, torch's .pth, or .npz."""
    output: OutputOptions = field(default_factory=OutputOptions)

    def run(self) -> Result:
        """Predict the landmarks, write the figure and the table, and return their paths and the points."""
        read = (self.photograph, self.model, self.weights)
        check_outputs(self.out, (self.out.with_suffix(".csv"),), read=read)
        photograph = read_photograph(self.photograph, box=None)
        import numpy as np

        from convcorr_jax import coords
        from convcorr_jax.backbone.weights import load as load_weights
        from convcorr_jax.io import load_fitted
        from convcorr_jax.probes import FACE, Faces, LandmarkModel, predict_landmarks

        model = load_fitted(self.model or FACE, LandmarkModel)
        features, names = model.features, model.probe.names
        extractor = model.extractor(load_weights(features.network, path=self.weights))
        drawn = as_box(self.box)
        face = search_face(photograph, model, extractor) if drawn is None else _drawn_face(drawn)
        frame = coords.grow(coords.square(face.box), features.frame_margin)
        faces = Faces(lambda _: photograph, (frame,), np.full((1, len(names), 2), np.nan))
        points = predict_landmarks(model.probe, faces, extractor)[-1].points[0]
        return face.result(self.out, photograph, names, points, what="landmarks")


# Joints with a lower score in the coarse heat-map are drawn as rings; the target of its training is 1.
_UNCERTAIN = 0.2


@dataclass(frozen=True)
class Pose:
    """Predict a person's joints: a figure of the photograph with the skeleton, and a table of the joints."""

    photograph: Annotated[Positional[Path], arg(metavar="PHOTO.jpg")]
    """The photograph."""
    model: Annotated[
        Path | None, arg(metavar="MODEL.npz", help_behavior_hint="(default: the package's own person cascade)")
    ] = None
    """The cascade that train.pose_cascade wrote: the .npz file, with its .json beside it."""
    box: Annotated[
        BoxOption,
        numbers("X0", "Y0", "X1", "Y1"),
        arg(help_behavior_hint="(default: all of it, and the person with the highest score)"),
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
    output: OutputOptions = OutputOptions()

    def run(self) -> Result:
        """Predict the joints, write the figure and the table, and return their paths and the points."""
        check_outputs(self.out, (self.out.with_suffix(".csv"),), read=(self.photograph, self.model))
        check_models(model=self.model, kind="pose cascade")
        box = as_box(self.box)
        photograph = read_photograph(self.photograph, box=box)
        import numpy as np

        from convcorr_jax.io import load_fitted
        from convcorr_jax.pose import PERSON, TrainedCascade, predict_photograph
        from convcorr_jax.report import skeleton

        model = load_fitted(self.model or PERSON, TrainedCascade)
        options = {"mirrored": self.mirrored, "rotated": self.rotated, "subcell": self.subcell}
        points, scores = predict_photograph(model, photograph, box=box, **options)
        joints, boxes = model.architecture.joints, () if box is None else [box]
        hollow = scores < _UNCERTAIN
        figure = skeleton(photograph, points, joints, hollow=hollow, boxes=boxes, longest_px=_LONGEST_PX)
        confidence = np.clip(scores, 0, 1)
        return write_points_and_figure(self.out, figure, joints, points, what="joints", confidence=confidence)
