"""Batches keep the order of their records, and the next ones are loaded while the caller works on one."""

import threading
from pathlib import Path

import numpy as np
import pytest

from convcorr_jax.datasets import Record, batches, load_image
from convcorr_jax.errors import InputError
from tests.builders import image_set


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    entries = image_set.read_entries(image_set.write_images(tmp_path))
    return [entry for entry in entries if isinstance(entry, Record)]


def test_batches_keep_the_order(records: list[Record]):
    loaded = list(batches(records, load_image, size=4))
    assert [len(batch) for batch in loaded] == [4, 4, 4, 2]
    for record, image in zip(records, [image for batch in loaded for image in batch], strict=True):
        np.testing.assert_array_equal(load_image(record), image)


def test_two_batches_are_prefetched(records: list[Record]):
    started = threading.Semaphore(0)

    def load(record: Record) -> str:
        started.release()
        return record.source_id

    stream = batches(records, load, size=3)
    next(stream)
    # The first batch and two prefetched ones.
    for _ in range(9):
        assert started.acquire(timeout=10)
    assert not started.acquire(timeout=0.1)
    stream.close()


def test_errors_of_loading_are_raised_by_the_batches(records: list[Record]):
    def load(record: Record) -> None:
        raise InputError(f"{record.source_id} is not wanted")

    with pytest.raises(InputError, match="image 0 is not wanted"):
        next(batches(records, load, size=3))
    with pytest.raises(InputError, match="at least 1"):
        batches([], load, size=0)
