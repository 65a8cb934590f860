"""Windows around joints, and the input frame of a pose cascade: the part of a photograph that the network sees.

A frame is a box in pixels of the photograph, or None for the whole photograph. `resample_to_frame` resamples it
to the network's input: it keeps the photograph's proportions, and repeats border pixels outside the photograph.
An architecture with `Architecture.frame_px` is trained on squares around the torso. Where the torso is unknown,
prediction has two passes: first in the frame of a box or of the whole photograph, then in the square around the
torso that the first pass found (`second_frame`).

A window is a square of n input pixels a side. In a map of stride s it has n / s cells a side, so that it covers
the same pixels at every resolution. Windows start at a multiple of the coarsest stride: they consist of whole
cells in every map, and a joint is at most half that stride away from the middle of its window. Outside the map
a window is zero. Gradients are propagated into the maps (they are summed where windows overlap), not into the
points.

The paper centres windows on cells that are not whole in coarser maps, and does not say how it rounds them.

Source: Tompson et al. 2015, section 4.1 and Figure 6.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from convcorr_jax import coords, images
from convcorr_jax.errors import InputError
from convcorr_jax.pose.architecture import Architecture

Corners = Int[Array, "b j 2"]
"""The first pixel (x, y) of each window, in the input frame."""


def corners(points: Float[Array, "b j 2"], *, window_px: int, stride_px: int) -> Corners:
    """Return the first pixels of windows around points: the multiples of ``stride_px`` that centre them best.

    The paper leaves open how windows are rounded to cells of the features; here all resolutions share a corner.

    >>> corners(jnp.array([[[11.5, 20.0]]]), window_px=24, stride_px=8)
    Array([[[0, 8]]], dtype=int32)
    """
    first_edge = points + 0.5 - window_px / 2
    return (jnp.floor(first_edge / stride_px + 0.5) * stride_px).astype(jnp.int32)


def windows(
    maps: Float[Array, "b h w c"], corners: Corners, *, window_px: int, stride_px: int
) -> Float[Array, "b j n n c"]:
    """Cut the windows from one map; they have ``n = window_px / stride_px`` cells a side.

    The first pixel of cell (column, row) is ``stride_px * (column, row)``, and the corners' stride is a
    multiple of ``stride_px``.
    """
    cells = window_px // stride_px
    padded = jnp.pad(maps, ((0, 0), (cells, cells), (cells, cells), (0, 0)))
    limit = jnp.array([[[maps.shape[2], maps.shape[1]]]])
    starts = cells + jnp.clip(corners // stride_px, -cells, limit)

    def cut(image: Array, start: Array) -> Array:
        size = (cells, cells, image.shape[-1])
        return jax.lax.dynamic_slice(image, (start[1], start[0], 0), size)

    return jax.vmap(jax.vmap(cut, in_axes=(None, 0)))(padded, starts)


# The side of the square around a person, in parts of the longer side of the box of the person.
_WHOLE_PERSON = 1.25
# The same for squares around the torso, of which a person takes a smaller part: 200 pixels for the median box
# of the joints of LSPET, 120 pixels.
_AROUND_TORSO = 5 / 3
# The second frame is at least this part of the first one.
_SMALLEST_SECOND = 0.5
# The greatest distance of a frame beyond the photograph, in longer sides of it: beyond it, a frame shows hardly
# more than the repeated border, which might not fit into memory.
_FARTHEST = 4
_TORSO_JOINTS = ("l_shoulder", "r_shoulder", "l_hip", "r_hip")


def frame_of_box(person: coords.Box, *, architecture: Architecture) -> coords.Box:
    """Return the frame of a person whose box is known: a square around the middle of the box.

    It is 1.25 times as long as the box's longer side; with `Architecture.frame_px` it is 5/3 times as long.

    Raises:
        InputError: the box has no area.
    """
    coords.check_box(person)
    factor = _WHOLE_PERSON if architecture.frame_px is None else _AROUND_TORSO
    return frame_around(np.array(person.center), factor * person.longer_side)


def frame_around(middle: Float[np.ndarray, "2"], side: float) -> coords.Box:
    """Return the square frame around a point."""
    x, y = middle
    return coords.Box(float(x - side / 2), float(y - side / 2), float(x + side / 2), float(y + side / 2))


def second_frame(points: Float[np.ndarray, "j 2"], joints: Sequence[str], first: coords.Box) -> coords.Box:
    """Return the frame of the second pass of a prediction: a square around the torso that the first pass found.

    Its side is 5/3 of the longer side of the box of the joints found, between a half and all of the first
    frame's longer side.

    Raises:
        InputError: none of the joints is a shoulder or a hip.
    """
    around = [points[joints.index(name)] for name in _TORSO_JOINTS if name in joints]
    if not around:
        raise InputError(
            f"none of the joints {', '.join(joints)} is a shoulder or a hip, which tell where the torso is"
        )
    longest = first.longer_side
    side = np.clip(_AROUND_TORSO * coords.tight_box(points).longer_side, _SMALLEST_SECOND * longest, longest)
    return frame_around(np.mean(around, axis=0), float(side))


def resample_to_frame(
    photograph: UInt8[np.ndarray, "height width 3"],
    frame: coords.Box | None,
    size: coords.Size,
    *,
    margin_px: int = 0,
) -> images.Resampled:
    """Resample a photograph to the input frame.

    The transform goes from pixels of the photograph to pixels of the input, which begins ``margin_px`` pixels
    inside the image.

    Args:
        size: of the input, in pixels. The side of the frame that is too short for its proportions is extended.
        margin_px: surroundings of the frame on every side that the image shows as well, in pixels of the input.

    Raises:
        InputError: the frame has no area, or reaches farther beyond the photograph than four times the longer
            side of that.
    """
    shown = coords.whole_image(photograph.shape[:2]) if frame is None else frame
    coords.check_box(shown)
    across = max(0.0, shown.height * size.width / size.height - shown.width) / 2
    down = max(0.0, shown.width * size.height / size.width - shown.height) / 2
    across += margin_px * (shown.width + 2 * across) / size.width
    down += margin_px * (shown.height + 2 * down) / size.height
    box = coords.Box(shown.x0 - across, shown.y0 - down, shown.x1 + across, shown.y1 + down)
    surrounded, moved = _pad_around(photograph, box)
    around = coords.Size(size.height + 2 * margin_px, size.width + 2 * margin_px)
    resampled = images.crop_and_resize(surrounded, moved, around)
    scale, shift = resampled.transform
    offset = np.array([box.x0 - moved.x0, box.y0 - moved.y0])
    return images.Resampled(resampled.image, coords.Transform(scale, shift - scale * offset - margin_px))


def torso_of(box: coords.Box | None, to_frame: coords.Transform) -> Float[np.ndarray, "2"]:
    """Return the torso that the spatial model gets where no torso is annotated.

    >>> torso_of(None, coords.resize((64, 64), (128, 128)))
    array([nan, nan])

    Args:
        box: a person's box, in pixels of the photograph; its middle stands for the middle of the torso. None if
            the person is unknown: the cascade then predicts the person with the highest score.

    Differs from the paper: the paper always gives the annotated torso to the spatial model (section 3.3).
    """
    middle = (np.nan, np.nan) if box is None else box.center
    return to_frame(np.array(middle))


def _pad_around(
    photograph: UInt8[np.ndarray, "height width 3"], box: coords.Box
) -> tuple[UInt8[np.ndarray, "h w 3"], coords.Box]:
    """Return the photograph with repeated border pixels around it that contains a box, and the box in it."""
    height, width = photograph.shape[:2]
    border = coords.whole_image((height, width))
    gaps = (border.x0 - box.x0, border.y0 - box.y0, box.x1 - border.x1, box.y1 - border.y1)
    if max(gaps) > _FARTHEST * border.longer_side:
        raise InputError(
            f"the frame {tuple(box)} reaches too far beyond the photograph of {width} x {height} pixels"
        )
    left, top, right, bottom = (max(0, int(np.ceil(gap))) for gap in gaps)
    if not (left or top or right or bottom):
        return photograph, box
    padded = np.pad(photograph, ((top, bottom), (left, right), (0, 0)), mode="edge")
    return padded, coords.Box(box.x0 + left, box.y0 + top, box.x1 + left, box.y1 + top)
