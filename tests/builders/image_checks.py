"""Findings of the checks of images, and records whose images are files."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image as PillowImage

from convcorr_jax.datasets import Record, load_image
from convcorr_jax.doctor import Finding
from convcorr_jax.doctor.duplicates import compute_thumbnails

Check = Callable[..., object]


def found_by(check: Check, records: Sequence[Record]) -> list[Finding]:
    return list(check(*compute_thumbnails(records)))  # type: ignore[call-overload]


def on_disk(records: Sequence[Record], folder: Path) -> list[Record]:
    paths = [folder / f"{index}.png" for index in range(len(records))]
    for record, path in zip(records, paths, strict=True):
        PillowImage.fromarray(load_image(record)).save(path)
    return [replace(record, image=path) for record, path in zip(records, paths, strict=True)]
