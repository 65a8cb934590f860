from pathlib import Path

import numpy as np
import pytest

from convcorr_jax.cli.pairs import (
    Files,
    Pair,
    consecutive_pairs,
    figure_names,
    list_photographs,
    one_to_all,
    read_inputs,
    read_pairs,
)
from convcorr_jax.coords import Box
from convcorr_jax.errors import InputError
from convcorr_jax.io import write_image


def test_photographs_of_a_folder_are_paired_by_name_with_the_next_or_with_one(tmp_path, monkeypatch):
    for name in ("c.PNG", "a.jpg", "b.jpeg", ".a.jpg", "notes.txt", "points.csv"):
        (tmp_path / name).touch()
    (tmp_path / "folder.jpg").mkdir()
    found = [(pair.a.name, pair.b.name) for pair in consecutive_pairs(tmp_path)]
    assert found == [("a.jpg", "b.jpeg"), ("b.jpeg", "c.PNG")]
    monkeypatch.chdir(tmp_path)
    found = [(pair.a, pair.b.name) for pair in one_to_all(Path("b.jpeg"), tmp_path)]
    assert found == [(Path("b.jpeg"), "a.jpg"), (Path("b.jpeg"), "c.PNG")]
    apart = one_to_all(tmp_path / "notes.txt", tmp_path)
    assert [pair.b.name for pair in apart] == ["a.jpg", "b.jpeg", "c.PNG"]


def test_folders_with_too_few_photographs_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"has no photograph; files that end in \.jpg"):
        consecutive_pairs(tmp_path)
    (tmp_path / "a.jpg").write_bytes(b"photograph")
    with pytest.raises(InputError, match=r"has one photograph, a\.jpg; at least two"):
        consecutive_pairs(tmp_path)
    with pytest.raises(InputError, match=r"no photograph but a\.jpg"):
        one_to_all(tmp_path / "a.jpg", tmp_path)
    with pytest.raises(InputError, match="may not be read"):
        list_photographs(tmp_path / "none")


def test_a_table_lists_pairs_with_boxes_and_points(tmp_path):
    table = tmp_path / "pairs.csv"
    table.write_text(
        "a, b, box_a, box_b, points\none.jpg,two/b.jpg,1 2.5 30 40,,\n\n/x/one.jpg,c.jpg,,0 0 9 9,points.csv\n"
    )
    assert read_pairs(table) == [
        Pair(tmp_path / "one.jpg", tmp_path / "two/b.jpg", Box(1.0, 2.5, 30.0, 40.0)),
        Pair(*(Path("/x/one.jpg"), tmp_path / "c.jpg", None, Box(0.0, 0.0, 9.0, 9.0)), tmp_path / "points.csv"),
    ]
    table.write_text("b,a\nx.png,y.png\n")
    assert read_pairs(table) == [Pair(tmp_path / "y.png", tmp_path / "x.png")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a\nx\n", "header 'a'; 'a,b' is expected"),
        ("a,b,c\nx,y,z\n", "header 'a,b,c'"),
        ("a,b,b\nx,y,z\n", "header 'a,b,b'"),
        ("\n", "is empty"),
        ("a,b\n", "has a header and no pairs"),
        ("a,b\nx\n", "row 1 of .* has 1 entries; 2 are expected"),
        ("a,b\nx,y\nx,\n", "row 2 of .* has no b; the path"),
        ("a,b,box_a\nx,y,1 2 3\n", "box_a in row 1 of .* is '1 2 3'; four numbers"),
        ("a,b,box_b\nx,y,1 2 3 d\n", "box_b in row 1 of .* is '1 2 3 d'"),
        ("\xff\xfe", "is not a CSV file in UTF-8"),
    ],
)
def test_wrong_tables_are_refused(tmp_path, text, sentence):
    table = tmp_path / "pairs.csv"
    table.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=sentence):
        read_pairs(table)


def test_files_are_named_after_the_figure():
    pair = Pair(Path("a.jpg"), Path("b.jpg"))
    assert Files.beside(Path("o/m.pdf"), pair) == (Path("o/m.pdf"), Path("o/m.npz"), None, None, None)
    assert Files.beside(Path("m.png"), pair._replace(points=Path("p.csv"))).table == Path("m.csv")
    third = Pair(Path("1/a.jpg"), Path("2/b-2.jpg"))
    assert figure_names(one.name for one in (pair, third, pair)) == ["a-b.png", "a-b-2.png", "a-b-3.png"]


def test_inputs_are_read_and_checked(tmp_path):
    write_image(tmp_path / "a.png", np.zeros((20, 30, 3), np.uint8))
    write_image(tmp_path / "b.png", np.zeros((16, 16, 3), np.uint8))
    (tmp_path / "points.csv").write_text("x,y\n29,19\n")
    pair = Pair(tmp_path / "a.png", tmp_path / "b.png", points=tmp_path / "points.csv")
    inputs = read_inputs(pair)
    assert (inputs.a.shape, inputs.b.shape) == ((20, 30, 3), (16, 16, 3))
    assert inputs.points is not None
    assert inputs.points.names == ("1",)
    assert read_inputs(pair._replace(points=None)).points is None
    with pytest.raises(InputError, match="lies outside the image of 16 x 16"):
        read_inputs(pair._replace(box_b=Box(16.0, 0.0, 29.0, 9.0)))
    assert read_inputs(pair._replace(box_a=Box(16.0, 0.0, 29.0, 9.0))).b.shape == (16, 16, 3)
    with pytest.raises(InputError, match=r"\(29, 19\), is outside .*b.png of 16 x 16"):
        read_inputs(pair._replace(a=pair.b))
