"""Annotation XML and what VOC's releases share: values or one sentence, never another file's content."""

from collections.abc import Callable
from pathlib import Path

import pytest

from convcorr_jax import coords
from convcorr_jax.datasets.formats import xml
from convcorr_jax.errors import InputError

TEXT = (
    '<a><size> 12.5 </size><point x="3" y="up"/><b/><b><c>x</c></b>'
    "<n><i>nan</i><j>inf</j><k>1e999</k><l>0x1</l></n></a>"
)


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
        *((lambda root, n=n: root.part("n").number(n), "a number is expected") for n in "ijkl"),
    ],
)
def test_what_is_not_there_is_refused_by_name(ask: Callable, sentence: str, root: xml.Node):
    with pytest.raises(InputError, match=rf"a\.xml: .*{sentence}"):
        ask(root)


LAUGHS = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
DAMAGED, DECLARES = "is damaged, cut short or no XML", "declares a document type or entities"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        # A bomb, entities and types from outside, and an attribute that grows.
        (f'<!DOCTYPE a [<!ENTITY l0 "ha">{LAUGHS}]><a>&l9;</a>', DECLARES),
        ('<!DOCTYPE a [<!ENTITY e SYSTEM "secret.txt">]><a>&e;</a>', DECLARES),
        ('<!DOCTYPE a [<!ENTITY % e SYSTEM "secret.txt"> %e;]><a>x</a>', DECLARES),
        ('<!DOCTYPE a SYSTEM "secret.txt"><a/>', DECLARES),
        (f'<!DOCTYPE a [<!ENTITY l0 "{"x" * 9999}">]><a b="{"&l0;" * 9}"/>', DECLARES),
        *(
            (content, DAMAGED)
            for content in ("<a><b>", b"\x89PNG\r\n", "<a/><a/>", "<a>&e;</a>", b"<a>\xe9</a>")
        ),
        ('<?xml version="1.0" encoding="klingon"?><a/>', DAMAGED),
        (b'<?xml version="1.0" encoding="shift_jis"?><a>\x83</a>', DAMAGED),
        ('<?xml version="1.0" encoding="utf-16"?><a/>', DAMAGED),
        ("<annotation/>", "is a <annotation> file; <a> is expected"),
        (None, "does not exist; an annotation file"),
        (f"<a>{' ' * xml.MAX_BYTES}</a>", "no annotation is that large"),
    ],
    ids=range(16),
)
def test_other_documents_are_refused(content: str | bytes | None, sentence: str, tmp_path: Path):
    (tmp_path / "secret.txt").write_text("secret")
    if content is not None:
        (tmp_path / "a.xml").write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InputError, match=rf"a\.xml.* {sentence}"):
        xml.read(tmp_path / "a.xml", root="a")


def test_declared_encodings_and_deep_nesting_are_read(tmp_path: Path):
    text = '<?xml version="1.0" encoding="{}"?><a><b>Zoé</b></a>'
    for encoding in ("utf-8", "latin-1", "utf-16"):
        (tmp_path / "a.xml").write_bytes(text.format(encoding).encode(encoding))
        assert xml.read(tmp_path / "a.xml", root="a").text("b") == "Zoé"
    # Deep nesting is read.
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
    # A box covers its first and last pixel.
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
