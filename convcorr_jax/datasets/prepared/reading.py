"""Reading of prepared data sets: those that `writing` wrote, and those of TFDS's own builders.

Written records are read one by one, in any order, with their images still encoded. Of TFDS's builders those of
VOC, LFW, FLIC and ImageNet 2012 are read; they must have prepared with ``file_format="array_record"``, which
needs TensorFlow once; reading does not. TFDS stores less than the releases: no names of frames (FLIC, LFW), no
label maps (VOC), numbers in single precision, and examples in an order of its own. Ids that are not stored
become ``<split>/<position in the split>``, and pixel positions are rounded to three decimals. A record of VOC
is one object; images without annotated objects make no record.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, SupportsIndex, overload

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core.data_sources.array_record import ArrayRecordDataSource

from convcorr_jax import coords
from convcorr_jax.datasets.formats import xml
from convcorr_jax.datasets.official import flic
from convcorr_jax.datasets.prepared import features, writing
from convcorr_jax.datasets.records import Record
from convcorr_jax.errors import InputError
from convcorr_jax.io import encoded_image_size

# Decimals of pixel positions; single precision has no more.
_DECIMALS = 3

Example = Mapping[str, Any]
"""An example of a TFDS data source."""


# Not Sequence[Record]: a run-time type checker would read a record to check its type.
class PreparedRecords(Sequence):
    """The records of a prepared folder; each is read from disk when it is indexed, in any thread."""

    def __init__(self, folder: Path, source: Sequence) -> None:
        self._folder = folder
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Record | list[Record]:
        positions = range(len(self))[index]
        if isinstance(positions, range):
            return [self._read(position) for position in positions]
        return self._read(positions)

    def _read(self, position: int) -> Record:
        try:
            return features.from_example(self._source[position])
        except writing.DAMAGE as error:
            raise InputError(f"{self._folder}: record {position} is damaged: {error}") from error


def read_prepared(folder: Path, *, split: str | None = None) -> PreparedRecords:
    """Open a folder that `prepare` wrote; its records keep their order.

    ``split`` is one split, or an expression of TFDS such as ``"train[:80%]"`` or ``"train+val"``; by default
    all splits, one after another.
    """
    if not writing.is_prepared(folder):
        raise InputError(f"{folder} holds no prepared data set; a folder with dataset_info.json is expected")
    info = writing.read_metadata(folder)
    splits = list(info.splits)
    try:
        source = ArrayRecordDataSource(
            info,
            split=tfds.Split("+".join(splits) if split is None else split),
            decoders={"image": tfds.decode.SkipDecoding()},
        )
    except writing.DAMAGE as error:
        raise InputError(f"{folder} has no split {split!r}; its splits are {', '.join(splits)}") from error
    return PreparedRecords(folder, source)


def is_foreign(folder: Path) -> bool:
    """Return whether a builder of TFDS that `read_foreign` knows prepared this folder."""
    return writing.exists(folder) and _builder(folder).name in _READERS


def read_foreign(folder: Path) -> Iterator[Record]:
    """Read the records of a folder such as ``voc/2012/5.0.0``, one at a time and split after split."""
    if not is_foreign(folder):
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


def _read_voc(example: Example, schema: Any, split: str, position: str) -> Iterator[Record]:
    image_name = Path(example["image/filename"].decode()).stem
    objects = example["objects"]
    names = schema["objects"]["label"].names
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


def _read_lfw(example: Example, _schema: Any, split: str, position: str) -> Iterator[Record]:
    yield _whole_image(example, example["label"].decode(), position, split)


def _read_imagenet(example: Example, schema: Any, split: str, position: str) -> Iterator[Record]:
    label = int(example["label"])
    # The labels of test images are not public: TFDS writes -1.
    category = schema["label"].names[label] if label >= 0 else "unknown"
    yield _whole_image(example, category, Path(example["file_name"].decode()).stem, split)


def _read_flic(example: Example, _schema: Any, split: str, position: str) -> Iterator[Record]:
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
