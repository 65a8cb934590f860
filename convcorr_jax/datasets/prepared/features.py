"""The format of records in prepared data sets: one TFDS feature dictionary for all data sets.

TFDS writes `FEATURES` to ``features.json``, so that any reader of TFDS understands the records. Image files
and label maps are stored byte by byte, and a decoded image becomes a PNG. Numbers in double precision are
stored as raw bytes, because ``tf.train.Example`` itself has single precision only. So every record is read
back exactly.
"""

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image as PillowImage
from tensorflow_datasets.core.example_serializer import ExampleSerializer

from convcorr_jax import coords
from convcorr_jax.datasets.records import Record
from convcorr_jax.errors import InputError
from convcorr_jax.io import check_file


def _doubles(*shape: int | None, doc: str) -> tfds.features.Tensor:
    return tfds.features.Tensor(shape=shape, dtype=np.float64, encoding="bytes", doc=doc)


def _integers(*shape: int | None, doc: str) -> tfds.features.Tensor:
    return tfds.features.Tensor(shape=shape, dtype=np.int32, doc=doc)


def _texts(doc: str) -> tfds.features.Tensor:
    return tfds.features.Tensor(shape=(None,), dtype=np.object_, doc=doc)


FEATURES = tfds.features.FeaturesDict(
    {
        "image": tfds.features.Image(doc="The image file; points are in the frame of its pixels."),
        "size": _integers(2, doc="Height and width of the image."),
        "category": tfds.features.Text(doc="The object's class."),
        "source_id": tfds.features.Text(doc="What the data set calls the object."),
        "split": tfds.features.Text(doc="The data set's own split."),
        "names": _texts("One name a keypoint."),
        "points": _doubles(
            *(None, 2), doc="Keypoints (x, y), 0-based, pixel centres at integers; NaN where absent."
        ),
        "visible": tfds.features.Tensor(
            shape=(None,), dtype=np.bool_, encoding="bytes", doc="Whether the keypoint can be seen."
        ),
        "left_right_pairs": _integers(
            *(None, 2), doc="Keypoints that exchange names when the image is mirrored."
        ),
        "part_sets": {
            "names": _texts("One name a part."),
            "lengths": _integers(None, doc="The number of keypoints of each part."),
            "members": _integers(None, doc="The keypoints of the parts, one part after another."),
        },
        "box": _doubles(4, doc="Edges x0, y0, x1, y1 of the object; NaN where it has no box."),
        "other_boxes": {
            "names": _texts("What else has a box, such as the torso or the head."),
            "edges": _doubles(None, 4, doc="The edges of each."),
        },
        "normalizer_px": _doubles(doc="The metric's own length in pixels; NaN where there is none."),
        "attributes": {
            "names": _texts("One name an attribute."),
            "values": _doubles(None, doc="The value of each attribute."),
        },
        "label_map": tfds.features.Tensor(
            shape=(),
            dtype=np.object_,
            doc="An image file whose grey levels or palette indices are the labels of the pixels: 0 is "
            "background, 255 is to be ignored; no bytes where there is none.",
        ),
        "label_names": _texts("The name of label k, at place k - 1."),
    }
)
"""The features of one `convcorr_jax.datasets.records.Record`."""

_SERIALIZER = ExampleSerializer(FEATURES.get_serialized_info())


def to_example(record: Record) -> dict[str, Any]:
    """Convert a record to an example of `FEATURES`; its files are read."""
    parts, boxes, attributes = record.part_sets, record.other_boxes, record.attributes
    return {
        "image": _encoded(record.image, kind="image"),
        "size": np.array(record.size, np.int32),
        "category": _bytes_of(record.category),
        "source_id": _bytes_of(record.source_id),
        "split": _bytes_of(record.split),
        "names": _bytes_array(record.names),
        "points": np.ascontiguousarray(record.points),
        "visible": record.visible,
        "left_right_pairs": np.array(record.left_right_pairs, np.int32).reshape(-1, 2),
        "part_sets": {
            "names": _bytes_array(parts),
            "lengths": np.array([len(members) for members in parts.values()], np.int32),
            "members": np.array([k for members in parts.values() for k in members], np.int32),
        },
        "box": np.array(record.box or [np.nan] * 4, np.float64),
        "other_boxes": {
            "names": _bytes_array(boxes),
            "edges": np.array(list(boxes.values()), np.float64).reshape(-1, 4),
        },
        "normalizer_px": np.array(np.nan if record.normalizer_px is None else record.normalizer_px, np.float64),
        "attributes": {
            "names": _bytes_array(attributes),
            "values": np.array(list(attributes.values()), np.float64),
        },
        "label_map": b"" if record.label_map is None else _encoded(record.label_map, kind="label map"),
        "label_names": _bytes_array(record.label_names),
    }


def from_example(example: Mapping[str, Any]) -> Record:
    """Convert an example of a TFDS data source, with its image decoded or encoded, to a record."""
    parts, boxes, attributes = example["part_sets"], example["other_boxes"], example["attributes"]
    ends = np.cumsum(parts["lengths"])[:-1]
    members = [tuple(part.tolist()) for part in np.split(parts["members"], ends)]
    normalizer = float(example["normalizer_px"])
    return Record(
        image=example["image"],
        size=coords.Size(*example["size"].tolist()),
        category=example["category"].decode(),
        source_id=example["source_id"].decode(),
        split=example["split"].decode(),
        names=_texts_of(example["names"]),
        points=example["points"],
        visible=example["visible"],
        left_right_pairs=tuple((left, right) for left, right in example["left_right_pairs"].tolist()),
        part_sets=dict(zip(_texts_of(parts["names"]), members, strict=False)),
        box=None if np.isnan(example["box"]).any() else coords.Box(*example["box"].tolist()),
        other_boxes={
            name: coords.Box(*edges)
            for name, edges in zip(_texts_of(boxes["names"]), boxes["edges"].tolist(), strict=True)
        },
        normalizer_px=None if np.isnan(normalizer) else normalizer,
        attributes=dict(zip(_texts_of(attributes["names"]), attributes["values"].tolist(), strict=True)),
        label_map=example["label_map"] or None,
        label_names=_texts_of(example["label_names"]),
    )


def serialize(record: Record) -> bytes:
    """Serialize a record as ``tf.train.Example``; equal records give equal bytes in every process."""
    example = _SERIALIZER.get_tf_example(FEATURES.encode_example(to_example(record)))
    # Protocol buffers keep the features in a hash table, whose order may differ between processes.
    return example.SerializeToString(deterministic=True)


def _encoded(image: Path | bytes | np.ndarray, *, kind: str) -> bytes:
    if isinstance(image, bytes):
        return image
    if isinstance(image, np.ndarray):
        stream = io.BytesIO()
        PillowImage.fromarray(image).save(stream, format="PNG")
        return stream.getvalue()
    check_file(image, kind)
    try:
        return image.read_bytes()
    except OSError as error:
        raise InputError(f"{image} cannot be read: {error.strerror}") from error


def _bytes_of(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{text!r} cannot be written as UTF-8") from error


def _bytes_array(texts: Iterable[str]) -> np.ndarray:
    return np.array([_bytes_of(text) for text in texts], np.object_)


def _texts_of(array: np.ndarray) -> tuple[str, ...]:
    return tuple(text.decode() for text in array)
