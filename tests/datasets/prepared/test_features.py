"""Records in the format of TFDS."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image as PillowImage

from convcorr_jax.datasets import Record, load_image, load_label_map
from convcorr_jax.datasets.prepared import features
from convcorr_jax.errors import InputError
from tests.builders import image_set
from tests.builders.bad_images import encoded

LABELS = np.zeros(image_set.SIZE, np.uint8)
LABELS[2:5, 3:9], LABELS[0] = 2, 255
PIXELS = np.random.default_rng(0).integers(0, 256, (*image_set.SIZE, 3), np.uint8)
KEEP_ENCODED = {"image": tfds.decode.SkipDecoding()}


def written_and_read(record: Record) -> Record:
    example = features.FEATURES.deserialize_example_np(features.serialize(record), decoders=KEEP_ENCODED)
    return features.from_example(example)


def assert_same(result: Record, expected: Record) -> None:
    for field in fields(Record):
        left, right = getattr(result, field.name), getattr(expected, field.name)
        if isinstance(right, np.ndarray):
            np.testing.assert_array_equal(left, right)
            assert left.dtype == right.dtype
        else:
            assert type(left) is type(right), field.name
            assert left == right, field.name
    # Equality of mappings is not enough: their order is kept too.
    assert list(result.part_sets) == list(expected.part_sets)
    assert list(result.other_boxes) == list(expected.other_boxes)
    assert list(result.attributes) == list(expected.attributes)


ENCODED, ENCODED_LABELS = (encoded(PillowImage.fromarray(array), "PNG") for array in (PIXELS, LABELS))


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
    assert_same(written_and_read(record), record)


def test_files_keep_their_bytes(tmp_path: Path):
    path = tmp_path / "image.jpg"
    PillowImage.fromarray(PIXELS).save(path)
    result = written_and_read(image_set.plain_record(path, "1", split="train"))
    assert result.image == path.read_bytes()


def test_decoded_images_and_label_maps_keep_their_pixels():
    result = written_and_read(image_set.full_record(PIXELS, LABELS))
    np.testing.assert_array_equal(load_image(result), PIXELS)
    np.testing.assert_array_equal(load_label_map(result), LABELS)


def test_a_decoded_example_makes_a_record_too():
    record = image_set.full_record(ENCODED, ENCODED_LABELS)
    example = features.FEATURES.deserialize_example_np(features.serialize(record))
    np.testing.assert_array_equal(features.from_example(example).image, PIXELS)


def test_names_that_cannot_be_encoded_are_refused():
    record = image_set.plain_record(ENCODED, "a\udcff", split="train")
    with pytest.raises(InputError, match="UTF-8"):
        features.serialize(record)


def test_an_empty_image_file_is_refused(tmp_path: Path):
    path = tmp_path / "empty.png"
    path.touch()
    with pytest.raises(InputError, match=r"empty\.png is empty"):
        features.serialize(image_set.plain_record(path, "1", split="train"))
