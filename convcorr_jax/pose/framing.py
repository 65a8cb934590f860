"""The input frame of a pose cascade: the whole photograph, or a square around a person; and the torso in it.

The frame keeps the photograph's proportions; border pixels are repeated outside the photograph.
"""

import numpy as np
from jaxtyping import Float, UInt8

from convcorr_jax import coords, images

# The square around a person is larger on every side by this fraction of its side.
_MARGIN = 0.125


def framed(
    photograph: UInt8[np.ndarray, "height width 3"], person: coords.Box | None, size: coords.Size
) -> images.Resampled:
    """Resample a photograph to the input frame.

    Args:
        photograph: 8-bit RGB.
        person: the person's box from head to feet, in pixels. The frame then shows a square around the middle
            of the box, 1.25 times as long as the box's longer side. Without a box it shows the whole
            photograph, in the middle.
        size: of the input frame, in pixels.

    Returns:
        The image, and the transform from pixels of the photograph to pixels of the frame.

    Raises:
        InputError: the person's box has no area, or does not meet the photograph.
    """
    if person is None:
        shown = coords.whole_image(photograph.shape[:2])
    else:
        coords.check_box(person)
        coords.check_meets(person, photograph.shape[:2])
        shown = coords.grow(coords.square(person), _MARGIN)
    # The side that is too short for the frame's proportions is extended.
    across = max(0.0, shown.height * size.width / size.height - shown.width) / 2
    down = max(0.0, shown.width * size.height / size.width - shown.height) / 2
    box = coords.Box(shown.x0 - across, shown.y0 - down, shown.x1 + across, shown.y1 + down)
    return images.crop_and_resize(photograph, box, size)


def torso_of(box: coords.Box | None, to_frame: coords.Transform) -> Float[np.ndarray, "2"]:
    """Return the torso that the spatial model gets where no torso is annotated.

    >>> torso_of(None, coords.resize((64, 64), (128, 128)))
    array([nan, nan])

    Args:
        box: a person's box, in pixels of the photograph; its middle stands for the middle of the torso. None if
            the person is unknown: the cascade then predicts the person with the highest score.
        to_frame: the transform from pixels of the photograph to pixels of the frame, as `framed` returns it.

    Returns:
        The position (x, y), in pixels of the frame; NaN without a box.

    Differs from the paper: the paper always gives the annotated torso to the spatial model (section 3.3).
    """
    middle = (np.nan, np.nan) if box is None else box.center
    return coords.apply(to_frame, np.array(middle))
