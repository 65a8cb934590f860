"""Windows of labelled photographs for training heads: where an object is, and where exactly its points are."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Complex, Float, UInt8

from convcorr_jax import coords, images
from convcorr_jax.annotation import heads
from convcorr_jax.annotation.shape import Similarity, complex_of, diameter, dilate, points_of, within_hull
from convcorr_jax.annotation.windows import (
    Extractor,
    Features,
    Photograph,
    View,
    cells_of,
    centered,
    change_light,
    cut_out,
)

# Windows at random places of photographs, from which a head learns what is no object.
_ELSEWHERE = 0.3
# The share of windows in which objects are pasted, and that of their diameter within which all is pasted.
_PASTED, _MARGIN, _SOFT_PX = 0.8, 0.1, 2.0
# Windows are bent by smooth displacements of this deviation, which are drawn for places so far apart.
_BEND_PX, _BEND_EVERY_PX = 7.0, 48


class Example(NamedTuple):
    """A photograph of which all objects are known, in its own frame."""

    photograph: Photograph
    objects: tuple[Complex[np.ndarray, " n"], ...]
    fits: tuple[Similarity, ...]
    """The similarity of the mean shape, or of its mirrored copy, to each object."""
    mirrored: tuple[bool, ...]
    """Which objects are mirrored copies."""
    masks: tuple[Bool[np.ndarray, "_ _"] | None, ...]
    """The pixels of each object, where they are known."""
    weight: Float[np.ndarray, " n"] | float = 1.0
    """How much the labels of points count: less than 1 if a method found them, and 0 if they are unknown."""
    name: str = ""
    """Of the file, if it was labelled."""

    @property
    def size(self) -> tuple[int, int]:
        """The size (height, width) of the photograph."""
        return self.photograph.size


class Draw(NamedTuple):
    """A window of an example."""

    example: int
    view: View
    background: View | None = None
    """The view of what is around the object, if the object is pasted in."""


class Jitter(NamedTuple):
    """How much windows vary: radians, logarithm of the scale, and shares of the window or diameter."""

    angle: float
    stretch: float
    shift: float


# The standard deviations of a pasted object's move; its shift is a share of the extent of its points.
_MOVED = Jitter(angle=0.07, stretch=0.1, shift=0.08)


class Windows(NamedTuple):
    """Windows of examples with their features and what they show."""

    features: Features
    targets: heads.Targets
    examples: Float[np.ndarray, " b"]


def draw_whole(
    examples: Sequence[Example], frames: Sequence[Similarity], size: tuple[int, int], jitter: Jitter, *,
    count: int, mirror: bool, pasted: bool, rng: np.random.Generator,
) -> list[Draw]:  # fmt: skip
    """Draw windows of whole photographs, which ``frames`` map into windows.

    With ``pasted``, an object that is alone is moved a little in most windows, and mirrored in its place if it
    is mirrored, and its background is not: where photographs are of one view, it tells nothing of the object.
    """
    middle = complex(size[1] - 1, size[0] - 1) / 2
    draws = []
    for number in (k % len(examples) for k in range(count)):
        a = np.exp(rng.uniform(-jitter.stretch, jitter.stretch) + 1j * _angle(rng, jitter.angle))
        shift = complex(*(rng.uniform(-jitter.shift, jitter.shift, 2) * size[::-1]))
        turn = Similarity(complex(a), complex(middle - a * middle + shift))
        draw = Draw(number, View(turn @ frames[number], size, mirror and rng.random() < 0.5))
        alone = len(examples[number].objects) == 1 and diameter(examples[number].objects[0]) > 0
        paste = pasted and alone and rng.random() < _PASTED
        draws.append(_moved(draw, examples[number], rng) if paste else draw)
    return draws


def _moved(draw: Draw, example: Example, rng: np.random.Generator) -> Draw:
    """Return a draw in which the object is moved at random, and mirrored about its middle if the draw is."""
    background = draw.view._replace(mirrored=False)
    places = background.move(points_of(example.objects[0]))
    low, high = np.nanmin(places, axis=0), np.nanmax(places, axis=0)
    middle, extent = complex(*(low + high)) / 2, float(max(high - low))
    a = complex(np.exp(rng.normal(0, _MOVED.stretch) + 1j * rng.normal(0, _MOVED.angle)))
    b = middle - a * middle + complex(*rng.normal(0, _MOVED.shift, 2)) * extent
    b += draw.view.mirrored * (draw.view.size[1] - 1 - 2 * middle.real)
    return Draw(draw.example, draw.view._replace(to_window=Similarity(a, b) @ background.to_window), background)


def _angle(rng: np.random.Generator, spread: float) -> float:
    return rng.uniform(-np.pi, np.pi) if spread >= np.pi else float(rng.normal(0, spread))


def draw_around(
    examples: Sequence[Example], side: int, object_px: Sequence[float] | float, jitter: Jitter, *, count: int,
    mirror: bool | None, upright: bool, elsewhere: bool, rng: np.random.Generator, twice: float = 0.0,
) -> list[Draw]:  # fmt: skip
    """Draw square windows around objects, which have a diameter of ``object_px`` in them.

    Args:
        mirror: mirror every second window at random; if None, those of objects that are mirrored copies.
        upright: remove the object's own angle; else windows turn within the jitter's angle.
        elsewhere: shift windows by up to a third of their side, and take some at random places.
        twice: the angle from the mirrored mean shape to the mean shape, by which upright windows of mirrored
            objects are turned.
    """
    draws = []
    for number in (k % len(examples) for k in range(count)):
        example = examples[number]
        place = int(rng.integers(len(example.fits)))
        fit = example.fits[place]
        wanted = object_px if isinstance(object_px, int | float) else object_px[number] * abs(fit.a)
        scale = wanted / abs(fit.a) * np.exp(rng.uniform(-jitter.stretch, jitter.stretch))
        mirrored = example.mirrored[place] if mirror is None else mirror and rng.random() < 0.5
        turn = _angle(rng, jitter.angle) + (np.angle(fit.a) if upright else 0)
        turn += twice if upright and mirrored and mirror is not None else 0
        if elsewhere and rng.random() < _ELSEWHERE:
            center = complex(rng.uniform(0, example.size[1]), rng.uniform(0, example.size[0]))
        elif elsewhere:
            center = fit.b + complex(*rng.uniform(-0.3, 0.3, 2)) * side / scale
        else:
            center = fit.b + abs(fit.a) * complex(*rng.normal(0, jitter.shift, 2))
        draws.append(Draw(number, View(centered(center, turn, scale, side), (side, side), mirrored)))
    return draws


def _paste(
    window: UInt8[np.ndarray, "h w 3"], background: UInt8[np.ndarray, "h w 3"], views: Sequence[View],
    points: Complex[np.ndarray, " n"],
) -> UInt8[np.ndarray, "h w 3"]:  # fmt: skip
    """Return the background, with the window's pixels around the points of both views within a soft border."""
    from scipy import ndimage

    # The border of small objects is farther away, so that they are no ghosts.
    reach = max(_MARGIN * diameter(points), 2 * _SOFT_PX / abs(views[0].to_window.a))
    grid, around = coords.cell_grid(window.shape[:2]), points_of(dilate(points, reach))
    inside = np.any([within_hull(complex_of(view.move(around)), grid) for view in views], axis=0)
    share = ndimage.gaussian_filter(inside.astype(float), _SOFT_PX)[..., None]
    return (window * share + background * (1 - share)).round().astype(np.uint8)


def _bend(seed: np.integer, size: Sequence[int]) -> Float[np.ndarray, "h w 2"]:
    """Return smooth random displacements of a window's pixels."""
    from scipy import ndimage

    shape = (*(side // _BEND_EVERY_PX + 2 for side in size), 2)
    coarse = np.random.default_rng(seed).normal(0, _BEND_PX, shape)
    return ndimage.zoom(coarse, (_BEND_EVERY_PX, _BEND_EVERY_PX, 1), order=3)[: size[0], : size[1]]


def _bend_points(
    points: Float[np.ndarray, "n 2"], bend: Float[np.ndarray, "h w 2"]
) -> Float[np.ndarray, "n 2"]:
    """Return the places p of points in the bent window, where ``p + bend(p)`` is the point."""
    moved = points
    for _ in range(8):
        moved = points - images.sample(bend, np.nan_to_num(moved))
    return moved


def render(
    examples: Sequence[Example], draws: Sequence[Draw], extract: Extractor, *,
    swaps: Sequence[int], rng: np.random.Generator, bent: bool = False,
) -> Windows:  # fmt: skip
    """Cut windows, change their light, and compute their features; what they show is all objects within.

    With ``bent``, parts of windows are displaced at random, as those of an object move (Simard et al. 2003,
    *Best practices for convolutional neural networks applied to visual document analysis*).
    """
    n = len(swaps)
    most = max(len(example.objects) for example in examples)
    cells = np.full((len(draws), most, n, 2), np.nan, np.float32)
    known = np.ones((len(draws), n), np.float32)
    seeds = rng.integers(2**32, size=len(draws) if bent else 0)
    # Windows of an example follow one another, so that it is read once.
    order, shown = np.argsort([draw.example for draw in draws], kind="stable"), []
    ordered = [draws[row] for row in order]
    windows = cut_out([(examples[n].photograph, view) for n, *both in ordered for view in both if view])
    for row, (number, view, background) in zip(order, ordered, strict=True):
        window = next(windows)
        if background is not None:
            window = _paste(window, next(windows), (view, background), examples[number].objects[0])
        bend = _bend(seeds[row], view.size) if bent else None
        places = list(swaps) if view.mirrored else slice(None)
        for place, points in enumerate(examples[number].objects):
            here = view.move(points_of(points))
            here = here if bend is None else _bend_points(here, bend)
            here[~((here > -0.5) & (here < np.array(view.size[::-1]) - 0.5)).all(axis=-1)] = np.nan
            cells[row, place] = cells_of(here)[places]
        known[row] = np.broadcast_to(examples[number].weight, n)[places]
        if bend is not None:
            window = images.sample(window, coords.cell_grid(view.size) + bend).round().astype(np.uint8)
        shown.append(change_light(window, rng))
    features = extract(shown)
    back = np.argsort(order)
    return Windows(
        tuple(layer[back] for layer in features),
        heads.Targets(cells, known),
        np.array([d.example for d in draws]),
    )


def without(windows: Windows, examples: Sequence[int]) -> Windows:
    """Return the windows of all other examples."""
    kept = ~np.isin(windows.examples, examples)
    targets = heads.Targets(*(part[kept] for part in windows.targets))
    return Windows(tuple(layer[kept] for layer in windows.features), targets, windows.examples[kept])
