"""Tables of points, ours and DeepLabCut's, are read as they were written, by pandas as by this package."""

import csv
import dataclasses
import sys

import h5py
import numpy as np
import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.labels import read_labels, write_deeplabcut, write_table
from tests.builders.label_files import ANIMALS, assert_read, by_name, found, photographs

SINGLE = "scorer,{0}me,me,me,me\nbodyparts,{0}snout,snout,tail,tail\ncoords,{0}x,y,x,y\n"


def test_our_table_is_read_as_it_was_written(tmp_path):
    truth, path = found(tmp_path / "photos"), tmp_path / "points.csv"
    write_table(path, truth)
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [*rows[0]] == ["photograph", "object", "name", "x", "y", "confidence", "radius_px"]
    assert [*rows[3].values()][1:] == ["2", "snout", "10.125", "20.000", "0.9000", "3.000"]
    assert [*rows[4].values()][1:] == ["2", "left ear", "", "", "0.1000", ""]
    assert_read(read_labels(path), truth)
    write_table(path, found(tmp_path / "photos", radius=False))
    assert "radius_px" not in path.read_text()
    # Columns and rows in any order.
    path.write_text(
        "name,y,x,photograph\nu,1,2,photos/a.png\nv,,,photos/b.png\nv,3,4,photos/a.png\nu,5,6,photos/b.png"
    )
    labels = read_labels(path)
    assert labels.names == ("u", "v")
    np.testing.assert_array_equal(by_name(labels)["a.png"].objects[0].points, [[2, 1], [4, 3]])
    np.testing.assert_array_equal(by_name(labels)["b.png"].objects[0].points, [[6, 5], [np.nan, np.nan]])


@pytest.mark.parametrize(("more", "separator"), [("", "/"), ("", "\\"), (",,", ",")])
def test_deeplabcut_names_photographs_in_one_column_or_three(tmp_path, more, separator):
    folder = tmp_path / "labeled-data" / "video"
    photographs(folder)
    rows = [f"labeled-data/video/{name}.png,{points}" for name, points in {"a": "1,2,,", "c": ",,,"}.items()]
    text = SINGLE.format(more) + "\n".join(rows).replace("/", separator)
    (folder / "CollectedData_me.csv").write_text(text)
    for path in (folder / "CollectedData_me.csv", tmp_path, folder):
        (one,) = read_labels(path).photographs
        assert one.path == folder / "a.png"
        np.testing.assert_array_equal(one.objects[0].points, [[1, 2], [np.nan, np.nan]])


def test_animals_of_deeplabcut_are_objects(tmp_path):
    photographs(tmp_path)
    (tmp_path / "CollectedData_me.csv").write_text(ANIMALS)
    labels = read_labels(tmp_path / "CollectedData_me.csv")
    points = {name: [one.points.tolist() for one in each.objects] for name, each in by_name(labels).items()}
    assert (labels.names, points) == (("snout",), {"a.png": [[[1, 2]], [[3, 4]]], "b.png": [[[7, 8]]]})


@pytest.mark.parametrize("count", [1, 2])
def test_deeplabcut_is_read_as_it_was_written_and_by_pandas(tmp_path, count):
    folder = tmp_path / "labeled-data" / "video"
    truth, path = found(folder), folder / "CollectedData_me.csv"
    truth = dataclasses.replace(truth, photographs=truth.photographs[2 - count :])
    written = write_deeplabcut(path, truth)
    assert_read(read_labels(path), truth)
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    pytest.importorskip("tables", reason="needs tables")
    assert written == [path, path.with_suffix(".h5")]
    path.unlink()
    assert_read(read_labels(tmp_path), truth)
    frame = pandas.read_hdf(written[1])
    assert frame.columns.names == ["scorer", *(["individuals"] if count == 2 else []), "bodyparts", "coords"]
    assert frame.index[0] == ("labeled-data", "video", truth.photographs[0].path.name)
    # As DeepLabCut writes it: one column of paths, and in older versions pandas' other layout.
    frame.index = ["/".join(each) for each in frame.index]
    for layout in ("fixed", "table"):
        frame.to_hdf(written[1], key="keypoints", mode="w", format=layout)
        assert_read(read_labels(written[1]), truth)


def test_hdf5_of_deeplabcut_without_pandas(tmp_path, monkeypatch):
    truth, path = found(tmp_path), tmp_path / "CollectedData_me.csv"
    monkeypatch.setitem(sys.modules, "tables", None)
    assert write_deeplabcut(path, truth) == [path]
    h5py.File(path.with_suffix(".h5"), "w").close()
    assert_read(read_labels(path.with_suffix(".h5")), truth)
    path.unlink()
    with pytest.raises(InputError, match=r"CollectedData_me\.h5: .* pip install pandas tables"):
        read_labels(path.with_suffix(".h5"))
