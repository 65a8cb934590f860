"""What an alignment says of points, pixels and masks: places in the other photograph, in pixels of each."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float, Shaped, UInt8

from convcorr_jax import coords, images
from convcorr_jax.arrays import promote_arrays as _promote_arrays
from convcorr_jax.errors import InputError
from convcorr_jax.matching.alignment import PhotographAlignment
from convcorr_jax.matching.verdict import Verdict, judge_points


class Matches(NamedTuple):
    """Matched points (x, y) of two photographs in pixels of each, and how likely each is right, 0 to 1."""

    a_px: Float[np.ndarray, "n 2"]
    b_px: Float[np.ndarray, "n 2"]
    confidence: Float[np.ndarray, " n"]


def carry_to_b(points_px: Float[np.ndarray, "n 2"], alignment: PhotographAlignment) -> Matches:
    """Carry points of a to b.

    Flow and confidence are interpolated bilinearly between cells and are constant beyond the outermost cells,
    with the flow in b as it was turned. Absent points (NaN) stay NaN.
    """
    cells = alignment.a_to_px.inverse(points_px)
    carried = alignment.b_to_px(_follow(alignment.forward.flow, cells, alignment.turn.places_back))
    return Matches(points_px, carried, images.sample(alignment.confidence[..., None], cells)[:, 0])


def judge(alignment: PhotographAlignment, *, carried: Matches | None = None) -> Verdict:
    """Return the verdict on the points that were carried, if any is present, or else on the whole pair."""
    verdict = alignment.verdict
    if carried is None or not np.isfinite(carried.confidence).any():
        return verdict
    return judge_points(carried.confidence, static=verdict.static)


def spread_matches(alignment: PhotographAlignment, *, count: int = 30, spacing_cells: float = 2.0) -> Matches:
    """Select the most distinct mutual matches, best first.

    Matches are ranked by distinctness and not by confidence, because the confidence of uniform background comes
    from its surroundings.
    """
    # NaN would be the greatest of ranks.
    rank = np.where(
        alignment.mutual, np.nan_to_num(alignment.distinctness, nan=-np.inf, posinf=np.inf), -np.inf
    )
    cells = coords.cell_grid(rank.shape).astype(np.float64)
    chosen: list[np.ndarray] = []
    while len(chosen) < count and np.isfinite(rank).any():
        best = rank.argmax()
        chosen.append(cells.reshape(-1, 2)[best])
        rank.flat[best] = -np.inf
        rank[np.linalg.norm(cells - chosen[-1], axis=-1) < spacing_cells] = -np.inf
    return carry_to_b(alignment.a_to_px(np.array(chosen).reshape(-1, 2)), alignment)


def dense_flow(alignment: PhotographAlignment, size: Sequence[int]) -> Float[np.ndarray, "height width 2"]:
    """Compute the displacement of every pixel of a within the aligned parts.

    The displacement is relative to the boxes: after a's box is mapped onto b's, a difference of their position,
    size or shape is not part of the flow. Beyond the outermost cells the flow is constant.
    """
    cells = alignment.a_to_px.inverse(coords.cell_grid(size).astype(np.float64))
    return images.sample(np.asarray(alignment.forward.flow), cells) * alignment.a_to_px.scale


def displacements(alignment: PhotographAlignment) -> Float[np.ndarray, "height width 2"]:
    """Compute the displacement (x, y) of every pixel of a to its place in b.

    A pixel's place in b is the pixel plus its displacement, in pixels of either photograph, as in files of
    optical flow. Pixels outside the aligned part of a have none (NaN).
    """
    pixels = coords.cell_grid(alignment.photographs[0].shape[:2]).astype(np.float64)
    flow, cells = alignment.forward.flow, alignment.a_to_px.inverse(pixels)
    places = alignment.b_to_px(_follow(flow, cells, alignment.turn.places_back))
    return np.where(coords.inside(pixels, alignment.shown_a)[..., None], places - pixels, np.nan)


def dense_places(alignment: PhotographAlignment, size: Sequence[int]) -> Float[np.ndarray, "height width 2"]:
    """Compute the corresponding point (x, y) of a, in pixels, for every pixel of b."""
    cells = alignment.b_to_px.inverse(coords.cell_grid(size).astype(np.float64))
    return alignment.a_to_px(_follow(alignment.backward.flow, cells, alignment.turn.places))


def _follow(
    flow: Float[Array, "h w 2"] | Float[np.ndarray, "h w 2"],
    cells: Float[np.ndarray, "*n 2"],
    turn: Callable[[np.ndarray, int], np.ndarray],
) -> Float[np.ndarray, "*n 2"]:
    """Return where cells go; beyond the outermost ones, a step is the step that ``turn`` makes of it."""
    nearest = np.clip(cells, 0, np.array(flow.shape[1::-1]) - 1.0)
    # Turning an image of one pixel leaves out the shift.
    return nearest + images.sample(np.asarray(flow), nearest) + turn(cells - nearest, 1)


def warp_onto_b(
    a: UInt8[np.ndarray, "height_a width_a 3"], alignment: PhotographAlignment, size: Sequence[int]
) -> UInt8[np.ndarray, "height_b width_b 3"]:
    """Warp photograph a onto b, of this size; `carry_mask` is for labels, of which there is no mean.

    Each pixel of b gets the colour of its corresponding point in a (`dense_places`), by the cubic spline
    through a.
    """
    colors = images.sample(a.astype(np.float32), dense_places(alignment, size), order=3)
    return colors.round().clip(0, 255).astype(np.uint8)


def carry_mask(
    mask: Shaped[np.ndarray, "height_a width_a"], alignment: PhotographAlignment
) -> Shaped[np.ndarray, "height_b width_b"]:
    """Carry the labels of a's pixels to b: whole numbers or truth values, of the mask's type.

    Each pixel of b gets the label of the pixel of a that is nearest to its corresponding point
    (`dense_places`); it is 0 outside the aligned part of b, and where that point is outside a.

    Raises:
        InputError: the mask is not of a's size, or has other numbers than whole ones.
    """
    size_a, size = (one.shape[:2] for one in alignment.photographs)
    if mask.shape != size_a or mask.dtype.kind not in "biu":
        raise InputError(
            f"the mask has the shape {mask.shape} of {mask.dtype}; whole numbers of the shape {size_a} of "
            "photograph a are expected"
        )
    x, y = np.moveaxis(np.rint(dense_places(alignment, size)).astype(int), -1, 0)
    height, width = mask.shape
    known = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    known &= coords.inside(coords.cell_grid(size), alignment.shown_b)
    return np.where(known, mask[y.clip(0, height - 1), x.clip(0, width - 1)], mask.dtype.type(0))


def change_frames(
    alignment: PhotographAlignment, a: images.Resampled, b: images.Resampled
) -> PhotographAlignment:
    """Convert an alignment to its photographs after they were resized or cropped."""
    return alignment._replace(
        a_to_px=a.transform @ alignment.a_to_px,
        b_to_px=b.transform @ alignment.b_to_px,
        shown_a=_moved(alignment.shown_a, a.transform),
        shown_b=_moved(alignment.shown_b, b.transform),
        photographs=(a.image, b.image),
    )


def _moved(box: coords.Box, frame: coords.Transform) -> coords.Box:
    return coords.Box(*frame(np.reshape(box, (2, 2))).ravel().tolist())


_promote_arrays(globals())  # From here on, callers' arrays are checked and promoted (`convcorr_jax.arrays`).
