"""Arrays of joints are found in files of every format, and nothing is read from other files."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.sparse

from convcorr_jax.datasets.formats import hdf5
from convcorr_jax.datasets.poses import joint_arrays
from convcorr_jax.errors import InputError
from tests.builders.hostile import npz_bomb
from tests.builders.mat_files import cells, structs, write_mat

JOINTS = np.arange(5 * 14 * 2, dtype=float).reshape(5, 14, 2)
LABELS = ("rank", "lank")


def read(path: Path) -> joint_arrays.JointArrays:
    return joint_arrays.read_joint_arrays(path, flat_joints=14)


def write_npz(path: Path) -> None:
    with path.open("wb") as stream:
        np.savez(stream, preds=JOINTS, names=np.array(LABELS), scores=np.ones((5, 14)))


def write_h5(path: Path, *, userblock: int = 0, **arrays: Any) -> None:
    with h5py.File(path, "w", userblock_size=userblock) as stored:
        for name, array in arrays.items():
            stored[name] = array


def write_octave(path: Path) -> None:
    """Octave's HDF5, in which a variable is a group and axes run the other way."""
    write_h5(path, **{"preds/type": np.bytes_(b"matrix"), "preds/value": JOINTS.T})


def write_matlab_73(path: Path) -> None:
    write_h5(path, userblock=512, preds=JOINTS.T)
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file")


NAMED_H5 = {"preds": JOINTS, "names": [label.encode() for label in LABELS], "scores": np.ones((5, 14))}
NAMED_MAT = {"preds": JOINTS, "names": cells(*LABELS), "info": structs({"by": "nobody"})}
NAMED_CELLS = {"preds": cells(*JOINTS), "names": cells(*LABELS), "mixed": cells("a", JOINTS[0])}


@pytest.mark.parametrize(
    ("write", "axes"),
    [
        (write_npz, 1),
        (lambda path: write_h5(path, **NAMED_H5), 1),
        (lambda path: write_mat(path, NAMED_MAT), 1),
        (lambda path: write_mat(path, NAMED_CELLS), 1),
        (write_octave, -1),
        (write_matlab_73, -1),
    ],
)
def test_joints_and_words_are_found_in_every_format(tmp_path: Path, write: Callable, axes: int):
    write(tmp_path / "predictions.mat")
    found = read(tmp_path / "predictions.mat")
    assert list(found.arrays) == ["preds"]
    np.testing.assert_array_equal(found.arrays["preds"], JOINTS if axes == 1 else JOINTS.T)
    assert axes == -1 or LABELS in found.words


@pytest.mark.parametrize(
    ("name", "arrays", "sentence"),
    [
        ("a.mat", {"preds": cells(JOINTS[0], JOINTS[0, :5])}, r"a\.mat has no array of joints.*it has none"),
        ("a.npz", {"scores": np.ones((5, 14))}, r"no array of joints.*it has scores \(5, 14\)"),
        ("a.npz", {"preds": np.ones((28, 28))}, r"it has preds \(28, 28\)"),
        ("a.npz", {"preds": np.array([{}], object)}, "it has none; preds is skipped: preds.npy has pickled"),
        ("a.csv", b"1,2,3", "no MATLAB file"),
        ("a.h5", None, r"does not exist.*prediction"),
    ],
    ids=range(6),
)
def test_files_without_joints_say_what_they_have(tmp_path: Path, name: str, arrays, sentence: str):
    path = tmp_path / name
    if isinstance(arrays, bytes):
        path.write_bytes(arrays)
    elif arrays is not None:
        write_mat(path, arrays) if name == "a.mat" else np.savez(path, **arrays)
    with pytest.raises(InputError, match=sentence):
        read(path)


def test_what_cannot_be_read_hides_nothing(tmp_path: Path):
    np.savez(tmp_path / "a.npz", preds=JOINTS, meta=np.array([{}], object))
    sparse = scipy.sparse.csc_matrix(np.eye(3))
    write_mat(tmp_path / "b.mat", {"preds": JOINTS, "meta": sparse})
    write_mat(tmp_path / "c.mat", {"preds": JOINTS, "meta": np.array([[1j]])})
    write_mat(tmp_path / "d.mat", {"preds": structs({"joints": JOINTS, "meta": sparse})})
    for name, preds, meta in (
        *((name, "preds", "meta") for name in ("a.npz", "b.mat", "c.mat")),
        ("d.mat", "preds.joints", "preds.meta"),
    ):
        found = read(tmp_path / name)
        np.testing.assert_array_equal(found.arrays[preds], JOINTS)
        assert list(found.skipped) == [meta]


def test_objects_of_matlab_are_skipped(tmp_path: Path):
    """A ``string``, of which SciPy writes none: a name, then "MCOS" and the class."""

    def element(kind: int, content: bytes) -> bytes:
        return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)

    flags = element(6, struct.pack("<II", 17, 0))
    words = b"".join(element(1, word) for word in (b"joint_names", b"MCOS", b"string"))
    path = write_mat(tmp_path / "a.mat", {"preds": JOINTS}, compressed=False)
    path.write_bytes(path.read_bytes() + element(14, flags + words))
    found = read(path)
    assert list(found.arrays) == ["preds"]
    assert "joint_names is an object" in found.skipped["joint_names"]


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        # More axes than three are those of one.
        ({"preds": JOINTS[:, None]}, JOINTS),
        ({"preds": JOINTS[:1, None]}, JOINTS[:1]),
        # Flat rows are joints one by one.
        ({"preds": JOINTS.reshape(5, 28)}, JOINTS),
        ({"preds": JOINTS.reshape(5, 28).T}, JOINTS),
        # x and y may be apart.
        *(
            ({x: JOINTS[..., 0], y: JOINTS[..., 1], "max": np.ones((5, 14))}, JOINTS)
            for x, y in (("x", "y"), ("pred_x", "pred_y"), ("X", "Y"))
        ),
    ],
)
def test_other_shapes_are_those_of_joints(tmp_path: Path, arrays: dict[str, np.ndarray], expected: np.ndarray):
    np.savez(tmp_path / "a.npz", **arrays)
    found = read(tmp_path / "a.npz")
    (array,) = found.arrays.values()
    np.testing.assert_array_equal(array, expected)
    is_flat = "preds" in arrays and arrays["preds"].ndim == 2
    assert found.flat == ({"preds"} if is_flat else set())
    for count in (13, 16) if is_flat else ():
        with pytest.raises(InputError, match="no array of joints"):
            joint_arrays.read_joint_arrays(tmp_path / "a.npz", flat_joints=count)


def submission(points: np.ndarray) -> np.ndarray:
    """``annorect.annopoints.point(j)`` of a person, by ids from 0."""
    joints = [{"x": x, "y": y, "id": float(number)} for number, (x, y) in reversed([*enumerate(points)])]
    return structs({"annopoints": structs({"point": structs(*joints)})})


def test_structs_hold_joints(tmp_path: Path):
    axes = [{"x": person[None, :, 0], "y": person[None, :, 1]} for person in JOINTS]
    variables = {
        "whole": structs({"inner": structs({"joints": JOINTS})}),
        "each": structs(*({"joints": person.T, "name": "a"} for person in JOINTS)),
        "apart": structs(*axes),
        "none": structs({"joints": np.zeros((0, 0))}),
        "pred": structs(*({"annorect": submission(person)} for person in JOINTS)),
    }
    found = read(write_mat(tmp_path / "a.mat", variables)).arrays
    sixteen = np.full((5, 16, 2), np.nan)
    sixteen[:, :14] = JOINTS
    expected = {"whole.inner.joints": JOINTS, "each.joints": JOINTS.transpose(0, 2, 1)}
    expected |= {"apart.x and apart.y": JOINTS, "pred": sixteen}
    assert set(found) == set(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


def test_submissions_have_one_person_a_row_and_number_their_joints(tmp_path: Path):
    rows = [{"annorect": submission(JOINTS[0])}, {"annorect": np.zeros((0, 0))}]
    found = read(write_mat(tmp_path / "a.mat", {"pred": structs(*rows)})).arrays["pred"]
    np.testing.assert_array_equal(found[0, :14], JOINTS[0])
    assert np.isnan(found[1]).all()
    crowd = np.concatenate([submission(JOINTS[0]), submission(JOINTS[1])], axis=1)
    twice = submission(JOINTS[0])
    twice["annopoints"][0, 0]["point"][0, 0]["id"][0, 0] = 3.0
    for person, sentence in (
        (crowd, r"annorect is of 2 people; one is expected"),
        (twice, r"has the id 3\.0; 0 to 15 once each"),
    ):
        with pytest.raises(InputError, match=sentence):
            read(write_mat(tmp_path / "a.mat", {"pred": structs({"annorect": person})}))


def test_rows_of_characters_are_words(tmp_path: Path):
    path = write_mat(tmp_path / "a.mat", {"preds": JOINTS, "names": np.array(["lhip", "head_top"])})
    assert [word.strip() for word in read(path).words[0]] == ["lhip", "head_top"]


def external(stored: h5py.File, secret: Path) -> None:
    stored.create_dataset("preds", JOINTS.shape, "f8", external=[(str(secret), 0, JOINTS.nbytes)])


def virtual(stored: h5py.File, secret: Path) -> None:
    layout = h5py.VirtualLayout(JOINTS.shape, "f8")
    layout[...] = h5py.VirtualSource(secret, "joints", JOINTS.shape, "f8")
    stored.create_virtual_dataset("preds", layout)


def link(stored: h5py.File, secret: Path) -> None:
    stored["preds"] = h5py.ExternalLink(str(secret), "joints")


def wide_chunks(stored: h5py.File, secret: Path) -> None:
    stored.create_dataset("preds", (1, 14, 2), "f8", chunks=(10**7, 14, 2), maxshape=(None, 14, 2))


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (external, "preds is skipped: its values are in another file, which is not opened"),
        (virtual, "preds is skipped: its values are in another file, which is not opened"),
        (link, "has no array of joints"),
        (wide_chunks, "preds is skipped: it takes more than 268435456 bytes"),
    ],
)
def test_an_hdf5_array_outside_the_file_or_of_any_size_is_not_read(tmp_path: Path, write, reason: str):
    write_h5(tmp_path / "truth.h5", joints=np.ones(JOINTS.shape))
    with h5py.File(tmp_path / "a.h5", "w") as stored:
        write(stored, tmp_path / "truth.h5")
    with pytest.raises(InputError, match=reason):
        read(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "a") as stored:
        stored["mine"] = JOINTS
    assert set(read(tmp_path / "a.h5").arrays) == {"mine"}


def test_arrays_that_take_too_much_memory_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hdf5, "MAX_BYTES", JOINTS.nbytes * 3 // 2)
    write_h5(tmp_path / "a.h5", first=JOINTS, second=JOINTS)
    found = read(tmp_path / "a.h5")
    assert set(found.arrays) == {"first"}
    assert "it takes more than" in found.skipped["second"]
    (tmp_path / "a.npz").write_bytes(npz_bomb("preds", 300 * 2**20))
    with pytest.raises(InputError, match="unpacks to 31"):
        read(tmp_path / "a.npz")


def test_texts_of_any_length_are_read_without_what_they_state(tmp_path):
    path, words = tmp_path / "a.h5", ("head", "", "a long name " * 30, "näck")
    with h5py.File(path, "w") as stored:
        stored["preds"] = JOINTS
        start = stored.create_dataset("names", data=words, dtype=h5py.string_dtype()).id.get_offset()
    assert read(path).words == (words,)
    content = path.read_bytes()
    # A length, the address of the heap, the index in it.
    for at, number in ((0, 2**31), (4, 2**40), (4, 0), (12, 2**31)):
        changed = bytearray(content)
        changed[start + at : start + at + 4] = struct.pack("<I", number % 2**32)
        path.write_bytes(changed)
        found = read(path)
        assert found.words == (words,) if at == 0 else "names" in found.skipped
    heap = content.index(b"GCOL")
    for size in (0, 7, 2**62):
        changed = bytearray(content)
        changed[heap + 24 : heap + 32] = struct.pack("<Q", size)
        path.write_bytes(changed)
        assert set(read(path).arrays) == {"preds"}
