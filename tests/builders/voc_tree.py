"""Writers of tiny trees in the format of PASCAL VOC."""

from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

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
