"""Records in the format of TFDS are read back exactly, by this package and by TFDS alone."""

from dataclasses import fields
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image as PillowImage

from convcorr_jax.datasets import DATASETS, DataSet, Record, load_image, load_label_map
from convcorr_jax.datasets.prepared import builder, builder_class, features, planning, prepare, read_prepared
from convcorr_jax.errors import InputError
from tests.builders import image_set
from tests.builders.bad_images import encoded

LABELS = np.zeros(image_set.SIZE, np.uint8)
LABELS[2:5, 3:9], LABELS[0] = 2, 255
PIXELS = np.random.default_rng(0).integers(0, 256, (*image_set.SIZE, 3), np.uint8)
ENCODED, ENCODED_LABELS = (encoded(PillowImage.fromarray(array), "PNG") for array in (PIXELS, LABELS))
KEEP_ENCODED = {"image": tfds.decode.SkipDecoding()}


def written_and_read(record: Record) -> Record:
    example = features.FEATURES.deserialize_example_np(features.serialize(record), decoders=KEEP_ENCODED)
    return features.from_example(example)


@pytest.mark.parametrize(
    "record",
    [
        image_set.full_record(ENCODED, ENCODED_LABELS),
        image_set.plain_record(ENCODED, "1", split="test"),
        Record(ENCODED, image_set.SIZE, "", "1", "all", (), np.zeros((0, 2)), np.zeros(0, bool)),
    ],
    ids=["every field", "missing fields", "no keypoints"],
)
def test_a_record_is_read_back_exactly(record: Record):
    result = written_and_read(record)
    for field in fields(Record):
        left, right = getattr(result, field.name), getattr(record, field.name)
        if isinstance(right, np.ndarray):
            np.testing.assert_array_equal(left, right)
            assert left.dtype == right.dtype
        else:
            assert type(left) is type(right), field.name
            assert left == right, field.name
    # Equality of mappings is not enough: their order is kept too.
    assert list(result.part_sets) == list(record.part_sets)
    assert list(result.other_boxes) == list(record.other_boxes)
    assert list(result.attributes) == list(record.attributes)


def test_files_keep_their_bytes_and_decoded_images_their_pixels(tmp_path: Path):
    path = tmp_path / "image.jpg"
    PillowImage.fromarray(PIXELS).save(path)
    assert written_and_read(image_set.plain_record(path, "1", split="train")).image == path.read_bytes()
    result = written_and_read(image_set.full_record(PIXELS, LABELS))
    np.testing.assert_array_equal(load_image(result), PIXELS)
    np.testing.assert_array_equal(load_label_map(result), LABELS)
    example = features.FEATURES.deserialize_example_np(features.serialize(result))
    np.testing.assert_array_equal(features.from_example(example).image, PIXELS)


def test_records_that_cannot_be_encoded_are_refused(tmp_path: Path):
    (tmp_path / "empty.png").touch()
    for image, name, sentence in (
        (ENCODED, "a\udcff", "UTF-8"),
        (tmp_path / "empty.png", "1", r"empty\.png is empty"),
    ):
        with pytest.raises(InputError, match=sentence):
            features.serialize(image_set.plain_record(image, name, split="train"))


# Prepared folders
@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(planning, "RECORDS_PER_SHARD", 4)
    source = image_set.write_images(tmp_path / "source")
    # The path at which TFDS looks for a data set by its name.
    folder = tmp_path / "out" / "images" / "1.0.0"
    prepare(partial(image_set.read_entries, source), folder, name="images", description="Noise.")
    return folder


def ids(records: list[Record]) -> list[int]:
    return [int(record.source_id.split()[1]) for record in records]


def test_records_are_a_sequence(folder: Path):
    records = read_prepared(folder)
    assert len(records) == 14
    in_order = [0, 1, 2, 3, 5, 6, 7, 8, 10, 11, 12, 13, 4, 9]
    assert ids(list(records)) == in_order
    assert ids(records[3:6]) == in_order[3:6]
    assert ids([records[-1], records[np.int64(2)]]) == [9, 2]
    assert ids(read_prepared(folder, split="train[:50%]")[:]) == in_order[:6]
    with pytest.raises(IndexError):
        records[14]


def test_tfds_reads_the_folder_without_this_package(folder: Path):
    expected = read_prepared(folder, split="test")[1]
    for found in (tfds.builder_from_directory(folder), tfds.builder("images", data_dir=folder.parents[1])):
        source = found.as_data_source("test")
        assert len(source) == 2
        np.testing.assert_array_equal(source[1]["image"], load_image(expected))
        np.testing.assert_array_equal(source[1]["points"], expected.points)
        assert source[1]["source_id"] == b"image 9"
        assert found.info.splits["train"].num_examples == 12
        assert found.info.splits["train"].num_shards == 3


def test_a_missing_folder_or_split_is_refused(folder: Path, tmp_path: Path):
    with pytest.raises(InputError, match="holds no prepared data set"):
        read_prepared(tmp_path)
    for split in ("val", "train[:x]", "train[", "", "all[:5]"):
        with pytest.raises(InputError, match=r"no split .*; its splits are train, test"):
            read_prepared(folder, split=split)


def test_damage_is_reported(folder: Path):
    first = next(folder.glob("*-train.*-00000-*"))
    content = bytearray(first.read_bytes())
    content[200:1200] = bytes(1000)
    first.write_bytes(content)
    with pytest.raises(InputError, match="record 0 is damaged"):
        read_prepared(folder)[0]
    first.unlink()
    with pytest.raises(InputError, match=r"record 1 is damaged: .*No such file"):
        read_prepared(folder)[1]
    (folder / "dataset_info.json").write_text("{")
    with pytest.raises(InputError, match=r"dataset_info\.json is damaged"):
        read_prepared(folder)


IMAGES = DataSet(
    **{"name": "tiny_images", "title": "Images of noise.", "homepage": "https://example.org/images"},
    **{"licence": "none", "layout": "the images", "markers": ("*.png",), "read": image_set.read_entries},
)


def test_a_builder_prepares_and_reads(tmp_path: Path):
    source = image_set.write_images(tmp_path / "source")
    prepared = builder_class(IMAGES)(data_dir=tmp_path / "out")
    with pytest.raises(InputError, match=r"manual_dir=.*the images"):
        prepared.download_and_prepare()
    prepared.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=source))
    assert [example["source_id"] for example in prepared.as_data_source("test")] == [b"image 4", b"image 9"]
    assert prepared.info.homepage == IMAGES.homepage
    assert len(read_prepared(tmp_path / "out" / "tiny_images" / "1.0.0")) == image_set.COUNT
    # A builder that is created later reads the same folder.
    assert len(builder_class(IMAGES)(data_dir=tmp_path / "out").as_data_source("train")) == 12
    with pytest.raises(InputError, match="file_format 'tfrecord' is not written"):
        builder_class(IMAGES)(data_dir=tmp_path, file_format="tfrecord")


def test_every_catalogued_data_set_has_a_builder(tmp_path: Path):
    for name in DATASETS:
        prepared = builder(name, data_dir=tmp_path)
        assert prepared.name == name
        assert prepared.info.file_format is tfds.core.FileFormat.ARRAY_RECORD
        assert prepared.data_dir == str(tmp_path / name / "1.0.0")
    with pytest.raises(InputError, match="data set 'cats' is not known"):
        builder("cats")
    # Data sets of TFDS with the same names are not replaced.
    assert tfds.builder_cls("flic").__module__.startswith("tensorflow_datasets")
