"""Faces of which something is said: gender, glasses, how the head is held."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords, synthetic
from convcorr_jax.datasets import opening
from convcorr_jax.datasets.records import Record, load_image
from convcorr_jax.descriptors.views import BOX_MARGIN, view
from convcorr_jax.errors import InputError
from convcorr_jax.tasks.reading import RENDERED

TILT = "tilt_degrees"
EYES = ("left_eye", "right_eye")
# What a value and its mirror image's add up to; others are the same in a mirror. MTFL's poses are 1 to 5.
MIRRORED = MappingProxyType({"head_pose": 6.0, "turn_degrees": 0.0, TILT: 0.0})
ENDS = MappingProxyType(
    {
        "gender": ("male", "female"),
        "smile": ("smiling", "not smiling"),
        "glasses": ("glasses", "no glasses"),
        "beard": ("beard", "no beard"),
        "head_pose": ("nose to the left", "nose to the right"),
        "turn_degrees": ("nose to the right", "nose to the left"),
        TILT: ("tilted anticlockwise", "tilted clockwise"),
    }
)
"""What the least and the greatest value mean."""
FEWEST = 8
"""Faces that a split must have: two for each of four folds."""
# Of a rendered face.
_SIDE_PX = 128


class Faces(NamedTuple):
    """Faces of a split, and what is said of them."""

    records: list[Record]
    values: Float[np.ndarray, "n t"]


class Annotated(NamedTuple):
    """Faces to learn from and others, with the names of their attributes."""

    names: tuple[str, ...]
    train: Faces
    test: Faces


def read_faces(
    dataset: str,
    data_root: Path | None = None,
    *,
    attributes: Sequence[str] = (),
    rendered_train: int,
    rendered_test: int,
) -> Annotated:
    """The faces of a data set by name or path, or rendered ones, with some attributes or all that all have.

    The tilt of a head, the slope of the line through the eyes, is an attribute of all whose eyes are annotated.

    Raises:
        InputError: as `opening.read_records`; or the faces lack an attribute or a split.
    """
    if dataset == RENDERED:
        counts = {"train": rendered_train, "test": rendered_test}
        records = [
            _cut_out(one)
            for split, count in counts.items()
            for one in synthetic.instances("face", split=split, count=count)
        ]
    else:
        records = list(opening.read_records(dataset, data_root=data_root))
    said = [_attributes(one) for one in records]
    known = [name for name in said[0] if all(name in one for one in said)] if said else []
    names = tuple(attributes or known)
    if not names or set(names) - set(known) or len(set(names)) < len(names):
        raise InputError(
            f"attributes {', '.join(attributes) or 'of any name'} are wanted, each once; of all the "
            f"{len(records)} faces of {dataset}, {', '.join(known) or 'none'} are known"
        )
    return Annotated(
        names,
        *(
            Faces(some, np.array([[_attributes(one)[name] for name in names] for one in some]))
            for some in (_of_split(dataset, records, wanted) for wanted in ("train", "test"))
        ),
    )


def mirrored(names: Sequence[str], values: Float[np.ndarray, "n t"]) -> Float[np.ndarray, "n t"]:
    """What is said of the faces' mirror images."""
    columns = [
        MIRRORED[name] - column if name in MIRRORED else column
        for name, column in zip(names, values.T, strict=True)
    ]
    return np.stack(columns, axis=1)


def _of_split(dataset: str, records: Sequence[Record], split: str) -> list[Record]:
    found = [one for one in records if one.split == split]
    if len(found) < FEWEST:
        raise InputError(
            f"{dataset} has {len(found)} faces of the split {split!r}; at least {FEWEST} are expected"
        )
    return found


def _cut_out(record: Record) -> Record:
    """A rendered face alone, as a square."""
    shown = view(load_image(record), record.box, sizes_px=(_SIDE_PX,), margin=BOX_MARGIN)
    return Record(
        image=shown.pyramid[0],
        size=coords.Size(_SIDE_PX, _SIDE_PX),
        category=record.category,
        source_id=record.source_id,
        split=record.split,
        attributes=record.attributes,
    )


def _attributes(record: Record) -> Mapping[str, float]:
    if not set(EYES) <= set(record.names):
        return record.attributes
    left, right = (record.points[record.names.index(name)] for name in EYES)
    across, down = right - left
    if np.isnan(across):
        return record.attributes
    return {**record.attributes, TILT: float(np.degrees(np.arctan2(down, across)))}
