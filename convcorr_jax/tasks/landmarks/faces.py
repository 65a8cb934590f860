"""Faces with landmarks: the training faces and the test faces of data sets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords
from convcorr_jax.datasets.records import Record, box_of, load_image
from convcorr_jax.errors import InputError
from convcorr_jax.probes import Faces
from convcorr_jax.probes.landmarks import FOLDS
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.reading import RENDERED, read

FRAME_MARGIN = 0.3
"""Added on every side of the square around a face's landmarks, in units of its side, for the first features."""


@dataclass(frozen=True, eq=False)
class FaceSet:
    """Faces of one mark-up.

    Attributes:
        records: the faces, all of whose landmarks are annotated.
        left_out: number of faces of the same split that lack landmarks.
    """

    records: tuple[Record, ...]
    left_out: int

    @property
    def points(self) -> Float[np.ndarray, "faces n 2"]:
        """All landmarks (x, y), in pixels of each image."""
        return np.stack([record.points for record in self.records])

    def faces(
        self, *, margin: float = FRAME_MARGIN, boxes: Sequence[coords.Box] | None = None
    ) -> Faces:
        """Return the faces as landmark probes take them.

        Args:
            margin: added on every side of the square around a face, in units of its side.
            boxes: a square for each face; by default that around its box.
        """
        if boxes is None:
            frames = tuple(frame_of(record, margin=margin) for record in self.records)
        else:
            frames = tuple(coords.grow(box, margin) for box in boxes)
        return Faces(_image_loader(self.records), frames, self.points)


def read_faces(
    datasets: Sequence[str],
    *,
    data_root: Path | None = None,
    test: bool,
    rendered: int,
    split: str | None = None,
) -> FaceSet:
    """Read the training faces of data sets, or all their other faces.

    Args:
        datasets: names or paths of data sets, or ``rendered``.
        data_root: the folder of data sets; by default $CONVCORR_DATA, or else the user's data folder.
        test: read the faces that are not in the split "train".
        rendered: number of rendered faces.
        split: the split of test faces, such as "challenging" of 300-W; by default every split but "train".

    Raises:
        InputError: a data set cannot be read, it has no such face, the faces have different landmarks, or a
            landmark is annotated in no face.
    """
    if split == "train":
        raise InputError("the split 'train' trains the probe; another split to test is expected")
    counts = {"train": 0, "test": rendered} if test else {"train": rendered, "test": 0}
    records = [
        record
        for name in datasets
        for record in read(
            name,
            data_root=data_root,
            categories=("face",) if name == RENDERED else (),
            **counts,
        )
        if record.category == "face" and record.names and _has_part(record.split, test, split)
    ]
    purpose = "to test" if test else "to learn from"
    if not records:
        raise InputError(f"{', '.join(datasets) or 'no data set'} has no faces {purpose}")
    if len({record.names for record in records}) > 1:
        raise InputError(f"the faces of {', '.join(datasets)} are not marked up alike")
    absent = np.isnan(np.stack([record.points for record in records]))
    never = [name for k, name in enumerate(records[0].names) if absent[:, k].all()]
    if never:
        raise InputError(
            f"landmarks {', '.join(never)} are annotated in none of the faces {purpose}"
        )
    complete = [record for record in records if not np.isnan(record.points).any()]
    if len(complete) < (1 if test else FOLDS):
        raise InputError(
            f"{len(complete)} faces {purpose} have all landmarks; {FOLDS} are expected"
        )
    return FaceSet(tuple(complete), len(records) - len(complete))


def _has_part(split: str, test: bool, tested: str | None) -> bool:
    if not test:
        return split == "train"
    return split != "train" if tested is None else split == tested


def frame_of(record: Record, *, margin: float = FRAME_MARGIN) -> coords.Box:
    """Return the part of the image that the first features describe.

    Args:
        record: a face.
        margin: added on every side of the square around the box, in units of its side.

    Returns:
        The record's box, made square and grown by the margin.

    Raises:
        InputError: the record has no box. The whole image in its place would be another frame than that of the
            other faces.
    """
    return coords.grow(coords.square(box_of(record)), margin)


def _image_loader(records: Sequence[Record]) -> Callable[[int], Image]:
    return lambda number: load_image(records[number])
