"""Records of data sets that TFDS's own builders prepared, from folders written with their own features."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordWriter
from PIL import Image as PillowImage

from convcorr_jax import coords
from convcorr_jax.datasets.official import flic
from convcorr_jax.datasets.prepared import is_prepared, reading
from convcorr_jax.errors import InputError
from tests.builders.bad_images import encoded


def encoded_image(width: int, height: int) -> bytes:
    return encoded(PillowImage.new("RGB", (width, height), "green"), "JPEG")


def write(folder: Path, name: str, splits: Mapping[str, Sequence[Mapping[str, Any]]]) -> Path:
    """Write what the builder of this name would prepare from these examples; return its folder."""
    builder = tfds.builder(name, data_dir=folder, file_format="array_record")
    prepared = Path(builder.data_dir)
    prepared.mkdir(parents=True)
    infos = []
    for split, examples in splits.items():
        path = prepared / f"{builder.name}-{split}.array_record-00000-of-00001"
        writer = ArrayRecordWriter(str(path), "group_size:1")
        for example in examples:
            writer.write(builder.info.features.serialize_example(example))
        writer.close()
        infos.append(tfds.core.SplitInfo(split, [len(examples)], path.stat().st_size))
    builder.info.set_splits(tfds.core.splits.SplitDict(infos))
    builder.info.write_to_directory(prepared)
    return prepared


def voc_object(label: str, corners: tuple[int, int, int, int], *, difficult: bool) -> dict[str, Any]:
    """Return an object as TFDS stores it: 1-based corners x0 y0 x1 y1 over the image's size of 100 x 60."""
    x0, y0, x1, y1 = corners
    box = tfds.features.BBox(ymin=y0 / 60, xmin=x0 / 100, ymax=y1 / 60, xmax=x1 / 100)
    return {"label": label, "bbox": box, "pose": "left", "is_truncated": True, "is_difficult": difficult}


def test_voc_has_one_record_for_each_object(tmp_path: Path):
    objects = [
        voc_object("dog", (1, 1, 100, 60), difficult=False),
        voc_object("cat", (33, 7, 34, 59), difficult=True),
    ]

    def example(name: str, objects: list[dict[str, Any]]) -> dict[str, Any]:
        image = io.BytesIO(encoded_image(100, 60))
        labels = {"labels": ["dog"], "labels_no_difficult": []}
        return {"image": image, "image/filename": name, "objects": objects, **labels}

    splits = {"test": [example("9.jpg", [])], "train": [example("000012.jpg", objects)]}
    dog, cat = reading.read_foreign(write(tmp_path, "voc/2007", splits))
    assert (dog.category, dog.source_id, dog.split, dog.size) == ("dog", "000012#0", "train", (60, 100))
    assert dog.box == coords.whole_image((60, 100))
    assert (cat.category, cat.box) == ("cat", (31.5, 5.5, 33.5, 58.5))
    assert cat.attributes == {"difficult": 1, "truncated": 1}
    assert cat.image == encoded_image(100, 60)


def test_lfw_and_imagenet_have_whole_images(tmp_path: Path):
    examples = [{"label": name, "image": io.BytesIO(encoded_image(32, 48))} for name in ("Ana_Guevara", "Zico")]
    first, second = reading.read_foreign(write(tmp_path, "lfw", {"train": examples}))
    assert (first.category, first.source_id, first.size) == ("Ana_Guevara", "train/0", (48, 32))
    assert (second.category, second.names) == ("Zico", ())
    splits = {
        split: [
            {"image": encoded_image(32, 48), "label": label, "file_name": f"ILSVRC2012_{split}_00000236.JPEG"}
        ]
        for split, label in (("validation", "n01443537"), ("test", -1))
    }
    found = {record.split: record for record in reading.read_foreign(write(tmp_path, "imagenet2012", splits))}
    validation = found["validation"]
    assert (validation.category, validation.size) == ("n01443537", (48, 32))
    assert validation.source_id == "ILSVRC2012_validation_00000236"
    assert found["test"].category == "unknown"


def test_flic_has_the_joints_of_the_release(tmp_path: Path):
    positions = np.full((2, 29), np.nan)
    # The columns of the 11 joints in the release (see `flic`); the x of each joint is its column.
    columns = [0, 1, 2, 3, 4, 5, 6, 9, 12, 13, 16]
    positions[0, columns] = np.array(columns) + 100.25
    positions[1, columns] = 200
    example = {
        "image": io.BytesIO(encoded_image(720, 480)),
        "poselet_hit_idx": [1],
        "moviename": "bad-boys",
        "xcoords": positions[0],
        "ycoords": positions[1],
        "currframe": 12.0,
        "torsobox": tfds.features.BBox(ymin=100 / 480, xmin=50 / 720, ymax=300 / 480, xmax=150 / 720),
    }
    (person,) = reading.read_foreign(write(tmp_path, "flic/small", {"train": [example]}))
    assert person.names == flic.NAMES
    np.testing.assert_array_equal(person.points[:, 0], np.array(columns) + 99.25)
    np.testing.assert_array_equal(person.points[:, 1], 199)
    assert (person.other_boxes, person.normalizer_px) == ({"torso": (49, 99, 149, 299)}, 9)
    assert person.attributes == {"seen_from_behind": 1}


def test_other_folders_and_damaged_ones_are_refused(tmp_path: Path):
    assert not reading.is_foreign(tmp_path)
    with pytest.raises(InputError, match="not what TFDS prepares of voc, lfw, flic, imagenet2012"):
        reading.read_foreign(tmp_path)
    folder = write(tmp_path, "mnist", {"train": []})
    assert not reading.is_foreign(folder)
    assert not is_prepared(folder)
    folder = write(tmp_path, "lfw", {"train": [{"label": "a", "image": io.BytesIO(b"no image")}]})
    with pytest.raises(InputError, match="example 0 of train"):
        list(reading.read_foreign(folder))
    info = folder / "dataset_info.json"
    info.write_text(info.read_text().replace("array_record", "tfrecord"))
    assert reading.is_foreign(folder)
    with pytest.raises(InputError, match="array_record"):
        reading.read_foreign(folder)
