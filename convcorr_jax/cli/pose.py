"""``convcorr pose``: a photograph and a trained cascade in, a picture and a table of joints out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from convcorr_jax.cli.outputs import check_outputs, write_points_and_picture
from convcorr_jax.runtime.options import BoxOption, as_box, numbers

_LONGEST_PX = 800
# Joints at which the coarse net says less than this are drawn as rings. A sure one says 1.
_UNSURE = 0.2


@dataclass(frozen=True)
class Pose:
    """Find a person's joints: the photograph with the skeleton drawn, and the joints' places as a table."""

    photograph: Annotated[Positional[Path], arg(metavar="PHOTO.jpg")]
    """The photograph."""
    model: Annotated[
        Path | None,
        arg(metavar="MODEL.npz", help_behavior_hint="(default: the package's own person cascade)"),
    ] = None
    """What train.pose_cascade wrote: the .npz, with its .json beside it."""
    box: Annotated[
        BoxOption,
        numbers("X0", "Y0", "X1", "Y1"),
        arg(help_behavior_hint="(default: all of it, and whoever is likeliest)"),
    ] = None
    """The person from head to feet: the left, upper, right and lower edge in pixels, 0 0 the centre of the
    first pixel. Its middle is taken for the torso's."""
    out: Path = Path("pose.png")
    """The picture: .png, .jpg or .pdf. Beside it, under the same name, a .csv with the header
    name,x,y,confidence; the confidence is the coarse heat-map's, some 1 where the net is sure. Joints below 0.2
    are drawn as rings."""

    def run(self) -> None:
        """Read, look, draw, write; say on the standard output where the results are."""
        check_outputs(self.out, (self.out.with_suffix(".csv"),), read=(self.photograph, self.model))
        import numpy as np

        from convcorr_jax import coords
        from convcorr_jax.io import load_fitted, read_image
        from convcorr_jax.pose import cascade
        from convcorr_jax.pose.framing import framed
        from convcorr_jax.pose.trained import PERSON, TrainedCascade
        from convcorr_jax.report.skeleton import skeleton

        photograph = read_image(self.photograph)
        model = load_fitted(self.model or PERSON, TrainedCascade)
        box = as_box(self.box)
        image, to_frame = framed(photograph, box, model.architecture.input_size)
        torso = np.full((1, 2), np.nan)
        if box is not None:
            torso = coords.apply(to_frame, np.array([box.center]))
        found = cascade.predict(
            model.params, image[None], torso.astype(np.float32), architecture=model.architecture
        )
        points = coords.apply(coords.invert(to_frame), np.asarray(found.points[0], np.float64))
        scores = np.asarray(found.scores[0], np.float64)
        joints = model.architecture.joints
        picture = skeleton(
            photograph,
            points,
            joints,
            hollow=scores < _UNSURE,
            boxes=() if box is None else [box],
            longest_px=_LONGEST_PX,
        )
        write_points_and_picture(
            self.out, picture, joints, points, np.clip(scores, 0, 1), what="joints"
        )
