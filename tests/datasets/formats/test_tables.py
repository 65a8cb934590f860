"""Comma-separated tables: fields of the right number, or a sentence that names the line."""

from pathlib import Path

import pytest

from convcorr_jax.datasets.formats import text
from convcorr_jax.errors import InputError


def test_lines_below_the_heading_are_read(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_bytes('\ufeffone,two\r\n"a, b",2\r\n\r\nÄ,-3e1\r\n'.encode())
    lines = list(text.read_table(path, widths=(2,)))
    assert [line.fields for line in lines] == [["a, b", "2"], ["Ä", "-3e1"]]
    assert [line.number for line in lines] == [2, 4]
    assert lines[1].numbers(lines[1].fields[1:]) == [-30]


REFUSED = {
    "another width": (b"a,b\n1\n", "line 2: 1 fields, where 2 or 3 are expected"),
    "no UTF-8": (b"a,b\n1,\xe9\n", "no UTF-8 text"),
    "no number": (b"a,b\n1,x\n", "line 2: .*'x'"),
    "not finite": (b"a,b\n1,2\n1,nan\n", "line 3: a number is not finite"),
    "endless field": (b'a,b\n"' + b"x" * 200_000 + b'",2\n', "no comma-separated text"),
    "empty": (b"", "is empty"),
}


@pytest.mark.parametrize(("content", "sentence"), REFUSED.values(), ids=REFUSED)
def test_other_tables_are_refused(content: bytes, sentence: str, tmp_path: Path):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.csv.*{sentence}"):
        [line.numbers(line.fields) for line in text.read_table(tmp_path / "a.csv", widths=(2, 3))]
