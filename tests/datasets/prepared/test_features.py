"""Records in the form in which TFDS keeps them."""

import io
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image as PillowImage

from convcorr_jax.datasets.prepared import features
from convcorr_jax.datasets.records import Record, load_image, load_label_map
from convcorr_jax.errors import InputError
from tests.builders import picture_set

LABELS = np.zeros(picture_set.SIZE, np.uint8)
LABELS[2:5, 3:9], LABELS[0] = 2, 255
KEEP_ENCODED = {"image": tfds.decode.SkipDecoding()}


def encoded(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    PillowImage.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()


PIXELS = np.random.default_rng(0).integers(0, 256, (*picture_set.SIZE, 3), np.uint8)


def there_and_back(record: Record) -> Record:
    example = features.FEATURES.deserialize_example_np(
        features.serialize(record), decoders=KEEP_ENCODED
    )
    return features.from_example(example)


def assert_same(got: Record, wanted: Record) -> None:
    for field in fields(Record):
        left, right = getattr(got, field.name), getattr(wanted, field.name)
        if isinstance(right, np.ndarray):
            np.testing.assert_array_equal(left, right)
            assert left.dtype == right.dtype
        else:
            assert type(left) is type(right), field.name
            assert left == right, field.name
    # Equal as mappings is not enough: their order is kept, too.
    assert list(got.part_sets) == list(wanted.part_sets)
    assert list(got.other_boxes) == list(wanted.other_boxes)
    assert list(got.attributes) == list(wanted.attributes)


def test_every_field_comes_back_exactly():
    record = picture_set.full_record(encoded(PIXELS), encoded(LABELS))
    assert_same(there_and_back(record), record)


def test_fields_that_are_not_there_come_back_as_not_there():
    record = picture_set.plain_record(encoded(PIXELS), "1", split="test")
    assert_same(there_and_back(record), record)


def test_a_record_without_keypoints_comes_back():
    record = Record(
        encoded(PIXELS), picture_set.SIZE, "", "1", "all", (), np.zeros((0, 2)), np.zeros(0, bool)
    )
    assert_same(there_and_back(record), record)


def test_files_keep_their_bytes(tmp_path: Path):
    path = tmp_path / "picture.jpg"
    PillowImage.fromarray(PIXELS).save(path)
    got = there_and_back(picture_set.plain_record(path, "1", split="train"))
    assert got.image == path.read_bytes()


def test_decoded_images_and_label_maps_keep_their_pixels():
    got = there_and_back(picture_set.full_record(PIXELS, LABELS))
    np.testing.assert_array_equal(load_image(got), PIXELS)
    np.testing.assert_array_equal(load_label_map(got), LABELS)


def test_a_decoded_example_makes_a_record_too():
    record = picture_set.full_record(encoded(PIXELS), encoded(LABELS))
    example = features.FEATURES.deserialize_example_np(features.serialize(record))
    np.testing.assert_array_equal(features.from_example(example).image, PIXELS)


def test_names_that_utf_8_cannot_hold_are_refused():
    record = picture_set.plain_record(encoded(PIXELS), "a\udcff", split="train")
    with pytest.raises(InputError, match="UTF-8"):
        features.serialize(record)


def test_an_empty_image_file_is_refused(tmp_path: Path):
    path = tmp_path / "empty.png"
    path.touch()
    with pytest.raises(InputError, match=r"empty\.png is empty"):
        features.serialize(picture_set.plain_record(path, "1", split="train"))
