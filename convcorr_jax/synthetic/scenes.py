"""Rendered categories: articulated figures over photographs, with exact annotations.

Instance ``index`` of ``seed`` is always the same, bit for bit, whatever was rendered before it. Instances
differ in proportions, posture, viewpoint, colours and patterns, scale, position, light, background and
occluders. Left and right are the figure's own.

A keypoint is visible if one of its own parts is the topmost one within a pixel of it, so that a figure hides
parts of itself. The box holds the figure's whole extent (of a face: without hair and shoulders), hidden or
not. The box and all keypoints are inside the image.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

from convcorr_jax import coords
from convcorr_jax.datasets import Record
from convcorr_jax.errors import InputError
from convcorr_jax.synthetic.light import Light, relight
from convcorr_jax.synthetic.rendering import car, face, person, quadruped, surroundings
from convcorr_jax.synthetic.rendering.solids import Figure, Landmark, Outline, outline


class RenderedCategory(NamedTuple):
    """How to draw figures of a category, and the names that all of them share."""

    draw: Callable[[np.random.Generator], Figure]
    names: tuple[str, ...]
    """Names of the keypoints, in the order of `Record.points`."""
    label_names: tuple[str, ...]
    """Names of the parts; the label of the first one is 1."""
    box_labels: tuple[str, ...]
    """Parts whose extent is the box."""
    normalizer: tuple[str, str] | None
    """Keypoints whose distance divides errors; with None, the longer side of the box divides them."""
    part_sets: Mapping[str, tuple[int, ...]] = MappingProxyType({})


CATEGORIES = {
    "person": RenderedCategory(person.draw, person.NAMES, person.LABELS, person.LABELS, person.NORMALIZER),
    "face": RenderedCategory(
        face.draw, face.NAMES, face.LABELS, face.BOX_LABELS, face.NORMALIZER, face.PART_SETS
    ),
    "quadruped": RenderedCategory(quadruped.draw, quadruped.NAMES, quadruped.LABELS, quadruped.LABELS, None),
    "car": RenderedCategory(car.draw, car.NAMES, car.LABELS, car.LABELS, None),
}
"""The rendered categories by name. Their order is part of every seed, so new ones come last."""

LEAST_SIDE_PX = 32
"""The least height and width of a rendered image in pixels."""

# One instance in five is for testing, so that neither split ends.
_TEST_EVERY = 5
# A figure has at least this fraction of the largest size that fits into the image.
_LEAST_SIZE = 0.55
# The least distance of the box from the image's border, as a fraction of the shorter side.
_MARGIN = 0.02


def split_of(index: int) -> str:
    """Return the split, ``"train"`` or ``"test"``, of instance ``index`` of every category."""
    return "test" if index % _TEST_EVERY == _TEST_EVERY - 1 else "train"


def instances(
    category: str, *, split: str, count: int, seed: int = 0, size: Sequence[int] = (256, 256)
) -> Iterator[Record]:
    """Render the first ``count`` instances of a split, "train" or "test", one at a time.

    The size is height and width in pixels; another seed gives other instances.
    """
    for index in indices(split, count=count):
        yield render(category, seed=seed, index=index, size=size)


def indices(split: str, *, count: int) -> Iterator[int]:
    """Return the numbers of the first ``count`` instances of a split, "train" or "test", in rising order.

    >>> list(indices("train", count=5))
    [0, 1, 2, 3, 5]
    """
    if split not in ("train", "test"):
        raise InputError(f"split {split!r} does not exist; 'train' and 'test' do")
    return itertools.islice((index for index in itertools.count() if split_of(index) == split), count)


def render_every_category(*, train: int, test: int, seed: int = 0) -> tuple[Record, ...]:
    """Render ``train`` and ``test`` instances of every category at 256 x 256 pixels."""
    counts = {"train": train, "test": test}
    return tuple(
        record
        for category in CATEGORIES
        for split, count in counts.items()
        for record in instances(category, split=split, count=count, seed=seed)
    )


def render(category: str, *, seed: int, index: int, size: Sequence[int] = (256, 256)) -> Record:
    """Render one instance of a category of `CATEGORIES`, at a height and width of at least `LEAST_SIDE_PX`.

    Another size with the same proportions shows the same scene.

    >>> record = render("face", seed=0, index=3, size=(64, 64))
    >>> record.split, record.names[6], record.image.shape
    ('train', 'chin', (64, 64, 3))
    """
    if category not in CATEGORIES:
        raise InputError(f"category {category!r} is not rendered; {', '.join(CATEGORIES)} are")
    if seed < 0 or index < 0:
        raise InputError(f"seed {seed} and index {index} must not be negative")
    size = coords.Size(*size)
    if min(size) < LEAST_SIDE_PX:
        raise InputError(f"size {tuple(size)} is too small: at least {LEAST_SIDE_PX} pixels a side are needed")
    kind = CATEGORIES[category]
    rng = np.random.default_rng([seed, list(CATEGORIES).index(category), index])

    figure = kind.draw(rng)
    outlines = _outlines(figure, rng)
    landmarks = [figure.landmarks[name] for name in kind.names]
    positions = np.array([figure.rotation @ landmark.position for landmark in landmarks])[:, :2]
    extent = np.concatenate([positions, *(part.polygon for part in outlines if part.label in kind.box_labels)])
    to_px = _draw_placement(extent, size, rng)
    outlines += surroundings.occluders(extent, rng)
    painted = surroundings.paint(surroundings.background(size, rng), outlines, to_px)

    points = to_px(positions)
    box = coords.tight_box(to_px(extent))
    labels = _cell_labels(painted.topmost, outlines, kind.label_names)
    return Record(
        image=relight(painted.image, rng, Light()),
        size=size,
        category=category,
        source_id=f"{category} {seed}/{index}",
        split=split_of(index),
        names=kind.names,
        points=points,
        visible=_visibility(landmarks, points, figure, labels, kind.label_names),
        left_right_pairs=_left_right_pairs(kind.names),
        part_sets=kind.part_sets,
        box=box,
        normalizer_px=_normalizer(kind, points, box),
        attributes=figure.attributes,
        label_map=labels[:: surroundings.SUPERSAMPLING, :: surroundings.SUPERSAMPLING].copy(),
        label_names=kind.label_names,
    )


def _outlines(figure: Figure, rng: np.random.Generator) -> list[Outline]:
    """Project a figure's parts, far parts first, lit from a random direction above."""
    light = np.array([rng.uniform(-0.8, 0.8), -rng.uniform(0.3, 1.0), -rng.uniform(0.3, 1.0)])
    light /= np.linalg.norm(light)
    outlines = [outline(part, figure.rotation, light) for part in figure.parts]
    return sorted((part for part in outlines if part is not None), key=lambda part: -part.depth)


def _draw_placement(
    extent: Float[np.ndarray, "n 2"], size: coords.Size, rng: np.random.Generator
) -> coords.Transform:
    """Draw a scale and a shift that put the extent somewhere inside the image."""
    low, high = extent.min(axis=0), extent.max(axis=0)
    margin = _MARGIN * min(size)
    room = np.array([size.width - 1, size.height - 1]) - 2 * margin
    scale = (room / (high - low)).min() * rng.uniform(_LEAST_SIZE, 1.0)
    free = room - scale * (high - low)
    shift = margin + rng.uniform(0, 1, 2) * free - scale * low
    return coords.Transform(np.array([scale, scale]), shift)


def _cell_labels(
    topmost: UInt8[np.ndarray, "rows columns"], outlines: Sequence[Outline], label_names: tuple[str, ...]
) -> UInt8[np.ndarray, "rows columns"]:
    """Return the label of the topmost part in every cell; 0 for the background and occluders."""
    label_of = {name: label for label, name in enumerate((None, *label_names))}
    return np.array([0, *(label_of[part.label] for part in outlines)], dtype=np.uint8)[topmost]


def _visibility(
    landmarks: Sequence[Landmark],
    points: Float[np.ndarray, "n 2"],
    figure: Figure,
    labels: UInt8[np.ndarray, "rows columns"],
    label_names: tuple[str, ...],
) -> Bool[np.ndarray, " n"]:
    """Return for every landmark whether it faces the camera and one of its own parts shows near its point."""
    return np.array(
        [
            (landmark.normal is None or (figure.rotation @ landmark.normal)[2] < 0)
            and _shows(labels, point, [label_names.index(name) + 1 for name in landmark.labels])
            for landmark, point in zip(landmarks, points, strict=True)
        ]
    )


def _shows(labels: UInt8[np.ndarray, "rows columns"], point: Float[np.ndarray, "2"], own: list[int]) -> bool:
    """Return whether a cell within a pixel of the point has one of its own labels."""
    # The cell of the point itself is not enough: landmarks on an outline are between two labels.
    reach = surroundings.SUPERSAMPLING
    column, row = np.rint((point + 0.5) * surroundings.SUPERSAMPLING - 0.5).astype(int)
    rows = slice(max(0, row - reach), row + reach + 1)
    columns = slice(max(0, column - reach), column + reach + 1)
    return bool(np.isin(labels[rows, columns], own).any())


def _left_right_pairs(names: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    return tuple(
        (index, names.index(f"r_{name[2:]}")) for index, name in enumerate(names) if name.startswith("l_")
    )


def _normalizer(kind: RenderedCategory, points: Float[np.ndarray, "n 2"], box: coords.Box) -> float:
    if kind.normalizer is None:
        return box.longer_side
    first, second = (points[kind.names.index(name)] for name in kind.normalizer)
    return float(np.linalg.norm(first - second))
