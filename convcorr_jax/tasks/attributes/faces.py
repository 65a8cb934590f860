"""Faces with annotated attributes: gender, glasses, the direction in which the head turns."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords
from convcorr_jax.datasets import Record, Selection, load_image
from convcorr_jax.descriptors import BOX_MARGIN, view
from convcorr_jax.errors import InputError
from convcorr_jax.tasks.reading import RENDERED, choose_splits, select

TILT = "tilt_degrees"
"""Name of the attribute that is computed from the eyes' positions."""
EYES = ("left_eye", "right_eye")
"""Names of the landmarks from which the tilt is computed."""
# MTFL's head poses are 1 to 5; 3 is frontal.
MIRROR_SUMS = MappingProxyType({"head_pose": 6.0, "turn_degrees": 0.0, TILT: 0.0})
"""The sum of a face's value and its mirror image's; attributes without a sum are equal in a mirror."""
END_NAMES = MappingProxyType(
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
"""What the least and the greatest value of an attribute mean."""
MIN_FACES = 8
"""Faces that a split must have: two for each of four folds."""
# Side of a rendered face after it is cut out.
_SIDE_PX = 128


class AttributeFaces(NamedTuple):
    """Faces of a split, with their attributes."""

    records: Selection
    values: Float[np.ndarray, "n t"]


class AttributeData(NamedTuple):
    """Training and test faces with the same attributes."""

    names: tuple[str, ...]
    train: AttributeFaces
    test: AttributeFaces


def read_faces(
    dataset: str,
    *,
    data_root: Path | None = None,
    attributes: Sequence[str] = (),
    rendered_train: int,
    rendered_test: int,
    split: str | None = None,
) -> AttributeData:
    """Read the faces of a data set with their attributes, by default all that all faces have.

    The tilt of the head, the slope of the line through the eyes, is one of every face with annotated eyes. A
    requested attribute that a face lacks, and a split with too few faces, are refused.
    """
    records = select(
        dataset,
        data_root=data_root,
        categories=("face",) if dataset == RENDERED else (),
        train=rendered_train,
        test=rendered_test,
        change=_cut_out,
    )
    # One pass: records that are rendered or read from disk are not kept.
    annotated = [_attributes(record) for record in records]
    known = [name for name in annotated[0] if all(name in face for face in annotated)] if annotated else []
    names = tuple(attributes or known)
    if not names or set(names) - set(known) or len(set(names)) < len(names):
        raise InputError(
            f"attributes {', '.join(attributes) or 'of any name'} are requested, each once; of all the "
            f"{len(records)} faces of {dataset}, {', '.join(known) or 'none'} are known"
        )
    faces = AttributeFaces(records, np.array([[face[name] for name in names] for face in annotated]))
    splits = choose_splits(records.splits(), tested=split, source=dataset)
    train, test = (_faces_of_splits(dataset, faces, part) for part in (splits.training, (splits.tested,)))
    return AttributeData(names, train, test)


def mirrored_values(names: Sequence[str], values: Float[np.ndarray, "n t"]) -> Float[np.ndarray, "n t"]:
    """Return the attributes of the faces' mirror images."""
    columns = [
        MIRROR_SUMS[name] - column if name in MIRROR_SUMS else column
        for name, column in zip(names, values.T, strict=True)
    ]
    return np.stack(columns, axis=1)


def training_values(data: AttributeData, *, mirrored: bool) -> Float[np.ndarray, "rows t"]:
    """Return one row of attributes for every training face; with mirror images, one more after each."""
    values = data.train.values
    if not mirrored:
        return values
    return np.stack([values, mirrored_values(data.names, values)], axis=1).reshape(2 * len(values), -1)


def _faces_of_splits(dataset: str, faces: AttributeFaces, splits: Sequence[str]) -> AttributeFaces:
    chosen = np.flatnonzero(np.isin(faces.records.splits(), splits))
    if len(chosen) < MIN_FACES:
        raise InputError(
            f"{dataset} has {len(chosen)} faces of the split {' and '.join(splits)}; at least "
            f"{MIN_FACES} are expected"
        )
    return AttributeFaces(faces.records.take(chosen), faces.values[chosen])


def _cut_out(record: Record) -> Record:
    """Cut a rendered face out of its image, as a square."""
    cut = view(load_image(record), record.box, sizes_px=(_SIDE_PX,), margin=BOX_MARGIN)
    return Record(
        image=cut.pyramid[0],
        size=coords.Size(_SIDE_PX, _SIDE_PX),
        category=record.category,
        source_id=record.source_id,
        split=record.split,
        attributes=record.attributes,
    )


def _attributes(record: Record) -> Mapping[str, float]:
    """Return the record's attributes, and the tilt if both eyes are annotated."""
    if not set(EYES) <= set(record.names):
        return record.attributes
    left, right = (record.points[record.names.index(name)] for name in EYES)
    across, down = right - left
    if np.isnan(across):
        return record.attributes
    return {**record.attributes, TILT: float(np.degrees(np.arctan2(down, across)))}
