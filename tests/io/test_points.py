"""Points in CSV files: what is understood, and what is refused by its row."""

import numpy as np
import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.io import read_points, write_points


def read(tmp_path, content, encoding="utf-8"):
    path = tmp_path / "points.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return read_points(path)


@pytest.mark.parametrize(
    "content",
    [
        "name,x,y\nnose,1.5,2\neye,-3,4e1\n",
        "x,y,name\n1.5,2,nose\n-3,4e1,eye\n",
        " name , x , y \n nose , 1.5 , 2 \n eye , -3 , 40 ",
        "name,x,y\r\nnose,1.5,2\r\n\r\neye,-3,40\r\n\r\n",
        'name,x,y,confidence\n"nose",1.5,2,0.9\neye,-3,40,0.1\n',
    ],
)
def test_columns_may_come_in_any_order_and_lines_may_be_blank(tmp_path, content):
    found = read(tmp_path, content)
    assert found.names == ("nose", "eye")
    np.testing.assert_array_equal(found.points, [[1.5, 2.0], [-3.0, 40.0]])


def test_points_without_a_name_have_their_number(tmp_path):
    """What a spreadsheet writes before the header is no part of it."""
    found = read(tmp_path, "x,y\n1,2\n3,4\n", "utf-8-sig")
    assert (found.names, found.points.tolist()) == (("1", "2"), [[1, 2], [3, 4]])
    assert read(tmp_path, "name,x,y\n,1,2\nnose,3,4\n").names == ("1", "nose")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (" \n\n", "is empty"),
        ("1,2\n3,4\n", "has the header '1,2'; 'x,y' or 'name,x,y' is expected"),
        ("x;y\n1;2\n", "has the header 'x;y'"),
        ("x,z\n1,2\n", "has the header 'x,z'"),
        ("x,y,x\n1,2,3\n", "has the header 'x,y,x'"),
        ("nmae,x,y\nnose,1,2\n", "has the header 'nmae,x,y'"),
        ("x,y\n", "has a header and no points"),
        ("x,y\n1,2\n3\n", "row 2 of .*points.csv has 1 entries; 2 are expected"),
        ("x,y\n1,2,3\n", "row 1 of .* has 3 entries"),
        ("x,y\n1,two\n", "y in row 1 of .* is 'two'; a finite number is expected"),
        ("x,y\n1,2\nnan,3\n", "x in row 2 of .* is 'nan'; a finite number is expected"),
        ("x,y\n1,inf\n", "y in row 1 of .* is 'inf'"),
        ("x,y\n1,\n", "y in row 1 of .* is ''"),
        ("x,y\n1,2\n".encode("utf-16"), "is not a CSV file in UTF-8"),
        (b"x,y\n1,2\0\n", "y in row 1 of|is not a CSV file"),
        (b'x,y\n"1,2\n' + b"9" * 200_000, "is not a CSV file in UTF-8: field larger"),
    ],
)
def test_other_files_are_refused(tmp_path, content, sentence):
    with pytest.raises(InputError, match=sentence):
        read(tmp_path, content)


def test_what_is_written_can_be_read(tmp_path, rng):
    names = ("nose", "left, upper", 'the "eye"', "Mündung")
    points = rng.uniform(-100, 4000, (4, 2))
    write_points(tmp_path / "a.csv", names, points, confidence=rng.uniform(size=4))
    found = read_points(tmp_path / "a.csv")
    assert found.names == names
    # A thousandth of a pixel is written.
    np.testing.assert_allclose(found.points, points, atol=0.00051)
