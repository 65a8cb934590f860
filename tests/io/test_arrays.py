"""Named arrays in .npz files: what comes back, and what is refused."""

import io

import numpy as np
import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.io import Expected, load_arrays, read_arrays, write_arrays
from tests.fuzz.mutation import zipped

ARRAYS = {"flow": np.arange(6.0, dtype=np.float32).reshape(3, 2), "weights": np.ones(3)}
ARRAYS |= {"settings": np.asarray("{}"), "count": np.int64(7)}


@pytest.fixture
def path(tmp_path):
    write_arrays(tmp_path / "a.npz", **ARRAYS)
    return tmp_path / "a.npz"


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == np.asarray(array).dtype


def test_all_arrays_are_loaded_or_those_that_are_named(path):
    with np.load(path, allow_pickle=False) as arrays:
        assert_equal(dict(arrays), ARRAYS)
    assert_equal(load_arrays(path), ARRAYS)
    assert_equal(load_arrays(path, names=["flow", "none"]), {"flow": ARRAYS["flow"]})
    assert load_arrays(path, names=[]) == {}


def test_files_that_numpy_writes_are_read(tmp_path):
    for save, name in ((np.savez, "plain.npz"), (np.savez_compressed, "compressed.npz")):
        save(tmp_path / name, **ARRAYS, fortran=np.asfortranarray(ARRAYS["flow"]))
        assert_equal(load_arrays(tmp_path / name), {**ARRAYS, "fortran": ARRAYS["flow"]})


def test_expected_arrays_are_checked_and_others_are_not_read(path):
    expected = {
        "flow": Expected(np.floating, ("n", 2)),
        "weights": Expected(np.float64, ("n",)),
        "count": Expected(np.integer, ()),
    }
    assert_equal(read_arrays(path, expected), {name: ARRAYS[name] for name in expected})
    assert read_arrays(path, {}) == {}


@pytest.mark.parametrize(
    ("expected", "sentence"),
    [
        ({"none": Expected(np.floating, ())}, r"a\.npz has no array 'none'; none is expected"),
        (
            {"flow": Expected(np.floating, ("n", 2)), "none": Expected(np.floating, ())},
            r"a\.npz has no array 'none'; flow, none are expected",
        ),
        ({"flow": Expected(np.integer, ("n", 2))}, "'flow' is float32 of shape .* integer of"),
        ({"flow": Expected(np.float64, ("n", 2))}, "'flow' is float32 .* float64 of shape"),
        ({"flow": Expected(np.floating, ("n", 3))}, r"of shape \(3, 2\); floating of .*'n', 3"),
        ({"flow": Expected(np.floating, ("n",))}, r"of shape \(3, 2\)"),
        ({"flow": Expected(np.floating, ("n", "n"))}, r"of shape \(3, 2\)"),
        (
            {"flow": Expected(np.floating, (3, "n")), "weights": Expected(np.floating, ("n",))},
            r"array 'weights' is float64 of shape \(3,\)",
        ),
    ],
)
def test_arrays_that_are_not_as_expected_are_refused(path, expected, sentence):
    with pytest.raises(InputError, match=sentence):
        read_arrays(path, expected)


def test_every_flipped_bit_is_refused_or_changes_nothing_and_every_cut_is_refused(path):
    content, refused = path.read_bytes(), 0
    for at in range(len(content)):
        for bit in range(8):
            changed = bytearray(content)
            changed[at] ^= 1 << bit
            path.write_bytes(changed)
            try:
                found = load_arrays(path)
            except InputError:
                refused += 1
                continue
            # Times, permissions and the like are bytes that nothing reads.
            assert_equal(found, ARRAYS)
        path.write_bytes(content[:at])
        with pytest.raises(InputError, match=r"a\.npz is (damaged|empty)"):
            load_arrays(path)
    # Of the file, most bytes are contents, checksums, sizes and names.
    assert refused > 4 * len(content)


def archive(flow):
    return zipped({"flow.npy": flow})


def npy(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"PK",
        b"text that is no archive",
        npy(np.zeros(3)),
        archive(b"no array"),
        archive(b""),
        archive(npy(np.zeros(3))[:-1]),
        archive(npy(np.zeros(3)) + b"\0"),
        archive(npy(np.array([{}], object), allow_pickle=True)),
        archive(npy(np.zeros(3)).replace(b"(3,)", b"(9,)")),
        archive(npy(np.zeros(3)).replace(b"<f8", b"<x8")),
        archive(npy(np.zeros(3)).replace(b"(3,)", b"(3L)")),
        archive(npy(np.zeros(10**6)).replace(b"<f8", b"|V0")),
        archive(npy(np.array(["ab"]))[:-4] + b"\xff\xff\xff\xff"),
        archive(npy(np.array(["ab"]))[:-4] + b"\0\xd8\0\0"),
    ],
)
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npz is damaged, or is no \.npz of plain arrays: "):
        load_arrays(tmp_path / "a.npz")
