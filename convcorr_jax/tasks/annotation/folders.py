"""Folders of labelled photographs on which `convcorr_jax.annotation` is tried, from data sets.

- ``car``, ``duck``, ``motorbike``, ``winebottle``: PF-WILLOW, every second one mirrored; split at random.
- ``faces``: `lfpw68`, 15 of 68 points. ``cropped_faces``: parts of them, so that points come and go.
- ``people``: `lspet`, with joints that are not annotated absent. ``drawn_people``: rendered ones.
- ``backgrounds``: the mouse of `dlc_openfield`, pasted at random places and angles on `imagenet_sample`.
- ``two_faces``, ``three_faces``: faces, pasted apart from one another on `imagenet_sample`.
- ``walking``: a drawn animal before one of these photographs, whose parts move on their own. ``hidden``: the
  same, nearer or farther, walks to both sides, and often behind a box, so that points come and go.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from convcorr_jax import coords, images
from convcorr_jax.datasets import Record, load_image
from convcorr_jax.datasets.loading import find_folder
from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, read_image, write_image
from convcorr_jax.labels import Found, FoundObject, FoundPhotograph, LabelledPhotograph, read_labels, write_coco
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.reading import RENDERED, read

WILLOW = ("car", "duck", "motorbike", "winebottle")
# Brows' ends, corners of the eyes, bridge, tip and sides of the nose, corners and middles of the mouth, chin.
FACE_POINTS = (17, 21, 22, 26, 36, 39, 42, 45, 30, 31, 35, 48, 54, 57, 8)
FOLDERS = (
    *WILLOW, "faces", "cropped_faces", "people", "drawn_people", "backgrounds", "two_faces", "three_faces",
    "walking", "hidden",
)  # fmt: skip
_BACKGROUND = (480, 640)
_MOUSE_PX = 150
# The bones of the drawn animal: the point at the end and that at the beginning, the length as a share of the
# body, the mean angle in degrees, its deviation, the thickness and the shade.
_LEGS = [
    (f"{side}_{leg}_{end}", f"{side}_{leg}_{start}" if start else "", length, angle, swing, thickness, shade)
    for side, shade, shift in (("right", 0.75, -4), ("left", 1.0, 4))
    for leg, hip in (("fore", 8 + shift), ("hind", 172 + shift))
    for end, start, length, angle, swing, thickness in (
        ("hip", "", 0.33, hip, 2, 0.01),
        ("knee", "hip", 0.24, 90, 28, 0.075),
        ("paw", "knee", 0.24, 100, 25, 0.05),
    )
]
_BONES = [
    *_LEGS[:6],
    ("tailbase", "", 0.42, 180, 5, 0.26, 0.9),
    ("neck", "", 0.42, -8, 5, 0.26, 0.9),
    ("tailtip", "tailbase", 0.4, 180, 28, 0.03, 1.3),
    ("ear", "neck", 0.2, -35, 17, 0.13, 0.95),
    ("snout", "ear", 0.18, 15, 17, 0.07, 1.1),
    *_LEGS[6:],
]
_ANIMAL_SHARE, _COAT = 0.4, np.array([120, 105, 90])


class Choice(NamedTuple):
    """Which photographs a folder has."""

    most: int
    """The most for examples, and the most to annotate."""
    test: bool
    """Whether test photographs are annotated; else, half of the training photographs."""
    seed: int
    data_root: Path | None


class Picture(NamedTuple):
    """A photograph, the points of each of its objects, and whether it may be an example."""

    image: Image
    objects: Sequence[np.ndarray]
    is_example: bool


def read_split(
    photographs: Sequence[LabelledPhotograph], path: Path | None
) -> tuple[list[LabelledPhotograph], list[LabelledPhotograph]]:
    """Return the photographs that may be examples, in order, and those that are annotated.

    ``path`` is a CSV file with the columns image, split (``train`` or ``test``) and perhaps order. Without one,
    all may be both.

    Raises:
        InputError: the file lacks a photograph, or has another word or order for it.
    """
    everything = list(photographs)
    if path is None:
        return everything, everything
    with path.open(encoding="utf-8-sig") as stream:
        rows = {row.get("image"): row for row in csv.DictReader(stream)}
    parts: dict[str | None, list[LabelledPhotograph]] = {"train": [], "test": []}
    for one in everything:
        if one.path.name not in rows:
            raise InputError(f"{path} has no row whose image is {one.path.name}, which is labelled")
        row = rows[one.path.name]
        split, order = row.get("split"), row.get("order") or "0"
        if split not in parts or not order.isdecimal():
            raise InputError(
                f"{path} has the split {split!r} and the order {order!r} of {one.path.name}; "
                "train or test and a whole number are expected"
            )
        parts[split].append(one)
    parts["train"].sort(key=lambda one: int(rows[one.path.name].get("order") or 0))
    return parts["train"], parts["test"]


def draw_examples(
    pool: Sequence[LabelledPhotograph], count: int, draw: int, *, seed: int, ordered: bool
) -> list[LabelledPhotograph]:
    """Return some photographs at random, or for draw 0 the first ones if they are ordered."""
    if not 1 <= count <= len(pool):
        raise InputError(f"{count} examples are wanted; 1 to {len(pool)} photographs may be examples")
    if ordered and draw == 0:
        return list(pool[:count])
    chosen = np.random.default_rng([seed, draw]).permutation(len(pool))[:count]
    return [pool[number] for number in chosen]


def write_folder(out: Path, name: str, choice: Choice) -> dict[str, int]:
    """Write photographs, ``labels.json`` (COCO) and ``split.csv`` to a folder, and return their numbers."""
    if name not in FOLDERS:
        raise InputError(f"{name!r} is no folder of labelled photographs; {', '.join(FOLDERS)} are")
    names, pictures = _folder(name, choice)
    return _write(out, names, pictures)


def _folder(name: str, choice: Choice) -> tuple[tuple[str, ...], Iterator[Picture]]:
    rng = np.random.default_rng([choice.seed, len(name)])
    if name in WILLOW:
        records = [one for one in _records("pf_willow", choice) if one.category == name]
        half = set(rng.permutation(len(records))[::2].tolist())
        return records[0].names, (_mirrored(one, k % 2 == 1, k in half) for k, one in enumerate(records))
    if name == "backgrounds":
        return _mice(choice, rng)
    if name in ("walking", "hidden"):
        background = _background(_backgrounds(choice), rng)
        drawn = (_animal(background, rng, hidden=name == "hidden") for _ in range(2 * choice.most))
        pictures = (one._replace(is_example=number < choice.most) for number, one in enumerate(drawn))
        return tuple(name for name, *_ in _BONES), pictures
    source = {"people": "lspet", "drawn_people": RENDERED}.get(name, "lfpw68")
    records = _chosen(_records(source, choice), choice, rng)
    if source != "lfpw68":
        return records[0][0].names, (Picture(load_image(one), [one.points], own) for one, own in records)
    names = tuple(records[0][0].names[k] for k in FACE_POINTS)
    faces = [Picture(load_image(one), [one.points[list(FACE_POINTS)]], own) for one, own in records]
    makers: dict[str, Callable[[], Iterator[Picture]]] = {
        "faces": lambda: iter(faces),
        "cropped_faces": lambda: (_cropped(one, rng) for one in faces),
        "two_faces": lambda: _composed(faces, 2, choice, rng),
        "three_faces": lambda: _composed(faces, 3, choice, rng),
    }
    return names, makers[name]()


def _records(name: str, choice: Choice) -> list[Record]:
    drawn = ("person",) if name == RENDERED else ()
    return list(
        read(name, data_root=choice.data_root, categories=drawn, train=2 * choice.most, test=choice.most)
    )


def _chosen(records: Sequence[Record], choice: Choice, rng: np.random.Generator) -> list[tuple[Record, bool]]:
    """Return records for examples and for annotating, and which they are."""
    train = [one for one in records if one.split == "train"]
    train = [train[k] for k in rng.permutation(len(train))]
    test = [one for one in records if one.split == "test"] if choice.test else train[len(train) // 2 :]
    train = train if choice.test else train[: len(train) // 2]
    return [(one, True) for one in train[: choice.most]] + [(one, False) for one in test[: choice.most]]


def _mirrored(record: Record, mirror: bool, is_example: bool) -> Picture:
    image, points = load_image(record), record.points
    if mirror:
        pairs = record.left_right_pairs
        image, points = (
            images.flip(image),
            coords.flip_points(points, width=image.shape[1], left_right_pairs=pairs),
        )
    return Picture(np.ascontiguousarray(image), [points], is_example)


def _cropped(picture: Picture, rng: np.random.Generator) -> Picture:
    """Cut a part out, of 60 to 100 % of each side; points outside are absent."""
    size = np.array(picture.image.shape[:2])
    shape = np.ceil(size * rng.uniform(0.6, 1, 2)).astype(int)
    y, x = (int(rng.integers(rest + 1)) for rest in size - shape)
    (points,) = picture.objects
    points = points - (x, y)
    points = np.where(
        ((points >= -0.5) & (points < shape[::-1] - 0.5)).all(axis=1, keepdims=True), points, np.nan
    )
    return picture._replace(image=picture.image[y : y + shape[0], x : x + shape[1]], objects=[points])


def _background(paths: Sequence[Path], rng: np.random.Generator) -> Image:
    image = read_image(paths[int(rng.integers(len(paths)))])
    return images.resize(image, _BACKGROUND).image


def _backgrounds(choice: Choice) -> list[Path]:
    return sorted((find_folder("imagenet_sample", data_root=choice.data_root) / "images").iterdir())


def _mice(choice: Choice, rng: np.random.Generator) -> tuple[tuple[str, ...], Iterator[Picture]]:
    folder, paths = find_folder("dlc_openfield", data_root=choice.data_root), _backgrounds(choice)
    with (folder / "split.csv").open() as stream:
        rows = {row["image"]: row for row in csv.DictReader(stream)}
    labels = read_labels(folder)
    wanted = []
    for one in labels.photographs:
        row = rows[one.path.name]
        if choice.test or row["split"] == "train":
            wanted.append((one, row["split"] == "train" and (choice.test or int(row["order"]) < 30)))
    pictures = (
        _pasted(read_image(one.path), one.objects[0].points, _background(paths, rng), own, rng)
        for one, own in wanted
    )
    return labels.names, pictures


def _pasted(
    image: Image, points: np.ndarray, background: np.ndarray, is_example: bool, rng: np.random.Generator
) -> Picture:
    """Paste a disc around an object at a random place and angle, with a soft border."""
    turn = np.exp(1j * rng.uniform(-np.pi, np.pi))
    height, width = background.shape[:2]
    place = complex(*(rng.uniform(_MOUSE_PX / 2, side - _MOUSE_PX / 2) for side in (width, height)))
    center = complex(*points.mean(axis=0))
    grid = coords.cell_grid((height, width))
    back = (grid[..., 0] + 1j * grid[..., 1] - place) / turn + center
    source = images.sample(image, np.stack([back.real, back.imag], axis=-1))
    share = np.clip((_MOUSE_PX / 2 - np.abs(back - center)) / 8, 0, 1)[..., None]
    pasted = (source * share + background * (1 - share)).round().astype(np.uint8)
    moved = (points[:, 0] + 1j * points[:, 1] - center) * turn + place
    return Picture(pasted, [np.stack([moved.real, moved.imag], axis=-1)], is_example)


def _animal(background: Image, rng: np.random.Generator, *, hidden: bool) -> Picture:
    """Draw an animal at twice the size, and what hides it; half of those that may be hidden are mirrored."""
    height, width = background.shape[:2]
    size, mirrored = np.array([2 * width, 2 * height]), hidden and rng.random() < 0.5
    canvas = PillowImage.fromarray(images.flip(background) if mirrored else background).resize(size.tolist())
    draw = ImageDraw.Draw(canvas)
    body, tilt = _ANIMAL_SHARE * size[0] * rng.uniform(0.6 if hidden else 0.95, 1.05), rng.normal(0, 5)
    places = {"": complex(*rng.uniform((0.42, 0.42), (0.58, 0.5)) * size)}
    for name, start, length, angle, swing, thickness, shade in _BONES:
        a, half = places[start], body * thickness / 2
        b = places[name] = a + body * length * np.exp(1j * np.deg2rad(rng.normal(angle + tilt, swing)))
        colour = tuple((shade * _COAT).astype(int).tolist())
        draw.line([(a.real, a.imag), (b.real, b.imag)], fill=colour, width=max(1, round(2 * half)))
        for end in (a, b):
            draw.ellipse([end.real - half, end.imag - half, end.real + half, end.imag + half], fill=colour)
    points = np.array([(places[name].real, places[name].imag) for name, *_ in _BONES])
    if hidden and rng.random() < 0.7:
        low = rng.uniform((0.1, 0.4), (0.8, 0.5)) * size
        high = np.array([low[0] + 0.18 * size[0], size[1]])
        draw.rectangle([*low, *high], fill=(150, 120, 80))
        points = np.where(((points > low) & (points < high)).all(axis=1, keepdims=True), np.nan, points)
    small = images.resize(np.asarray(canvas), (height, width))
    image, points = small.image + rng.normal(0, 6, background.shape), small.transform(points)
    image = image.round().clip(0, 255).astype(np.uint8)
    if mirrored:
        pairs = [(k, k + len(_BONES) - len(_LEGS) // 2) for k in range(len(_LEGS) // 2)]
        image, points = images.flip(image), coords.flip_points(points, width=width, left_right_pairs=pairs)
    return Picture(np.ascontiguousarray(image), [points], True)


def _composed(
    faces: Sequence[Picture], count: int, choice: Choice, rng: np.random.Generator
) -> Iterator[Picture]:
    """Paste faces side by side, each at most as wide as its column, on a photograph."""
    paths, width = _backgrounds(choice), _BACKGROUND[1] // count
    for part in (True, False):
        own = [one for one in faces if one.is_example == part]
        for start in range(0, len(own) - count + 1, count):
            canvas, objects = _background(paths, rng).copy(), []
            for column, face in enumerate(own[start : start + count]):
                side = int(rng.uniform(0.7, 1) * min(width, 210))
                small = images.resize_longest_side(face.image, side)
                height, wide = small.image.shape[:2]
                x = column * width + int(rng.integers(width - wide + 1))
                y = int(rng.integers(_BACKGROUND[0] - height + 1))
                canvas[y : y + height, x : x + wide] = small.image
                objects.append(small.transform(face.objects[0]) + np.array([x, y]))
            yield Picture(canvas, objects, part)


def _write(folder: Path, names: tuple[str, ...], pictures: Iterator[Picture]) -> dict[str, int]:
    make_folder(folder)
    found, rows = [], []
    for number, picture in enumerate(pictures):
        path = folder / f"{number:04d}.png"
        write_image(path, picture.image)
        objects = tuple(
            FoundObject(points, None, coords.tight_box(points[np.isfinite(points[:, 0])]), None)
            for points in picture.objects
            if np.isfinite(points).any()
        )
        found.append(FoundPhotograph(path, picture.image.shape[:2], objects))
        rows.append((path.name, "train" if picture.is_example else "test", number))
    write_coco(folder / "labels.json", Found(names, tuple(found)))
    with (folder / "split.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("image", "split", "order"), *rows])
    return {"examples": sum(row[1] == "train" for row in rows), "photographs": len(rows)}
