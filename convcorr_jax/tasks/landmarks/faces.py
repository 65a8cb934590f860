"""Faces with landmarks for the ridge probes: which data sets' faces learn, and which are tested."""

import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords, synthetic
from convcorr_jax.datasets import opening
from convcorr_jax.datasets.records import Record, load_image
from convcorr_jax.errors import InputError
from convcorr_jax.probes.landmarks import FOLDS, Description, Faces
from convcorr_jax.probes.rgb import rgb_targets
from convcorr_jax.tasks.keypoints.categories import RENDERED

FRAME_MARGIN = 0.3
"""Added on every side of the square around a face's landmarks, in its sides, for the first description."""
RGB_PX = 32
"""Side of the square whose colours are the description of the baseline."""


@dataclass(frozen=True, eq=False)
class FaceSet:
    """Faces of one mark-up.

    Attributes:
        records: the faces, all of whose landmarks are annotated.
        left_out: how many faces of the same split lack landmarks.
    """

    records: tuple[Record, ...]
    left_out: int

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What tells these faces and their annotation from any others, for settings of what is kept of them."""
        annotation = (self.points, np.array([frame_of(one) for one in self.records]))
        ids = json.dumps([[one.source_id, one.left_right_pairs] for one in self.records])
        return {
            "records": zlib.crc32(ids.encode()),
            "annotation": [zlib.crc32(np.ascontiguousarray(part).tobytes()) for part in annotation],
        }

    @property
    def points(self) -> Float[np.ndarray, "faces n 2"]:
        """All landmarks, in pixels of each photograph."""
        return np.stack([one.points for one in self.records])

    @property
    def faces(self) -> Faces:
        """The faces as a probe takes them."""
        return Faces(_loader(self.records), tuple(map(frame_of, self.records)), self.points)


def read_faces(
    datasets: Sequence[str],
    data_root: Path | None = None,
    *,
    test: bool,
    rendered: int,
) -> FaceSet:
    """The faces of data sets, given by name or path, that learn ("train") or all others.

    Args:
        datasets: ``rendered``, or names or paths.
        data_root: where names are looked for.
        test: whether the faces to test are wanted.
        rendered: how many rendered faces.

    Raises:
        InputError: as `opening.read_records`; there is no such face, they differ in their landmarks, or a
            landmark is annotated in none.
    """
    records = [one for name in datasets for one in _read(name, data_root, test, rendered)]
    records = [one for one in records if one.category == "face" and one.names]
    which = "to test" if test else "to learn from"
    if not records:
        raise InputError(f"{', '.join(datasets) or 'no data set'} has no faces {which}")
    if len({one.names for one in records}) > 1:
        raise InputError(f"the faces of {', '.join(datasets)} are not marked up alike")
    absent = np.isnan(np.stack([one.points for one in records]))
    never = [name for k, name in enumerate(records[0].names) if absent[:, k].all()]
    if never:
        raise InputError(f"landmarks {', '.join(never)} are annotated in none of the faces {which}")
    whole = [one for one in records if not np.isnan(one.points).any()]
    if len(whole) < (1 if test else FOLDS):
        raise InputError(f"{len(whole)} faces {which} have all landmarks; {FOLDS} are expected")
    return FaceSet(tuple(whole), len(records) - len(whole))


def frame_of(record: Record) -> coords.Box:
    """What the first description of a face shows: its box made square, with the margin, or the photograph."""
    if record.box is None:
        return coords.whole_image(record.size)
    return coords.grow(coords.square(record.box), FRAME_MARGIN)


def rgb() -> Description:
    """A square's colours."""
    return Description(RGB_PX, lambda squares: rgb_targets(squares, side_px=RGB_PX))


def _read(dataset: str, data_root: Path | None, test: bool, rendered: int) -> Sequence[Record]:
    if dataset == RENDERED:
        split = "test" if test else "train"
        return list(synthetic.instances("face", split=split, count=rendered))
    records = opening.read_records(dataset, data_root)
    return [one for one in records if (one.split != "train") == test]


def _loader(records: Sequence[Record]) -> Callable[[int], np.ndarray]:
    return lambda number: load_image(records[number])
