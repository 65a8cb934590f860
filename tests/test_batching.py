"""Batches of one size: every row once, and padding that repeats a row of the batch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcorr_jax.arrays import padded_batches


@given(st.integers(0, 60), st.integers(1, 17))
def test_every_row_is_in_one_batch_in_order(count, size):
    batches = list(padded_batches(count, size=size))
    assert [len(rows) for rows, _ in batches] == [size] * -(-count // size)
    own = [row for rows, length in batches for row in rows[:length]]
    assert own == list(range(count))


@given(st.integers(1, 60), st.integers(1, 17))
def test_only_the_last_batch_is_padded_and_by_its_last_row(count, size):
    *full, (rows, own) = padded_batches(count, size=size)
    assert all(length == size for _, length in full)
    assert own == count - size * len(full)
    assert set(rows[own:].tolist()) <= {count - 1}


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [(0, 3, []), (1, 3, [([0, 0, 0], 1)]), (3, 3, [([0, 1, 2], 3)]), (4, 3, [([0, 1, 2], 3), ([3, 3, 3], 1)])],
)
def test_small_counts(count, size, expected):
    assert [(rows.tolist(), own) for rows, own in padded_batches(count, size=size)] == expected


def test_rows_index_arrays():
    values = np.arange(10.0) ** 2
    found = np.concatenate([values[rows][:own] for rows, own in padded_batches(10, size=4)])
    np.testing.assert_array_equal(found, values)
