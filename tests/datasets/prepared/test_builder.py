"""The TFDS builders of catalogued data sets."""

from pathlib import Path

import pytest
import tensorflow_datasets as tfds

from convcorr_jax.datasets.catalogue import DATASETS, DataSet
from convcorr_jax.datasets.prepared import builder, read
from convcorr_jax.errors import InputError
from tests.builders import picture_set

PICTURES = DataSet(
    name="tiny_pictures",
    title="Pictures of noise.",
    homepage="https://example.org/pictures",
    licence="none",
    layout="the pictures",
    read=picture_set.read,
)


def test_a_builder_prepares_and_reads(tmp_path: Path):
    source = picture_set.write_pictures(tmp_path / "source")
    made = builder.builder_class(PICTURES)(data_dir=tmp_path / "out")
    made.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=source))
    examples = made.as_data_source("test")
    assert [example["source_id"] for example in examples] == [b"picture 4", b"picture 9"]
    assert made.info.homepage == PICTURES.homepage
    folder = tmp_path / "out" / "tiny_pictures" / "1.0.0"
    assert len(read(folder)) == picture_set.COUNT
    # A builder that is made later finds what lies there.
    later = builder.builder_class(PICTURES)(data_dir=tmp_path / "out")
    assert len(later.as_data_source("train")) == 12


def test_a_builder_says_what_it_wants(tmp_path: Path):
    made = builder.builder_class(PICTURES)(data_dir=tmp_path)
    with pytest.raises(InputError, match=r"manual_dir=.*the pictures"):
        made.download_and_prepare()
    with pytest.raises(InputError, match="file_format 'tfrecord' is not written"):
        builder.builder_class(PICTURES)(data_dir=tmp_path, file_format="tfrecord")


@pytest.mark.parametrize("name", DATASETS)
def test_every_catalogued_data_set_has_a_builder(name: str, tmp_path: Path):
    made = builder.builder(name, data_dir=tmp_path)
    assert made.name == name
    assert made.info.file_format is tfds.core.FileFormat.ARRAY_RECORD
    assert made.data_dir == str(tmp_path / name / "1.0.0")


def test_an_unknown_data_set_is_refused():
    with pytest.raises(InputError, match="data set 'cats' is not known"):
        builder.builder("cats")


def test_tfds_keeps_its_own_data_sets_of_the_same_names():
    assert tfds.builder_cls("flic").__module__.startswith("tensorflow_datasets")
