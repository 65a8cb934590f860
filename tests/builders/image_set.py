"""A data set of tiny images on disk, and records that use every field, for the tests of prepared data sets."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from convcorr_jax import coords
from convcorr_jax.datasets import Absent, Record

SIZE = coords.Size(18, 20)
COUNT = 14


def write_images(folder: Path) -> Path:
    """Write images of noise of 20 x 18 pixels; return their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    for number in range(COUNT):
        PillowImage.fromarray(rng.integers(0, 256, (*SIZE, 3), np.uint8)).save(folder / f"{number:02d}.png")
    return folder


def read_entries(folder: Path) -> Iterator[Record | Absent]:
    """Yield a record for every image, 12 for training and 2 for testing, and an annotation without an image."""
    yield Absent("lost", "its image does not exist")
    for number, path in enumerate(sorted(folder.glob("*.png"))):
        yield plain_record(path, f"image {number}", split="test" if number % 5 == 4 else "train")


def read_records(folder: Path) -> list[Record]:
    """Return the records of `read_entries`."""
    return [entry for entry in read_entries(folder) if isinstance(entry, Record)]


def plain_record(image: Path | bytes | np.ndarray, source_id: str, *, split: str) -> Record:
    """Return a record of one keypoint, which single precision cannot represent, without optional fields."""
    point = {"names": ("nose",), "points": np.array([[0.1, 1 / 3]]), "visible": np.array([True])}
    return Record(image=image, size=SIZE, category="cat", source_id=source_id, split=split, **point)


def full_record(image: Path | bytes | np.ndarray, label_map: bytes | np.ndarray) -> Record:
    """Return a record with all fields: names beyond ASCII, an absent and a hidden point, an empty part."""
    return Record(
        **{"image": image, "size": SIZE, "category": "Kätzchen", "source_id": "写真/1", "split": "train"},
        names=("links", "右", "nose"),
        points=np.array([[0.1, 1e-9], [np.nan, np.nan], [17.3, 1 / 3]]),
        **{"visible": np.array([True, False, False]), "left_right_pairs": ((1, 0),)},
        part_sets={"eyes": (1, 0), "none": (), "face": (0, 1, 2)},
        box=coords.Box(-0.5, 0.1, 7 / 3, 17.5),
        other_boxes={"head": coords.Box(1.1, 2.2, 3.3, 4.4), "torso": coords.Box(0.0, 0.0, 1.0, 2.0)},
        **{"normalizer_px": np.pi, "attributes": {"scale": 0.1, "smiling": -1.0}},
        **{"label_map": label_map, "label_names": ("cat", "sofa")},
    )
