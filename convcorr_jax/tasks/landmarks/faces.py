"""Faces with landmarks, and boxes of test faces: around the landmarks, of a detector, and displaced at random.

A box around the annotated landmarks tells a probe where they are: the mean face, placed into it, errs by .16 of
the distance of the outer eye corners on LFPW, and by .24 in the paper, which does not state its boxes. Figures
in such boxes are lower bounds of the error in boxes that were not drawn by hand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords
from convcorr_jax.datasets import Record, box_of, load_image
from convcorr_jax.errors import InputError
from convcorr_jax.probes import Faces, jitter_frames
from convcorr_jax.probes.landmarks import FOLDS
from convcorr_jax.tasks.reading import RENDERED, read

FRAME_MARGIN = 0.3
"""Added on every side of the square around a face's landmarks, in units of its side, for the first features."""
ANNOTATED = "annotated"
"""The name of the boxes around the landmarks."""
DETECTOR = "detector"
"""The name of a detector's box among `Record.other_boxes`."""
JITTERS = (0.05, 0.1, 0.15)
"""Standard deviations of the displacement of boxes, in sides of the square, and of the logarithm of their
scale."""


@dataclass(frozen=True, eq=False)
class FaceSet:
    """Faces of one mark-up, and the number of faces of the same split that lack landmarks."""

    records: tuple[Record, ...]
    left_out: int

    @property
    def points(self) -> Float[np.ndarray, "faces n 2"]:
        """All landmarks (x, y), in pixels of each image."""
        return np.stack([record.points for record in self.records])

    def faces(self, *, margin: float = FRAME_MARGIN, boxes: Sequence[coords.Box] | None = None) -> Faces:
        """Return the faces as landmark probes take them, in squares with a margin, by default their boxes."""
        if boxes is None:
            frames = tuple(frame_of(record, margin=margin) for record in self.records)
        else:
            frames = tuple(coords.grow(box, margin) for box in boxes)
        return Faces(lambda number: load_image(self.records[number]), frames, self.points)


def read_faces(
    datasets: Sequence[str],
    *,
    data_root: Path | None = None,
    test: bool,
    rendered: int,
    split: str | None = None,
) -> FaceSet:
    """Read the training faces of data sets, or all their other faces.

    A ``split`` of test faces is, for example, "challenging" of 300-W; by default it is every split but "train".
    Faces must share their landmarks, each of which must be annotated in some face.
    """
    if split == "train":
        raise InputError("the split 'train' trains the probe; another split to test is expected")
    counts = {"train": 0, "test": rendered} if test else {"train": rendered, "test": 0}
    records = [
        record
        for name in datasets
        for record in read(
            name, data_root=data_root, categories=("face",) if name == RENDERED else (), **counts
        )
        if record.category == "face" and record.names and (record.split == "train") is not test
        if not test or split in (None, record.split)
    ]
    purpose = "to test" if test else "to learn from"
    if not records:
        raise InputError(f"{', '.join(datasets) or 'no data set'} has no faces {purpose}")
    if len({record.names for record in records}) > 1:
        raise InputError(f"the faces of {', '.join(datasets)} are not marked up alike")
    absent = np.isnan(np.stack([record.points for record in records]))
    never = [name for k, name in enumerate(records[0].names) if absent[:, k].all()]
    if never:
        raise InputError(f"landmarks {', '.join(never)} are annotated in none of the faces {purpose}")
    complete = [record for record in records if not np.isnan(record.points).any()]
    if len(complete) < (1 if test else FOLDS):
        raise InputError(f"{len(complete)} faces {purpose} have all landmarks; {FOLDS} are expected")
    return FaceSet(tuple(complete), len(records) - len(complete))


def frame_of(record: Record, *, margin: float = FRAME_MARGIN) -> coords.Box:
    """Return the record's box, made square and grown by a margin: what the first features describe.

    A record without a box is refused: the whole image would be another frame than that of the other faces.
    """
    return coords.grow(coords.square(box_of(record)), margin)


def boxes_by_kind(test: FaceSet) -> dict[str, tuple[coords.Box, ...]]:
    """Return squares around the test faces: annotated, a detector's if any, and ``jitter_0.05`` etc."""
    annotated, detector = annotated_boxes(test), detector_boxes(test)
    return {
        ANNOTATED: annotated,
        **({} if detector is None else {DETECTOR: detector}),
        **{f"jitter_{deviation}": jittered_boxes(annotated, deviation) for deviation in JITTERS},
    }


def annotated_boxes(test: FaceSet) -> tuple[coords.Box, ...]:
    """Return the squares of the annotated boxes, which data sets of landmarks draw around the landmarks."""
    return _squares([record.box for record in test.records], "box")


def detector_boxes(test: FaceSet) -> tuple[coords.Box, ...] | None:
    """Return the squares of a detector's boxes; None if no face has one, an error if only some have."""
    boxes = [record.other_boxes.get(DETECTOR) for record in test.records]
    return _squares(boxes, "detector's box") if any(boxes) else None


def jittered_boxes(boxes: tuple[coords.Box, ...], deviation: float, *, seed: int = 1) -> tuple[coords.Box, ...]:
    """Displace squares along x and y, and scale them, at random (see `JITTERS`)."""
    faces = Faces(lambda _: np.zeros((1, 1, 3), np.uint8), boxes, np.zeros((len(boxes), 1, 2)))
    return jitter_frames(faces, copies=1, shift=deviation, scale=deviation, seed=seed).frames


def _squares(boxes: Sequence[coords.Box | None], kind: str) -> tuple[coords.Box, ...]:
    known = tuple(box for box in boxes if box is not None)
    if len(known) < len(boxes):
        raise InputError(f"{len(boxes) - len(known)} test faces have no {kind}")
    return tuple(map(coords.square, known))
