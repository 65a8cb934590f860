"""Reading of prepared folders, with this package and with TFDS alone."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from convcorr_jax.datasets import Record, load_image
from convcorr_jax.datasets.prepared import planning, prepare, read_prepared
from convcorr_jax.errors import InputError
from tests.builders import image_set


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
    for builder in (tfds.builder_from_directory(folder), tfds.builder("images", data_dir=folder.parents[1])):
        source = builder.as_data_source("test")
        assert len(source) == 2
        np.testing.assert_array_equal(source[1]["image"], load_image(expected))
        np.testing.assert_array_equal(source[1]["points"], expected.points)
        assert source[1]["source_id"] == b"image 9"
        assert builder.info.splits["train"].num_examples == 12
        assert builder.info.splits["train"].num_shards == 3


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
