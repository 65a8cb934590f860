"""Which format a file has, where its photographs are, labels of several files, and what is refused."""

import json

import numpy as np
import pytest
from PIL import Image as PillowImage

from convcorr_jax.errors import InputError
from convcorr_jax.labels import merge, pair_labels, read_labels
from tests.builders.bad_labels import BAD_LABELS
from tests.builders.label_files import by_name, coco_content, photographs

TABLE = "photograph,object,name,x,y\na.png,1,u,1,2\na.png,1,v,3,4\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_the_name_of_a_file_says_nothing(tmp_path, encoding):
    photographs(tmp_path)
    (tmp_path / "labels.json").write_text(TABLE, encoding=encoding)
    assert read_labels(tmp_path / "labels.json").names == ("u", "v")
    (tmp_path / "labels.csv").write_text("\n " + json.dumps(coco_content()), encoding=encoding)
    assert read_labels(tmp_path / "labels.csv").names == ("head", "wing")


def test_photographs_are_searched_from_the_longest_path_on(tmp_path, monkeypatch):
    for folder in ("labels", "labels/x/y", "photos/x/y", "photos/y", "photos", "here/x/y"):
        photographs(tmp_path / folder)
    monkeypatch.chdir(tmp_path / "here")
    table = tmp_path / "labels" / "t.csv"
    table.write_text(TABLE.replace("a.png", "x/y/a.png"))
    for place in ("labels/x/y", "photos/x/y", "here/x/y", "photos/y", "labels", "photos"):
        labels = read_labels(table, photographs=[tmp_path / "photos"])
        assert labels.photographs[0].path.resolve() == tmp_path / place / "a.png"
        (tmp_path / place / "a.png").unlink()
    with pytest.raises(
        InputError, match=r"t\.csv: the photograph 'x/y/a\.png' is not in .*labels nor in .*photos$"
    ):
        read_labels(table, photographs=[tmp_path / "photos"])


def test_photographs_of_one_name_are_told_apart_by_their_folders(tmp_path):
    for folder in ("q", "r", "labels"):
        photographs(tmp_path / folder)
    table = tmp_path / "labels" / "t.csv"
    (tmp_path / "labels" / "a.png").unlink()
    for folder in ("q", "r"):
        table.write_text(TABLE.replace("a.png", f"labeled-data/{folder}/a.png"))
        labels = read_labels(table, photographs=[tmp_path / "q", tmp_path / "r"])
        assert labels.photographs[0].path == tmp_path / folder / "a.png"


def test_sizes_are_those_of_the_upright_photograph(tmp_path):
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    PillowImage.new("RGB", (80, 40)).save(tmp_path / "a.jpg", exif=exif)
    path = tmp_path / "t.csv"
    path.write_text("photograph,name,x,y\na.jpg,u,20,70\na.jpg,v,20,82\n")
    # A point just beyond an edge is absent.
    np.testing.assert_array_equal(
        read_labels(path).photographs[0].objects[0].points, [[20, 70], [np.nan, np.nan]]
    )
    path.write_text("photograph,name,x,y\na.jpg,u,70,20\n")
    with pytest.raises(InputError, match=r"point u of .*, \(70, 20\), is outside the photograph of 40 x 80"):
        read_labels(path)


def test_photographs_and_tables_are_pairs(tmp_path):
    paths, tables = photographs(tmp_path)[:2], [tmp_path / "a.csv", tmp_path / "b.csv"]
    tables[0].write_text("name,x,y\nu,1,2\nv,,\n")
    tables[1].write_text("name,x,y\nv,3,4\nu,5,6\n")
    labels = pair_labels(paths, tables)
    assert labels.names == ("u", "v")
    np.testing.assert_array_equal(labels.photographs[0].objects[0].points, [[1, 2], [np.nan, np.nan]])
    np.testing.assert_array_equal(by_name(labels)["b.png"].objects[0].points, [[5, 6], [3, 4]])
    with pytest.raises(InputError, match="has labels twice"):
        merge([labels, labels])
    for text, sentence in {
        "name,x,y\nu,1,2\n": r"b\.png has the points u, and .*a\.png u, v; the same",
        "name,x,y\nu,1,2\nu,3,4\n": "name of a point is 'u'; each needs",
        "name,x,y\nu,1,2\nv,3,\n": "y in row 2 of .* is ''",
        "name,x,y\nu,1,2\nv,3,900\n": r"b\.csv: point v of .*b\.png, \(3, 900\), is outside",
    }.items():
        tables[1].write_text(text)
        with pytest.raises(InputError, match=sentence):
            pair_labels(paths, tables)
    with pytest.raises(InputError, match="2 photographs have 1 tables of points"):
        pair_labels(paths, tables[:1])


@pytest.mark.parametrize(("text", "sentence"), BAD_LABELS)
def test_wrong_files_are_one_sentence(tmp_path, text, sentence):
    photographs(tmp_path)
    (tmp_path / "labels").write_text(text)
    with pytest.raises(InputError, match=sentence) as caught:
        read_labels(tmp_path / "labels")
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folders_and_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="has no labeled-data of DeepLabCut"):
        read_labels(tmp_path)
    path = tmp_path / "file"
    for content, limit, sentence in (
        (b"", 0, "is empty"),
        (b"\x89PNG\r\n\x1a\n\0\xff", 0, "is not a CSV file in UTF-8"),
        (b"\x89HDF\r\n\x1a\n123", 0, "is damaged, or is no file of SLEAP or DeepLabCut"),
        (b"photograph", 2**24, f"has {2**24 + 1} bytes; a label file has at most {2**24}"),
        (b"[", 2**28, f"has {2**28 + 1} bytes; a COCO or Label Studio file has at most {2**28}"),
    ):
        with path.open("wb") as stream:
            stream.write(content)
            stream.truncate(max(len(content), limit + 1 if limit else 0))
        with pytest.raises(InputError, match=f"file.* {sentence}"):
            read_labels(path)
