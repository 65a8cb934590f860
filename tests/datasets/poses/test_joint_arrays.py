import struct
from pathlib import Path

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


def write_npz(path: Path) -> Path:
    with path.open("wb") as stream:
        np.savez(stream, preds=JOINTS, names=np.array(LABELS), scores=np.ones((5, 14)))
    return path


def write_h5(path: Path) -> Path:
    with h5py.File(path, "w") as stored:
        stored["preds"] = JOINTS
        stored["names"] = [label.encode() for label in LABELS]
        stored["scores"] = np.ones((5, 14))
    return path


def write_octave(path: Path) -> Path:
    """Octave's HDF5, in which a variable is a group and axes run the other way."""
    with h5py.File(path, "w") as stored:
        stored["preds/type"] = np.bytes_(b"matrix")
        stored["preds/value"] = JOINTS.T
    return path


def write_matlab_73(path: Path) -> Path:
    with h5py.File(path, "w", userblock_size=512) as stored:
        stored["preds"] = JOINTS.T
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file")
    return path


def write_matlab_5(path: Path) -> Path:
    variables = {"preds": JOINTS, "names": cells(*LABELS), "info": structs({"by": "nobody"})}
    return write_mat(path, variables)


def write_cells(path: Path) -> Path:
    people = {"preds": cells(*JOINTS), "names": cells(*LABELS), "mixed": cells("a", JOINTS[0])}
    return write_mat(path, people)


@pytest.mark.parametrize("written", [write_npz, write_h5, write_matlab_5, write_cells])
def test_joints_and_words_are_found_in_every_format(tmp_path: Path, written):
    found = read(written(tmp_path / "predictions"))
    assert list(found.arrays) == ["preds"]
    np.testing.assert_array_equal(found.arrays["preds"], JOINTS)
    assert LABELS in found.words


@pytest.mark.parametrize("written", [write_octave, write_matlab_73])
def test_hdf5_by_matlab_and_octave_is_read(tmp_path: Path, written):
    found = read(written(tmp_path / "predictions.mat"))
    np.testing.assert_array_equal(found.arrays["preds"], JOINTS.T)


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
        ("a.npz", "preds", "meta"),
        ("b.mat", "preds", "meta"),
        ("c.mat", "preds", "meta"),
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


def test_more_axes_than_three_are_those_of_one(tmp_path: Path):
    np.savez(tmp_path / "a.npz", preds=JOINTS[:, None])
    np.testing.assert_array_equal(read(tmp_path / "a.npz").arrays["preds"], JOINTS)
    np.savez(tmp_path / "b.npz", preds=JOINTS[:1, None])
    np.testing.assert_array_equal(read(tmp_path / "b.npz").arrays["preds"], JOINTS[:1])


@pytest.mark.parametrize("turned", [False, True])
def test_flat_rows_are_joints_one_by_one(tmp_path: Path, turned):
    flat = JOINTS.reshape(5, 28)
    np.savez(tmp_path / "a.npz", preds=flat.T if turned else flat)
    found = read(tmp_path / "a.npz")
    np.testing.assert_array_equal(found.arrays["preds"], JOINTS)
    assert found.flat == {"preds"}
    for count in (13, 16):
        with pytest.raises(InputError, match="no array of joints"):
            joint_arrays.read_joint_arrays(tmp_path / "a.npz", flat_joints=count)


@pytest.mark.parametrize("names", [("x", "y"), ("pred_x", "pred_y"), ("X", "Y")])
def test_x_and_y_may_be_apart(tmp_path: Path, names):
    values = dict(zip(names, np.moveaxis(JOINTS, -1, 0), strict=True))
    np.savez(tmp_path / "a.npz", **values, max=np.ones((5, 14)))
    (array,) = read(tmp_path / "a.npz").arrays.values()
    np.testing.assert_array_equal(array, JOINTS)


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
    expected = {
        "whole.inner.joints": JOINTS,
        "each.joints": JOINTS.transpose(0, 2, 1),
        "apart.x and apart.y": JOINTS,
        "pred": sixteen,
    }
    assert set(found) == set(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


def test_submissions_without_a_person_are_absent(tmp_path: Path):
    rows = [{"annorect": submission(JOINTS[0])}, {"annorect": np.zeros((0, 0))}]
    found = read(write_mat(tmp_path / "a.mat", {"pred": structs(*rows)})).arrays["pred"]
    np.testing.assert_array_equal(found[0, :14], JOINTS[0])
    assert np.isnan(found[1]).all()


def test_submissions_of_several_people_a_row_are_refused(tmp_path: Path):
    crowd = np.concatenate([submission(JOINTS[0]), submission(JOINTS[1])], axis=1)
    path = write_mat(tmp_path / "a.mat", {"pred": structs({"annorect": crowd})})
    with pytest.raises(InputError, match=r"annorect is of 2 people; one is expected"):
        read(path)


def test_submissions_number_their_joints(tmp_path: Path):
    person = submission(JOINTS[0])
    person["annopoints"][0, 0]["point"][0, 0]["id"][0, 0] = 3.0
    path = write_mat(tmp_path / "a.mat", {"pred": structs({"annorect": person})})
    with pytest.raises(InputError, match=r"has the id 3\.0; 0 to 15 once each"):
        read(path)


def test_rows_of_characters_are_words(tmp_path: Path):
    path = write_mat(tmp_path / "a.mat", {"preds": JOINTS, "names": np.array(["lhip", "head_top"])})
    assert [word.strip() for word in read(path).words[0]] == ["lhip", "head_top"]


def external(path, secret):
    layout = [(str(secret), 0, JOINTS.nbytes)]
    with h5py.File(path, "w") as stored:
        stored.create_dataset("preds", JOINTS.shape, "f8", external=layout)


def virtual(path, secret):
    layout = h5py.VirtualLayout(JOINTS.shape, "f8")
    layout[...] = h5py.VirtualSource(secret, "joints", JOINTS.shape, "f8")
    with h5py.File(path, "w") as stored:
        stored.create_virtual_dataset("preds", layout)


def wide_chunks(path, secret):
    with h5py.File(path, "w") as stored:
        shape = (1, 14, 2)
        stored.create_dataset("preds", shape, "f8", chunks=(10**7, 14, 2), maxshape=(None, 14, 2))


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (external, "its values are in another file, which is not opened"),
        (virtual, "its values are in another file, which is not opened"),
        (wide_chunks, "it takes more than 268435456 bytes"),
    ],
)
def test_an_hdf5_array_outside_the_file_or_of_any_size_is_not_read(tmp_path, write, reason):
    secret = tmp_path / "truth.h5"
    with h5py.File(secret, "w") as stored:
        stored["joints"] = np.ones(JOINTS.shape)
    write(tmp_path / "a.h5", secret)
    with pytest.raises(InputError, match=f"preds is skipped: {reason}"):
        read(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "a") as stored:
        stored["mine"] = JOINTS
    assert set(read(tmp_path / "a.h5").arrays) == {"mine"}


def test_links_to_other_files_are_not_followed(tmp_path):
    with h5py.File(tmp_path / "truth.h5", "w") as stored:
        stored["joints"] = JOINTS
    with h5py.File(tmp_path / "a.h5", "w") as stored:
        stored["preds"] = h5py.ExternalLink(str(tmp_path / "truth.h5"), "joints")
    with pytest.raises(InputError, match="has no array of joints"):
        read(tmp_path / "a.h5")


def test_arrays_that_take_too_much_memory_together_are_skipped(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "MAX_BYTES", JOINTS.nbytes * 3 // 2)
    with h5py.File(tmp_path / "a.h5", "w") as stored:
        stored["first"], stored["second"] = JOINTS, JOINTS
    found = read(tmp_path / "a.h5")
    assert set(found.arrays) == {"first"}
    assert "it takes more than" in found.skipped["second"]


def test_an_npz_bomb_is_not_unpacked(tmp_path):
    (tmp_path / "a.npz").write_bytes(npz_bomb("preds", 300 * 2**20))
    with pytest.raises(InputError, match="unpacks to 31"):
        read(tmp_path / "a.npz")


def test_texts_of_any_length_are_read_without_what_they_state(tmp_path):
    path, words = tmp_path / "a.h5", ("head", "", "a long name " * 30, "näck")
    with h5py.File(path, "w") as stored:
        stored["preds"] = JOINTS
        names = stored.create_dataset("names", data=words, dtype=h5py.string_dtype())
        start = names.id.get_offset()
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
