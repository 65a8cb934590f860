"""``convcorr landmarks``: a photograph and a trained probe in, a picture and a table of points out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from convcorr_jax.cli.outputs import check_outputs, write_points_and_picture
from convcorr_jax.runtime.options import BoxOption, as_box, numbers

_LONGEST_PX = 800


@dataclass(frozen=True)
class Landmarks:
    """Find the landmarks of a face: its photograph with the points drawn, and their places as a table."""

    photograph: Annotated[Positional[Path], arg(metavar="PHOTO.jpg")]
    """The photograph."""
    model: Annotated[Path, arg(metavar="PROBE.npz")]
    """What train.ridge_probes wrote: the .npz, with its .json beside it."""
    box: Annotated[
        BoxOption,
        numbers("X0", "Y0", "X1", "Y1"),
        arg(
            help_behavior_hint="(default: the photograph shows the face as the probe's training crops do)"
        ),
    ] = None
    """The face from its brows to its chin: its left, upper, right and lower edge in pixels, 0 0 the centre of
    the first pixel."""
    out: Path = Path("landmarks.png")
    """The picture: .png, .jpg or .pdf. Beside it, under the same name, a .csv with the header name,x,y."""
    weights: Annotated[
        Path | None,
        arg(metavar="PATH", help_behavior_hint="(default: see `convcorr weights list`)"),
    ] = None
    """The weights of the probe's network: .caffemodel, torch's .pth, or .npz."""

    def run(self) -> None:
        """Read, look, draw, write; say on the standard output where the results are."""
        read = (self.photograph, self.model, self.weights)
        check_outputs(self.out, (self.out.with_suffix(".csv"),), read=read)
        import numpy as np

        from convcorr_jax import coords
        from convcorr_jax.backbone.weights import load as load_weights
        from convcorr_jax.io import load_fitted, read_image
        from convcorr_jax.probes import Faces, LandmarkModel, predict_landmarks
        from convcorr_jax.report.figures import points_overlay

        photograph = read_image(self.photograph)
        model = load_fitted(self.model, LandmarkModel)
        features, names = model.features, model.probe.names
        extractor = features.extractor(load_weights(features.network, self.weights))
        box = as_box(self.box)
        if box is None:
            frame = coords.whole_image(photograph.shape[:2])
        else:
            frame = coords.grow(coords.square(box), features.frame_margin)
        unknown = np.full((1, len(names), 2), np.nan)
        face = Faces(lambda _: photograph, (frame,), unknown)
        points = predict_landmarks(model.probe, face, extractor)[-1].points[0]
        picture = points_overlay(
            photograph,
            points,
            names=names,
            boxes=() if box is None else [box],
            longest_px=_LONGEST_PX,
        )
        write_points_and_picture(self.out, picture, names, points, what="landmarks")
