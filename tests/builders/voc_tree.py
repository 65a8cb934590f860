"""Writers of tiny trees in the format of PASCAL VOC."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from convcorr_jax.datasets import Record, load_image, load_label_map
from convcorr_jax.datasets.formats.xml import CLASSES
from convcorr_jax.datasets.official.voc import NAMES

WIDTH, HEIGHT = 40, 30
FLAGS = {"difficult": 0, "occluded": 1, "truncated": 0}


def write_image(path: Path, *, width: int = WIDTH, height: int = HEIGHT) -> None:
    """Write a red image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.new("RGB", (width, height), "red").save(path)


def write_labels(path: Path, labels: np.ndarray) -> None:
    """Write a label map as a palette image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = PillowImage.fromarray(labels)
    image.putpalette(bytes(range(256)) * 3)
    image.save(path)


def write_list(path: Path, names: list[str]) -> None:
    """Write names, one a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}\n" for name in names))


def write_annotation(
    path: Path,
    objects: list[tuple[str, tuple[float, float, float, float]]],
    *,
    width: int = WIDTH,
    height: int = HEIGHT,
) -> None:
    """Write VOC's annotation of an image; boxes are xmin, ymin, xmax, ymax, counted from 1."""

    def text(category: str, corners: tuple[float, ...]) -> str:
        tags = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
        box = "".join(f"<{tag}>{value}</{tag}>" for tag, value in tags)
        flags = "".join(f"<{flag}>{value}</{flag}>" for flag, value in FLAGS.items())
        part = "<part><name>head</name><bndbox><xmin>2</xmin></bndbox></part>"
        return f"<object><name>{category}</name>{flags}<bndbox>{box}</bndbox>{part}</object>"

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"<annotation><filename>{path.stem}.jpg</filename>"
        f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
        f"{''.join(text(*annotated) for annotated in objects)}</annotation>"
    )


def write_release(folder: Path, records: Sequence[Record], *, voc_class: str, year: int) -> None:
    """Write objects, one in each image, as a whole release of VOC with keypoints and segmentation.

    The split "train" of the records is VOC's train, and any other one its val. Keypoints take the first names
    of the class; boxes cover whole pixels.
    """
    release = folder / "VOCdevkit" / f"VOC{year}"
    listed: dict[str, list[str]] = {"train": [], "val": []}
    for number, record in enumerate(records):
        name = f"2008_{number:06d}"
        listed["train" if record.split == "train" else "val"].append(name)
        image, labels = load_image(record), load_label_map(record)
        assert labels is not None
        assert record.box is not None
        height, width = record.size
        path = release / "JPEGImages" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        PillowImage.fromarray(image).save(path, quality=95)
        index = CLASSES.index(voc_class) + 1
        write_labels(
            release / "SegmentationClass" / f"{name}.png", np.where(labels > 0, index, 0).astype(np.uint8)
        )
        x0, y0, x1, y1 = (round(edge) for edge in record.box)
        corners = (max(x0, 0) + 1, max(y0, 0) + 1, min(x1, width), min(y1, height))
        write_annotation(
            release / "Annotations" / f"{name}.xml", [(voc_class, corners)], width=width, height=height
        )
        write_keypoints(folder / "annotations" / voc_class / f"{name}_1.xml", name, record, voc_class)
    for task in ("Main", "Segmentation"):
        for split, names in listed.items():
            write_list(release / "ImageSets" / task / f"{split}.txt", names)


def write_keypoints(path: Path, image: str, record: Record, voc_class: str) -> None:
    """Write Berkeley's keypoints of an object, counted from 1."""
    points = "".join(
        f'<keypoint name="{name}" visible="{int(visible)}" x="{x + 1:.3f}" y="{y + 1:.3f}" z="0"/>'
        for name, (x, y), visible in zip(NAMES[voc_class], record.points, record.visible, strict=False)
        if not np.isnan(x)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"<annotation><image>{image}</image><voc_id>1</voc_id><category>{voc_class}</category>"
        f"<keypoints>{points}</keypoints></annotation>"
    )
