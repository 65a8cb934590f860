"""Annotation XML and what VOC's releases share: values or one sentence, never another file's content."""

from collections.abc import Callable
from pathlib import Path

import pytest

from convcorr_jax import coords
from convcorr_jax.datasets.formats import xml
from convcorr_jax.errors import InputError

TEXT = '<a><size> 12.5 </size><point x="3" y="up"/><b/><b><c>x</c></b></a>'


@pytest.fixture
def root(tmp_path: Path) -> xml.Node:
    (tmp_path / "a.xml").write_text(TEXT)
    return xml.read(tmp_path / "a.xml", root="a")


def test_what_is_there_is_read(root: xml.Node):
    assert (root.text("size"), root.number("size")) == ("12.5", 12.5)
    assert root.part("point").numeric_attribute("x") == 3
    assert root.part("point").attribute("y") == "up"
    assert root.child("nothing") is None
    assert [node.child("c") is None for node in root.children("b")] == [True, False]


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda root: root.part("nothing"), "<a> has no <nothing>"),
        (lambda root: root.child("b"), "<a> has 2 <b>"),
        (lambda root: root.part("c"), "<a> has no <c>"),
        (lambda root: root.text("point"), "<point> of <a> is empty"),
        (lambda root: root.part("point").numeric_attribute("y"), "'y' .* is 'up'"),
        (lambda root: root.part("point").attribute("z"), "no attribute 'z'"),
    ],
)
def test_what_is_not_there_is_refused_by_name(ask: Callable, sentence: str, root: xml.Node):
    with pytest.raises(InputError, match=rf"a\.xml: .*{sentence}"):
        ask(root)


@pytest.mark.parametrize("text", ["nan", "inf", "1e999", "0x1"])
def test_only_finite_numbers_are_numbers(text: str, tmp_path: Path):
    (tmp_path / "a.xml").write_text(f"<a><n>{text}</n></a>")
    with pytest.raises(InputError, match="a number is expected"):
        xml.read(tmp_path / "a.xml", root="a").number("n")


LAUGHS = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))


@pytest.mark.parametrize(
    "text",
    [
        f'<!DOCTYPE a [<!ENTITY l0 "ha">{LAUGHS}]><a>&l9;</a>',
        '<!DOCTYPE a [<!ENTITY e SYSTEM "secret.txt">]><a>&e;</a>',
        '<!DOCTYPE a [<!ENTITY % e SYSTEM "secret.txt"> %e;]><a>x</a>',
        '<!DOCTYPE a SYSTEM "secret.txt"><a/>',
        f'<!DOCTYPE a [<!ENTITY l0 "{"x" * 9999}">]><a b="{"&l0;" * 9}"/>',
    ],
    ids=["bomb", "external entity", "parameters", "external type", "attribute that grows"],
)
def test_document_types_and_entities_are_refused(text: str, tmp_path: Path):
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(InputError, match=r"a\.xml declares a document type or entities"):
        xml.read(tmp_path / "a.xml", root="a")


@pytest.mark.parametrize(
    "content",
    [
        *(b"<a><b>", b"\x89PNG\r\n", b"<a/><a/>", b"<a>&e;</a>", b"<a>\xe9</a>"),
        b'<?xml version="1.0" encoding="klingon"?><a/>',
        b'<?xml version="1.0" encoding="shift_jis"?><a>\x83</a>',
        b'<?xml version="1.0" encoding="utf-16"?><a/>',
    ],
)
def test_what_is_not_well_formed_is_refused(content: bytes, tmp_path: Path):
    (tmp_path / "a.xml").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.xml is damaged, cut short or no XML"):
        xml.read(tmp_path / "a.xml", root="a")


def test_declared_encodings_are_read(tmp_path: Path):
    text = '<?xml version="1.0" encoding="{}"?><a><b>Zoé</b></a>'
    for encoding in ("utf-8", "latin-1", "utf-16"):
        (tmp_path / "a.xml").write_bytes(text.format(encoding).encode(encoding))
        assert xml.read(tmp_path / "a.xml", root="a").text("b") == "Zoé"


def test_other_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a.xml").write_text(TEXT)
    with pytest.raises(InputError, match="<a> file; <annotation> is expected"):
        xml.read(tmp_path / "a.xml", root="annotation")
    with pytest.raises(InputError, match=r"b\.xml does not exist; an annotation file"):
        xml.read(tmp_path / "b.xml", root="a")
    monkeypatch.setattr(xml, "MAX_BYTES", len(TEXT) - 1)
    with pytest.raises(InputError, match="no annotation is that large"):
        xml.read(tmp_path / "a.xml", root="a")


def test_deep_nesting_is_read_or_refused(tmp_path: Path):
    (tmp_path / "a.xml").write_text("<a>" * 50_000 + "</a>" * 50_000)
    assert len(xml.read(tmp_path / "a.xml", root="a").children("a")) == 1


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


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("<size>", "<sizes>", "damaged"),
        ("bndbox", "box", "<object> has no <bndbox>"),
        ("xmax>", "max>", "<bndbox> has no <xmax>"),
        ("45.7", "1", "box .* has no area"),
        ("<name>cat</name>", "", "<object> has no <name>"),
        (">40<", ">high<", "<height> .* 'high'"),
    ],
)
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


@pytest.mark.parametrize(
    ("train", "val", "sentence"),
    [
        (b"a\na\n", b"b\n", r"train\.txt lists an image twice"),
        (b"a\n", b"b\na\n", r"val\.txt: a is in the list of another split"),
        (b"../a\n", b"b\n", r"train\.txt: '\.\./a' is no plain name"),
        (b"\xff\xfe", b"b\n", r"train\.txt is no UTF-8"),
        (b"a\n", b"", r"val\.txt is empty"),
    ],
)
def test_other_lists_are_refused(train: bytes, val: bytes, sentence: str, tmp_path: Path):
    (tmp_path / "train.txt").write_bytes(train)
    (tmp_path / "val.txt").write_bytes(val)
    with pytest.raises(InputError, match=sentence):
        xml.read_splits(tmp_path)
