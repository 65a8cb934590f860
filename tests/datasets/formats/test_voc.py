"""What the releases of PASCAL VOC share, on tiny trees."""

from pathlib import Path

import pytest

from convcorr_jax import coords
from convcorr_jax.datasets.formats import xml
from convcorr_jax.errors import InputError

ANNOTATION = """<annotation><size><width>50</width><height>40</height></size>
<object><name>cat</name><difficult>1</difficult><part><name>head</name></part>
<bndbox><xmax>45.7</xmax><xmin>3</xmin><ymin>5</ymin><ymax>35</ymax></bndbox></object>
</annotation>"""


def test_an_annotation_is_read(tmp_path: Path):
    (tmp_path / "a.xml").write_text(ANNOTATION)
    size, objects = xml.read_annotation(tmp_path / "a.xml")
    assert size == coords.Size(height=40, width=50)
    assert objects == (xml.Object("cat", coords.Box(1.5, 3.5, 45.2, 34.5), {"difficult": 1}),)


def test_a_box_covers_its_first_and_last_pixel():
    assert xml.box(3, 5, 3, 6) == coords.Box(1.5, 3.5, 2.5, 5.5)


CHANGES = {
    "no size": ("<size>", "<sizes>", "damaged"),
    "no box": ("bndbox", "box", "<object> has no <bndbox>"),
    "half a box": ("xmax>", "max>", "<bndbox> has no <xmax>"),
    "box backwards": ("45.7", "1", "box .* has no area"),
    "no name": ("<name>cat</name>", "", "<object> has no <name>"),
    "no number": (">40<", ">high<", "<height> .* 'high'"),
}


@pytest.mark.parametrize(("old", "new", "sentence"), CHANGES.values(), ids=CHANGES)
def test_other_annotations_are_refused(old: str, new: str, sentence: str, tmp_path: Path):
    (tmp_path / "a.xml").write_text(ANNOTATION.replace(old, new))
    with pytest.raises(InputError, match=rf"a\.xml.*{sentence}"):
        xml.read_annotation(tmp_path / "a.xml")


@pytest.mark.parametrize("kit", ["VOCdevkit", "TrainVal/VOCdevkit", "."])
def test_a_release_is_found_where_archives_put_it(kit: str, tmp_path: Path):
    release = tmp_path / kit / "VOC2011"
    (release / "JPEGImages").mkdir(parents=True)
    assert xml.find_release(tmp_path, (2011, 2012)) == release
    assert xml.find_release(release, (2011, 2012)) == release
    with pytest.raises(InputError, match=r"VOCdevkit/VOC2012/JPEGImages is expected there"):
        xml.find_release(tmp_path, (2012,))


def test_splits_are_read(tmp_path: Path):
    (tmp_path / "train.txt").write_text("b\r\na\r\n")
    (tmp_path / "val.txt").write_text("é\n", encoding="utf-8")
    assert list(xml.read_splits(tmp_path).items()) == [("b", "train"), ("a", "train"), ("é", "val")]


LISTS = {
    "listed twice": (b"a\na\n", b"b\n", r"train\.txt lists an image twice"),
    "two splits": (b"a\n", b"b\na\n", r"val\.txt: a is in the list of another split"),
    "a path": (b"../a\n", b"b\n", r"train\.txt: '\.\./a' is no plain name"),
    "no text": (b"\xff\xfe", b"b\n", r"train\.txt is no UTF-8"),
    "empty": (b"a\n", b"", r"val\.txt is empty"),
}


@pytest.mark.parametrize(("train", "val", "sentence"), LISTS.values(), ids=LISTS)
def test_other_lists_are_refused(train: bytes, val: bytes, sentence: str, tmp_path: Path):
    (tmp_path / "train.txt").write_bytes(train)
    (tmp_path / "val.txt").write_bytes(val)
    with pytest.raises(InputError, match=sentence):
        xml.read_splits(tmp_path)
