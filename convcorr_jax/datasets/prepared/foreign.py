"""Records of data sets that TFDS's own builders prepared: VOC, LFW, FLIC and ImageNet 2012.

These data sets must be prepared with ``file_format="array_record"``, which needs TensorFlow once; reading
them does not. TFDS stores less than the releases: no names of frames (FLIC, LFW), no label maps (VOC),
numbers in single precision, and examples in an order of its own. Ids that are not stored become
``<split>/<position in the split>``, and pixel positions are rounded to three decimals. A record of VOC is one
object; images without annotated objects make no record.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from convcorr_jax import coords
from convcorr_jax.datasets.formats import xml
from convcorr_jax.datasets.official import flic
from convcorr_jax.datasets.prepared import writing
from convcorr_jax.datasets.records import Record
from convcorr_jax.errors import InputError
from convcorr_jax.io import encoded_image_size

# Decimals of pixel positions; single precision has no more.
_DECIMALS = 3

Example = Mapping[str, Any]
"""An example of a TFDS data source."""


def is_prepared(folder: Path) -> bool:
    """Return whether a builder that `read` knows prepared this folder."""
    return writing.exists(folder) and _builder(folder).name in _READERS


def read(folder: Path) -> Iterator[Record]:
    """Read the records of a folder such as ``voc/2012/5.0.0``, one at a time and split after split."""
    if not is_prepared(folder):
        raise InputError(
            f"{folder} is not what TFDS prepares of {', '.join(_READERS)}; a folder with "
            "dataset_info.json and features.json is expected"
        )
    builder = _builder(folder)
    try:
        sources = builder.as_data_source(decoders={"image": tfds.decode.SkipDecoding()})
    except NotImplementedError as error:
        raise InputError(
            f'{folder} is in the {builder.info.file_format} format; prepare it with file_format="array_record"'
        ) from error
    except writing.DAMAGE as error:
        raise InputError(f"{folder} is damaged: {error}") from error
    return _records(folder, builder, sources)


def _builder(folder: Path) -> Any:
    try:
        return tfds.builder_from_directory(folder)
    except writing.DAMAGE as error:
        raise InputError(f"{folder} is damaged: {error}") from error


def _records(folder: Path, builder: Any, sources: Mapping[str, Any]) -> Iterator[Record]:
    reader = _READERS[builder.name]
    for split, source in sources.items():
        for index in range(len(source)):
            try:
                yield from reader(source[index], builder.info.features, split, f"{split}/{index}")
            except writing.DAMAGE as error:
                raise InputError(f"{folder}: example {index} of {split}: {error}") from error


def _read_voc(example: Example, features: Any, split: str, position: str) -> Iterator[Record]:
    image_name = Path(example["image/filename"].decode()).stem
    objects = example["objects"]
    names = features["objects"]["label"].names
    height, width = size = encoded_image_size(example["image"], name=image_name)
    for index, (y0, x0, y1, x1) in enumerate(np.asarray(objects["bbox"], float).tolist()):
        corners = (x0 * width, y0 * height, x1 * width, y1 * height)
        yield Record(
            image=example["image"],
            size=size,
            category=names[objects["label"][index]],
            source_id=f"{image_name}#{index}",
            split=split,
            box=xml.box(*(round(edge, _DECIMALS) for edge in corners)),
            attributes={
                "difficult": float(objects["is_difficult"][index]),
                "truncated": float(objects["is_truncated"][index]),
            },
        )


def _read_lfw(example: Example, _features: Any, split: str, position: str) -> Iterator[Record]:
    yield _whole_image(example, example["label"].decode(), position, split)


def _read_imagenet(example: Example, features: Any, split: str, position: str) -> Iterator[Record]:
    label = int(example["label"])
    # The labels of test images are not public: TFDS writes -1.
    category = features["label"].names[label] if label >= 0 else "unknown"
    name = Path(example["file_name"].decode()).stem
    yield _whole_image(example, category, name, split)


def _read_flic(example: Example, _features: Any, split: str, position: str) -> Iterator[Record]:
    height, width = size = encoded_image_size(example["image"], name=position)
    positions = np.stack([example["xcoords"], example["ycoords"]], axis=-1)[list(flic.COLUMNS.values())]
    # As in the release, positions and torso boxes are counted from 1.
    points = np.round(positions.astype(np.float64), _DECIMALS) - 1
    y0, x0, y1, x1 = np.asarray(example["torsobox"], float).tolist()
    corners = (x0 * width, y0 * height, x1 * width, y1 * height)
    torso = points[flic.NAMES.index("l_shoulder")] - points[flic.NAMES.index("r_hip")]
    yield Record(
        image=example["image"],
        size=size,
        category="person",
        source_id=position,
        split=split,
        names=flic.NAMES,
        points=points,
        visible=~np.isnan(points[:, 0]),
        left_right_pairs=flic.LEFT_RIGHT_PAIRS,
        part_sets=flic.PART_SETS,
        other_boxes={"torso": coords.Box(*(round(edge, _DECIMALS) - 1 for edge in corners))},
        normalizer_px=float(np.linalg.norm(torso)),
        attributes={"seen_from_behind": float(flic.seen_from_behind(points))},
    )


_READERS: dict[str, Callable[[Example, Any, str, str], Iterator[Record]]] = {
    "voc": _read_voc,
    "lfw": _read_lfw,
    "flic": _read_flic,
    "imagenet2012": _read_imagenet,
}


def _whole_image(example: Example, category: str, source_id: str, split: str) -> Record:
    return Record(
        image=example["image"],
        size=encoded_image_size(example["image"], name=source_id),
        category=category,
        source_id=source_id,
        split=split,
    )
