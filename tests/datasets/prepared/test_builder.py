"""The TFDS builders of catalogued data sets."""

from pathlib import Path

import pytest
import tensorflow_datasets as tfds

from convcorr_jax.datasets import DATASETS, DataSet
from convcorr_jax.datasets.prepared import builder, builder_class, read_prepared
from convcorr_jax.errors import InputError
from tests.builders import image_set

IMAGES = DataSet(
    name="tiny_images",
    title="Images of noise.",
    homepage="https://example.org/images",
    licence="none",
    layout="the images",
    markers=("*.png",),
    read=image_set.read_entries,
)


def test_a_builder_prepares_and_reads(tmp_path: Path):
    source = image_set.write_images(tmp_path / "source")
    prepared = builder_class(IMAGES)(data_dir=tmp_path / "out")
    prepared.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=source))
    examples = prepared.as_data_source("test")
    assert [example["source_id"] for example in examples] == [b"image 4", b"image 9"]
    assert prepared.info.homepage == IMAGES.homepage
    folder = tmp_path / "out" / "tiny_images" / "1.0.0"
    assert len(read_prepared(folder)) == image_set.COUNT
    # A builder that is created later reads the same folder.
    later = builder_class(IMAGES)(data_dir=tmp_path / "out")
    assert len(later.as_data_source("train")) == 12


def test_a_builder_states_what_it_needs(tmp_path: Path):
    prepared = builder_class(IMAGES)(data_dir=tmp_path)
    with pytest.raises(InputError, match=r"manual_dir=.*the images"):
        prepared.download_and_prepare()
    with pytest.raises(InputError, match="file_format 'tfrecord' is not written"):
        builder_class(IMAGES)(data_dir=tmp_path, file_format="tfrecord")


@pytest.mark.parametrize("name", DATASETS)
def test_every_catalogued_data_set_has_a_builder(name: str, tmp_path: Path):
    prepared = builder(name, data_dir=tmp_path)
    assert prepared.name == name
    assert prepared.info.file_format is tfds.core.FileFormat.ARRAY_RECORD
    assert prepared.data_dir == str(tmp_path / name / "1.0.0")


def test_an_unknown_data_set_is_refused():
    with pytest.raises(InputError, match="data set 'cats' is not known"):
        builder("cats")


def test_data_sets_of_tfds_with_the_same_names_are_not_replaced():
    assert tfds.builder_cls("flic").__module__.startswith("tensorflow_datasets")
