import contextlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from fuzzing import FUZZ, damaged
from hypothesis import given
from hypothesis import strategies as st
from mat_files import cells, structs, write

from convcorr_jax.datasets.formats import joint_arrays
from convcorr_jax.errors import InputError

JOINTS = np.arange(5 * 14 * 2, dtype=float).reshape(5, 14, 2)
LABELS = ("rank", "lank")


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


def write_mat(path: Path) -> Path:
    variables = {"preds": JOINTS, "names": cells(*LABELS), "info": structs({"by": "nobody"})}
    return write(path, variables)


def write_cells(path: Path) -> Path:
    people = {"preds": cells(*JOINTS), "names": cells(*LABELS), "mixed": cells("a", JOINTS[0])}
    return write(path, people)


@pytest.mark.parametrize("written", [write_npz, write_h5, write_mat, write_cells])
def test_joints_and_words_are_found_in_every_format(tmp_path: Path, written):
    found = joint_arrays.read(written(tmp_path / "predictions"))
    assert list(found.arrays) == ["preds"]
    np.testing.assert_array_equal(found.arrays["preds"], JOINTS)
    assert LABELS in found.words


@pytest.mark.parametrize("written", [write_octave, write_matlab_73])
def test_hdf5_by_matlab_and_octave_is_read(tmp_path: Path, written):
    found = joint_arrays.read(written(tmp_path / "predictions.mat"))
    np.testing.assert_array_equal(found.arrays["preds"], JOINTS.T)


def test_cells_of_unlike_tables_are_no_array(tmp_path: Path):
    path = write(tmp_path / "a.mat", {"preds": cells(JOINTS[0], JOINTS[0, :5])})
    with pytest.raises(InputError, match=r"a\.mat has no array of joints.*it has none"):
        joint_arrays.read(path)


def test_files_without_joints_say_what_they_have(tmp_path: Path):
    np.savez(tmp_path / "a.npz", scores=np.ones((5, 14)))
    with pytest.raises(InputError, match=r"no array of joints.*it has scores \(5, 14\)"):
        joint_arrays.read(tmp_path / "a.npz")


def test_other_files_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"does not exist.*prediction"):
        joint_arrays.read(tmp_path / "nothing.h5")
    (tmp_path / "a.csv").write_text("1,2,3")
    with pytest.raises(InputError, match="no MATLAB file"):
        joint_arrays.read(tmp_path / "a.csv")
    np.savez(tmp_path / "pickled.npz", preds=np.array([{}], object))
    with pytest.raises(InputError, match=r"pickled\.npz is damaged, or is no \.npz of plain"):
        joint_arrays.read(tmp_path / "pickled.npz")


@pytest.mark.parametrize("written", [write_npz, write_h5, write_mat])
@FUZZ
@given(data=st.data())
def test_damaged_files_give_arrays_or_the_projects_error(
    tmp_path: Path, written, data: st.DataObject
):
    path = written(tmp_path / "predictions")
    path.write_bytes(damaged(data, path.read_bytes()))
    with contextlib.suppress(InputError):
        joint_arrays.read(path)
