"""Records of what TFDS's own builders prepared: VOC, LFW, FLIC and ImageNet 2012.

They have to be prepared with ``file_format="array_record"``, which needs TensorFlow once; reading
does without. TFDS keeps less than the releases: neither names of frames (FLIC, LFW) nor label maps
(VOC), numbers in single precision, and examples in an order of its own. So ids that are not kept
are ``<split>/<place in the split>``, and pixel positions are rounded to the thousandth. A record of
VOC is one object; pictures without annotated objects make none.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image as PillowImage

from convcorr_jax import coords
from convcorr_jax.datasets.formats import voc
from convcorr_jax.datasets.official import flic
from convcorr_jax.datasets.prepared import metadata
from convcorr_jax.datasets.records import Record
from convcorr_jax.errors import InputError

# The columns of `flic.NAMES` among the 29 that FLIC has room for.
_FLIC_COLUMNS = (0, 1, 2, 3, 4, 5, 6, 9, 12, 13, 16)
_DECIMALS = 3

Example = Mapping[str, Any]


def is_prepared(folder: Path) -> bool:
    """Whether one of the builders that `read` knows prepared this folder.

    Raises:
        InputError: the description of the folder is damaged.
    """
    return metadata.is_there(folder) and _builder(folder).name in _READERS


def read(folder: Path) -> Iterator[Record]:
    """The records of a folder such as ``voc/2012/5.0.0``, lazily, split after split.

    Raises:
        InputError: the folder was prepared by none of the builders or in another format, or is damaged.
    """
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
            f"{folder} is in the {builder.info.file_format} format; prepare it with "
            'file_format="array_record"'
        ) from error
    except metadata.DAMAGE as error:
        raise InputError(f"{folder} is damaged: {error}") from error
    return _records(folder, builder, sources)


def _builder(folder: Path) -> Any:
    try:
        return tfds.builder_from_directory(folder)
    except metadata.DAMAGE as error:
        raise InputError(f"{folder} is damaged: {error}") from error


def _records(folder: Path, builder: Any, sources: Mapping[str, Any]) -> Iterator[Record]:
    reader = _READERS[builder.name]
    for split, source in sources.items():
        for place in range(len(source)):
            try:
                yield from reader(source[place], builder.info.features, split, f"{split}/{place}")
            except metadata.DAMAGE as error:
                raise InputError(f"{folder}: example {place} of {split}: {error}") from error


def _read_voc(example: Example, features: Any, split: str, place: str) -> Iterator[Record]:
    picture = Path(example["image/filename"].decode()).stem
    objects = example["objects"]
    names = features["objects"]["label"].names
    height, width = size = _stored_size(example["image"])
    for index, (y0, x0, y1, x1) in enumerate(np.asarray(objects["bbox"], float).tolist()):
        corners = (x0 * width, y0 * height, x1 * width, y1 * height)
        yield Record(
            image=example["image"],
            size=size,
            category=names[objects["label"][index]],
            source_id=f"{picture}#{index}",
            split=split,
            box=voc.box(*(round(edge, _DECIMALS) for edge in corners)),
            attributes={
                "difficult": float(objects["is_difficult"][index]),
                "truncated": float(objects["is_truncated"][index]),
            },
        )


def _read_lfw(example: Example, features: Any, split: str, place: str) -> Iterator[Record]:
    del features
    yield _whole_picture(example, example["label"].decode(), place, split)


def _read_imagenet(example: Example, features: Any, split: str, place: str) -> Iterator[Record]:
    label = int(example["label"])
    # The test pictures have no label that is known: TFDS gives them -1.
    category = features["label"].names[label] if label >= 0 else "unknown"
    name = Path(example["file_name"].decode()).stem
    yield _whole_picture(example, category, name, split)


def _read_flic(example: Example, features: Any, split: str, place: str) -> Iterator[Record]:
    del features
    height, width = size = _stored_size(example["image"])
    positions = np.stack([example["xcoords"], example["ycoords"]], axis=-1)[list(_FLIC_COLUMNS)]
    # As in the release, positions and torso boxes count from 1.
    points = np.round(positions.astype(np.float64), _DECIMALS) - 1
    y0, x0, y1, x1 = np.asarray(example["torsobox"], float).tolist()
    corners = (x0 * width, y0 * height, x1 * width, y1 * height)
    torso = points[flic.NAMES.index("l_shoulder")] - points[flic.NAMES.index("r_hip")]
    yield Record(
        image=example["image"],
        size=size,
        category="person",
        source_id=place,
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


def _whole_picture(example: Example, category: str, source_id: str, split: str) -> Record:
    return Record(
        image=example["image"],
        size=_stored_size(example["image"]),
        category=category,
        source_id=source_id,
        split=split,
    )


def _stored_size(encoded: bytes) -> coords.Size:
    with PillowImage.open(io.BytesIO(encoded)) as opened:
        width, height = opened.size
    return coords.Size(height, width)
