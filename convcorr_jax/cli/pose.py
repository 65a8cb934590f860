"""``convcorr pose``: joints of a person, by a trained cascade, as a figure and a table."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from convcorr_jax.cli.inputs import check_models, read_photograph
from convcorr_jax.cli.outputs import check_outputs, write_points_and_figure
from convcorr_jax.cli.results import OutputOptions, Result
from convcorr_jax.runtime.options import BoxOption, as_box, numbers

# The longer side of the figure.
_LONGEST_PX = 800
# Joints with a lower score in the coarse heat-map are drawn as rings; the target of its training is 1.
_UNCERTAIN = 0.2


@dataclass(frozen=True)
class Pose:
    """Predict a person's joints: a figure of the photograph with the skeleton, and a table of the joints."""

    photograph: Annotated[Positional[Path], arg(metavar="PHOTO.jpg")]
    """The photograph."""
    model: Annotated[
        Path | None,
        arg(metavar="MODEL.npz", help_behavior_hint="(default: the package's own person cascade)"),
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
        joints = model.architecture.joints
        figure = skeleton(
            photograph,
            points,
            joints,
            hollow=scores < _UNCERTAIN,
            boxes=() if box is None else [box],
            longest_px=_LONGEST_PX,
        )
        return write_points_and_figure(
            self.out, figure, joints, points, what="joints", confidence=np.clip(scores, 0, 1)
        )
