"""The figure of an alignment: a `match_figure` of a `PhotographAlignment`."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.figure import Figure

from convcorr_jax import coords, images
from convcorr_jax.matching import Matches, PhotographAlignment, dense_flow, in_frames, warp_onto_b
from convcorr_jax.report.matches import MatchPanels, match_figure

# Longer side of each image in the figure: a PNG of four such panels is smaller than 1.5 MB.
_PANEL_PX = 480
_LONGEST_NAME = 24


def alignment_figure(
    a: UInt8[np.ndarray, "height_a width_a 3"],
    b: UInt8[np.ndarray, "height_b width_b 3"],
    alignment: PhotographAlignment,
    matches: Matches,
    *,
    names: tuple[str, str] = ("a", "b"),
    caption: str = "",
    carried: Matches | None = None,
    point_names: Sequence[str] = (),
) -> Figure:
    """Draw two images and how they were aligned.

    Args:
        a: the image that was matched.
        b: the image that it was matched with.
        alignment: from a to b, by `align_photographs`.
        matches: the matches to draw as lines, for example from `spread_matches`.
        names: of the images.
        caption: the last line of the figure.
        carried: points of a, and their positions in b, to draw bold.
        point_names: of those points.
    """
    small_a, small_b = (
        images.resize_longest_side(image, min(_PANEL_PX, max(image.shape[:2]))) for image in (a, b)
    )
    to_small = (small_a.transform, small_b.transform)
    small = in_frames(alignment, *to_small)
    size_a, size_b = small_a.image.shape[:2], small_b.image.shape[:2]
    outside_a = ~coords.inside(coords.cell_grid(size_a), small.shown_a)
    outside_b = ~coords.inside(coords.cell_grid(size_b), small.shown_b)
    flow = dense_flow(small, size_a)
    longest_px = _longest_px(
        flow[~outside_a] / small_a.transform.scale, least=float(alignment.a_to_px.scale.min()) / 2
    )
    flow[outside_a] = np.nan
    warped = warp_onto_b(small_a.image, small, size_b)
    # Pixels that were not aligned are drawn pale.
    warped[outside_b] = 255 - (255 - warped[outside_b]) // 5
    name_a, name_b = (_short(name) for name in names)
    lines, points = (_in_frames(pairs, *to_small) for pairs in (matches, carried or _NONE))
    panels = MatchPanels(
        small_a.image,
        small_b.image,
        matches_a=lines.a_px,
        matches_b=lines.b_px,
        a_onto_b=warped,
        flow=flow,
        longest=longest_px * float(small_a.transform.scale.mean()),
        titles=(name_a, name_b, f"flow of {name_a}", f"{name_a} laid onto {name_b}"),
        key=f"Colour: where a pixel of {name_a} moves; at the rim by {longest_px:g} px or more.",
        caption=caption,
        boxes=(
            small.shown_a if outside_a.any() else None,
            small.shown_b if outside_b.any() else None,
        ),
        points_a=points.a_px,
        points_b=points.b_px,
        point_names=point_names,
    )
    return match_figure(panels, panel_px=_PANEL_PX)


_NONE = Matches(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0))


def _in_frames(matches: Matches, a_frame: coords.Transform, b_frame: coords.Transform) -> Matches:
    return matches._replace(
        a_px=coords.apply(a_frame, matches.a_px), b_px=coords.apply(b_frame, matches.b_px)
    )


def _short(name: str) -> str:
    """Shorten a name so that two of them, and a few words, fit above a panel."""
    return name if len(name) <= _LONGEST_NAME else f"{name[:14]}…{name[-9:]}"


def _longest_px(flow: Float[np.ndarray, "n 2"], *, least: float) -> float:
    """Compute the length at the rim of the colour wheel: the 99th percentile, rounded up to two digits.

    It is at least half a cell, so that noise below the size of a cell stays pale.
    """
    length = max(float(np.quantile(np.hypot(*flow.T), 0.99)), least)
    unit = 10.0 ** (math.floor(math.log10(length)) - 1)
    return math.ceil(length / unit) * unit
