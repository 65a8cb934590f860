"""The joints of one person in a photograph, from pixels to pixels."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from convcorr_jax import coords
from convcorr_jax.pose import cascade
from convcorr_jax.pose.framing import frame_of_box, framed, second_frame, torso_of
from convcorr_jax.pose.trained import TrainedCascade


class FoundJoints(NamedTuple):
    """The joints of a person."""

    points: Float[np.ndarray, "j 2"]
    """Positions (x, y), in pixels of the photograph."""
    scores: Float[np.ndarray, " j"]
    """The value of each joint's coarse heat-map, about 1 where the coarse net is certain."""


def predict_photograph(
    model: TrainedCascade,
    photograph: UInt8[np.ndarray, "height width 3"],
    *,
    box: coords.Box | None = None,
    mirrored: bool = True,
    rotated: bool = True,
    subcell: bool = True,
) -> FoundJoints:
    """Predict the joints of a person in a photograph.

    A cascade that was trained on squares around the torso predicts in two passes if the person's box is
    unknown (see `convcorr_jax.pose.framing`).

    Args:
        model: the cascade.
        photograph: 8-bit RGB.
        box: the person from head to feet, in pixels, whose middle stands for that of the torso; None for the
            person with the highest score.
        mirrored: average heat-maps with those of the mirrored image.
        rotated: average coarse heat-maps with those of rotated images (`Architecture.rotated_degrees`).
        subcell: estimate positions between the cells of heat-maps.

    Raises:
        InputError: the box has no area or does not meet the photograph.
    """
    architecture = model.architecture
    if box is None:
        frame = None
    else:
        coords.check_meets(box, photograph.shape[:2])
        frame = frame_of_box(box, architecture=architecture)

    def found_in(frame: coords.Box | None, around: coords.Box | None) -> FoundJoints:
        image, to_frame = framed(photograph, frame, architecture.input_size)
        torso = torso_of(around, to_frame)[None].astype(np.float32)
        prediction = cascade.predict(
            model.params,
            image[None],
            torso,
            architecture=architecture,
            mirrored=mirrored,
            rotated=rotated,
            subcell=subcell,
        )
        points = np.asarray(prediction.points[0], np.float64)
        scores = np.asarray(prediction.scores[0], np.float64)
        return FoundJoints(coords.apply(coords.invert(to_frame), points), scores)

    found = found_in(frame, box)
    if architecture.frame_px is None or box is not None:
        return found
    whole = coords.whole_image(photograph.shape[:2])
    second = second_frame(found.points, architecture.joints, whole)
    return found_in(second, second)
