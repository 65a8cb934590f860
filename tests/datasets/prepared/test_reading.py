"""Reading prepared folders, here and with TFDS alone."""

import contextlib
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from hypothesis import given
from hypothesis import strategies as st

from convcorr_jax.datasets.prepared import batches, planning, prepare, read
from convcorr_jax.datasets.records import Record, load_image
from convcorr_jax.errors import InputError
from tests.builders import picture_set
from tests.builders.fuzzing import FUZZ, damaged


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(planning, "RECORDS_PER_SHARD", 4)
    source = picture_set.write_pictures(tmp_path / "source")
    # The place where TFDS looks for a data set by its name.
    folder = tmp_path / "out" / "pictures" / "1.0.0"
    prepare(partial(picture_set.read, source), folder, name="pictures", description="Noise.")
    return folder


def ids(records: list[Record]) -> list[int]:
    return [int(record.source_id.split()[1]) for record in records]


def test_records_are_a_sequence(folder: Path):
    records = read(folder)
    assert len(records) == 14
    in_order = [0, 1, 2, 3, 5, 6, 7, 8, 10, 11, 12, 13, 4, 9]
    assert ids(list(records)) == in_order
    assert ids(records[3:6]) == in_order[3:6]
    assert ids([records[-1], records[np.int64(2)]]) == [9, 2]
    assert ids(read(folder, "train[:50%]")[:]) == in_order[:6]
    with pytest.raises(IndexError):
        records[14]


def test_tfds_reads_the_folder_without_this_package(folder: Path):
    wanted = read(folder, "test")[1]
    for builder in (
        tfds.builder_from_directory(folder),
        tfds.builder("pictures", data_dir=folder.parents[1]),
    ):
        source = builder.as_data_source("test")
        assert len(source) == 2
        np.testing.assert_array_equal(source[1]["image"], load_image(wanted))
        np.testing.assert_array_equal(source[1]["points"], wanted.points)
        assert source[1]["source_id"] == b"picture 9"
        assert builder.info.splits["train"].num_examples == 12
        assert builder.info.splits["train"].num_shards == 3


def test_a_folder_or_split_that_is_not_there_is_refused(folder: Path, tmp_path: Path):
    with pytest.raises(InputError, match="holds no prepared data set"):
        read(tmp_path)
    for split in ("val", "train[:x]", "train[", "", "all[:5]"):
        with pytest.raises(InputError, match=r"no split .*; train, test are there"):
            read(folder, split)


def test_damage_is_said(folder: Path):
    first = next(folder.glob("*-train.*-00000-*"))
    content = bytearray(first.read_bytes())
    content[200:1200] = bytes(1000)
    first.write_bytes(content)
    with pytest.raises(InputError, match="record 0 is damaged"):
        read(folder)[0]
    first.unlink()
    with pytest.raises(InputError, match=r"record 1 is damaged: .*No such file"):
        read(folder)[1]
    (folder / "dataset_info.json").write_text("{")
    with pytest.raises(InputError, match=r"dataset_info\.json is damaged"):
        read(folder)


def test_batches_keep_the_order_and_load_ahead(folder: Path):
    records = read(folder)
    loaded = list(batches(records, load_image, size=4))
    assert [len(batch) for batch in loaded] == [4, 4, 4, 2]
    for record, image in zip(records, [image for batch in loaded for image in batch], strict=True):
        np.testing.assert_array_equal(load_image(record), image)


def test_the_next_batches_load_while_one_is_worked_on(folder: Path):
    records = read(folder)
    started = threading.Semaphore(0)

    def load(record: Record) -> str:
        started.release()
        return record.source_id

    stream = batches(records, load, size=3)
    next(stream)
    # The batch in hand, and two more without being asked.
    for _ in range(9):
        assert started.acquire(timeout=10)
    assert not started.acquire(timeout=0.1)
    stream.close()


def test_errors_of_loading_come_out_of_the_batches(folder: Path):
    def load(record: Record) -> None:
        raise InputError(f"{record.source_id} is not wanted")

    with pytest.raises(InputError, match="picture 0 is not wanted"):
        next(batches(read(folder), load, size=3))
    with pytest.raises(InputError, match="at least 1"):
        batches([], load, size=0)


@FUZZ
@given(data=st.data())
def test_damaged_files_give_records_or_the_projects_error(folder: Path, data: st.DataObject):
    names = sorted(path.name for path in folder.iterdir())
    path = folder / data.draw(st.sampled_from(names))
    whole = path.read_bytes()
    path.write_bytes(damaged(data, whole))
    try:
        with contextlib.suppress(InputError):
            list(read(folder))
    finally:
        path.write_bytes(whole)
