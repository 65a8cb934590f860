"""``convcorr landmarks``: landmarks of a face, by a trained probe, as a figure and a table."""

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
class Landmarks:
    """Predict the landmarks of a face: a figure of the photograph with the points, and a table of them."""

    photograph: Annotated[Positional[Path], arg(metavar="PHOTO.jpg")]
    """The photograph."""
    model: Annotated[
        Path | None,
        arg(metavar="PROBE.npz", help_behavior_hint="(default: the package's own probe of faces)"),
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
        Path | None,
        arg(metavar="PATH", help_behavior_hint="(default: see `convcorr weights list`)"),
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
        from convcorr_jax.report import points_overlay

        model = load_fitted(self.model or FACE, LandmarkModel)
        features, names = model.features, model.probe.names
        extractor = model.extractor(load_weights(features.network, path=self.weights))
        drawn = as_box(self.box)
        if drawn is None:
            face_box = searched_face(photograph, model, extractor)
        else:
            face_box = drawn_face(drawn)
        frame = coords.grow(coords.square(face_box.box), features.frame_margin)
        unknown = np.full((1, len(names), 2), np.nan)
        face = Faces(lambda _: photograph, (frame,), unknown)
        points = predict_landmarks(model.probe, face, extractor)[-1].points[0]
        figure = points_overlay(
            photograph,
            points,
            names=names,
            boxes=[face_box.box],
            longest_px=_LONGEST_PX,
        )
        result = write_points_and_figure(self.out, figure, names, points, what="landmarks")
        return face_box.added_to(result)
