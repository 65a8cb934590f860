"""``convcorr keypoints``: keypoints of a photograph, by a trained model, as a figure and a table."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from convcorr_jax.cli.faces import drawn_face, searched_face
from convcorr_jax.cli.inputs import read_photograph
from convcorr_jax.cli.outputs import check_outputs, write_points_and_figure
from convcorr_jax.cli.results import OutputOptions, Result
from convcorr_jax.runtime.options import BoxOption, as_box, numbers

# The longer side of the figure.
_LONGEST_PX = 800


@dataclass(frozen=True)
class Keypoints:
    """Predict the keypoints of an object: a figure of the photograph with the points, and a table of them."""

    photograph: Annotated[Positional[Path], arg(metavar="PHOTO.jpg")]
    """The photograph."""
    model: Annotated[
        Path | None,
        arg(metavar="MODEL.npz", help_behavior_hint="(default: the package's own model of faces)"),
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
        Path | None,
        arg(metavar="PATH", help_behavior_hint="(default: see `convcorr weights list`)"),
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
        from convcorr_jax.report import points_overlay

        model = load_fitted(self.model or FACE, KeypointModel)
        weights = load(model.network, path=self.weights)
        drawn = as_box(self.box)
        if drawn is None and self.model is None:
            probe = load_fitted(LANDMARKS, LandmarkModel)
            face = searched_face(photograph, probe, probe.extractor(weights))
        else:
            face = drawn_face(drawn or coords.whole_image(photograph.shape[:2]))
        box = face.box
        prediction = predict(model, [photograph], [box], weights=weights)
        detections = decode(model, prediction, refine=self.refine)
        figure = points_overlay(
            photograph, detections.points[0], names=model.names, boxes=[box], longest_px=_LONGEST_PX
        )
        result = write_points_and_figure(
            self.out,
            figure,
            model.names,
            detections.points[0],
            what=f"keypoints of a {model.category}",
            confidence=detections.confidence[0],
        )
        return face.added_to(result)
