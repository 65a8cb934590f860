"""Rendered categories: articulated figures over photographs, with everything known about them.

Instance ``index`` of ``seed`` is always the same, bit for bit, whatever was rendered before it.
Instances differ in proportions, pose, viewpoint, colours and patterns, scale, place, light and
background, and in what stands before them. Left and right are the figure's own.

A keypoint is visible when one of its own parts is the topmost within a pixel of it, so that a
figure hides parts of itself. The box holds the figure's whole extent (of a face: without hair and
shoulders), hidden or not, and lies inside the image, as do all keypoints.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from convcorr_jax import coords
from convcorr_jax.datasets.records import Record
from convcorr_jax.errors import InputError
from convcorr_jax.synthetic.light import Light, relight
from convcorr_jax.synthetic.rendering import car, face, painting, person, quadruped, surroundings
from convcorr_jax.synthetic.rendering.solids import Figure, Landmark, Outline, outline


class Category(NamedTuple):
    """How to draw a figure, and what is known about every one of its kind."""

    draw: Callable[[np.random.Generator], Figure]
    names: tuple[str, ...]
    label_names: tuple[str, ...]
    box_labels: tuple[str, ...]
    """The box is the extent of parts with these labels."""
    normalizer: tuple[str, str] | None
    """Keypoints whose distance divides errors; None: the longer side of the box does."""
    part_sets: Mapping[str, tuple[int, ...]] = MappingProxyType({})
    """Keypoints of named parts."""


CATEGORIES = {
    "person": Category(person.draw, person.NAMES, person.LABELS, person.LABELS, person.NORMALIZER),
    "face": Category(
        face.draw, face.NAMES, face.LABELS, face.BOX_LABELS, face.NORMALIZER, face.PART_SETS
    ),
    "quadruped": Category(
        quadruped.draw, quadruped.NAMES, quadruped.LABELS, quadruped.LABELS, None
    ),
    "car": Category(car.draw, car.NAMES, car.LABELS, car.LABELS, None),
}
"""The rendered categories by name; their order is part of every seed, so new ones come last."""

# One instance in five is for testing, so that both splits go on without end.
_TEST_EVERY = 5
# A figure takes up at least this share of the largest size at which it fits.
_LEAST_SIZE = 0.55
_MARGIN = 0.02


def split_of(index: int) -> str:
    """The split, ``"train"`` or ``"test"``, of instance ``index`` of every category."""
    return "test" if index % _TEST_EVERY == _TEST_EVERY - 1 else "train"


def instances(
    category: str, *, split: str, count: int, seed: int = 0, size: Sequence[int] = (256, 256)
) -> Iterator[Record]:
    """The first ``count`` instances of a split, rendered as they are asked for.

    Raises:
        InputError: as `render`, or the split is neither "train" nor "test".
    """
    if split not in ("train", "test"):
        raise InputError(f"split {split!r} does not exist; 'train' and 'test' do")
    index = 0
    while count > 0:
        if split_of(index) == split:
            yield render(category, seed=seed, index=index, size=size)
            count -= 1
        index += 1


def every_category(*, train: int, test: int, seed: int = 0) -> tuple[Record, ...]:
    """So many training and test instances of every category."""
    counts = {"train": train, "test": test}
    return tuple(
        record
        for category in CATEGORIES
        for split, count in counts.items()
        for record in instances(category, split=split, count=count, seed=seed)
    )


def render(category: str, *, seed: int, index: int, size: Sequence[int] = (256, 256)) -> Record:
    """Instance ``index`` of a category, as an image of ``size`` (height, width).

    Another size with the same proportions shows the same scene.

    >>> record = render("face", seed=0, index=3, size=(64, 64))
    >>> record.split, record.names[6], record.image.shape
    ('train', 'chin', (64, 64, 3))

    Raises:
        InputError: the category is unknown, seed or index is negative, or a side is under 32.
    """
    if category not in CATEGORIES:
        raise InputError(f"category {category!r} is not rendered; {', '.join(CATEGORIES)} are")
    if seed < 0 or index < 0:
        raise InputError(f"seed {seed} and index {index} must not be negative")
    size = coords.Size(*size)
    if min(size) < 32:
        raise InputError(f"size {tuple(size)} is too small: at least 32 pixels a side are needed")
    kind = CATEGORIES[category]
    rng = np.random.default_rng([seed, list(CATEGORIES).index(category), index])

    figure = kind.draw(rng)
    outlines = _outlines(figure, rng)
    landmarks = [figure.landmarks[name] for name in kind.names]
    places = np.array([figure.rotation @ landmark.position for landmark in landmarks])[:, :2]
    extent = np.concatenate(
        [places, *(part.polygon for part in outlines if part.label in kind.box_labels)]
    )
    place = _draw_place(extent, size, rng)
    outlines += surroundings.occluders(extent, rng)
    painted = painting.paint(surroundings.background(size, rng), outlines, place)
    image = relight(painted.image, rng, Light())

    points = coords.apply(place, places)
    box = coords.tight_box(coords.apply(place, extent))
    number = {None: 0} | {name: label for label, name in enumerate(kind.label_names, start=1)}
    shown_label = np.array([0, *(number[part.label] for part in outlines)], dtype=np.uint8)
    labels = shown_label[painted.shown]
    visible = [
        _faces_camera(landmark, figure.rotation)
        and _shows(labels, point, [number[label] for label in landmark.labels])
        for landmark, point in zip(landmarks, points, strict=True)
    ]
    return Record(
        image=image,
        size=size,
        category=category,
        source_id=f"{category} {seed}/{index}",
        split=split_of(index),
        names=kind.names,
        points=points,
        visible=np.array(visible),
        left_right_pairs=_left_right_pairs(kind.names),
        part_sets=kind.part_sets,
        box=box,
        normalizer_px=_normalizer(kind, points, box),
        attributes=figure.attributes,
        label_map=labels[:: painting.SUPERSAMPLING, :: painting.SUPERSAMPLING].copy(),
        label_names=kind.label_names,
    )


def _outlines(figure: Figure, rng: np.random.Generator) -> list[Outline]:
    """What the camera sees of a figure, far parts first, lit from somewhere above."""
    light = np.array([rng.uniform(-0.8, 0.8), -rng.uniform(0.3, 1.0), -rng.uniform(0.3, 1.0)])
    light /= np.linalg.norm(light)
    seen = [outline(part, figure.rotation, light) for part in figure.parts]
    return sorted((part for part in seen if part is not None), key=lambda part: -part.depth)


def _draw_place(
    extent: np.ndarray, size: coords.Size, rng: np.random.Generator
) -> coords.Transform:
    """A scale and a shift that put the extent somewhere inside the image."""
    low, high = extent.min(axis=0), extent.max(axis=0)
    margin = _MARGIN * min(size)
    room = np.array([size.width - 1, size.height - 1]) - 2 * margin
    scale = (room / (high - low)).min() * rng.uniform(_LEAST_SIZE, 1.0)
    free = room - scale * (high - low)
    shift = margin + rng.uniform(0, 1, 2) * free - scale * low
    return coords.Transform(np.array([scale, scale]), shift)


def _faces_camera(landmark: Landmark, rotation: np.ndarray) -> bool:
    return landmark.normal is None or bool((rotation @ landmark.normal)[2] < 0)


def _shows(labels: np.ndarray, point: np.ndarray, own: list[int]) -> bool:
    """Whether a cell within a pixel of the point has one of its own labels.

    Exactly at the point would not do: landmarks on an outline lie between two labels.
    """
    reach = painting.SUPERSAMPLING
    column, row = np.rint((point + 0.5) * painting.SUPERSAMPLING - 0.5).astype(int)
    rows = slice(max(0, row - reach), row + reach + 1)
    columns = slice(max(0, column - reach), column + reach + 1)
    return bool(np.isin(labels[rows, columns], own).any())


def _left_right_pairs(names: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    return tuple(
        (index, names.index(f"r_{name[2:]}"))
        for index, name in enumerate(names)
        if name.startswith("l_")
    )


def _normalizer(kind: Category, points: np.ndarray, box: coords.Box) -> float:
    if kind.normalizer is None:
        return box.longer_side
    first, second = (points[kind.names.index(name)] for name in kind.normalizer)
    return float(np.linalg.norm(first - second))
