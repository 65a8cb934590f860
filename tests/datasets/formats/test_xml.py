"""Annotation XML: values or one sentence, never an expansion or another file's content."""

from collections.abc import Callable
from pathlib import Path

import pytest

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


REFUSED: dict[str, tuple[Callable[[xml.Node], object], str]] = {
    "no child": (lambda root: root.part("nothing"), "<a> has no <nothing>"),
    "several children": (lambda root: root.child("b"), "<a> has 2 <b>"),
    "only a grandchild": (lambda root: root.part("c"), "<a> has no <c>"),
    "no text": (lambda root: root.text("point"), "<point> of <a> is empty"),
    "no number": (lambda root: root.part("point").numeric_attribute("y"), "'y' .* is 'up'"),
    "no attribute": (lambda root: root.part("point").attribute("z"), "no attribute 'z'"),
}


@pytest.mark.parametrize(("look", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_there_is_refused_by_name(
    look: Callable[[xml.Node], object], sentence: str, root: xml.Node
):
    with pytest.raises(InputError, match=rf"a\.xml: .*{sentence}"):
        look(root)


@pytest.mark.parametrize("text", ["nan", "inf", "1e999", "0x1"])
def test_only_finite_numbers_are_numbers(text: str, tmp_path: Path):
    (tmp_path / "a.xml").write_text(f"<a><n>{text}</n></a>")
    with pytest.raises(InputError, match="a number is expected"):
        xml.read(tmp_path / "a.xml", root="a").number("n")


LAUGHS = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
HOSTILE = {
    "bomb": f'<!DOCTYPE a [<!ENTITY l0 "ha">{LAUGHS}]><a>&l9;</a>',
    "external entity": '<!DOCTYPE a [<!ENTITY e SYSTEM "secret.txt">]><a>&e;</a>',
    "external entity with parameters": ('<!DOCTYPE a [<!ENTITY % e SYSTEM "secret.txt"> %e;]><a>x</a>'),
    "external document type": '<!DOCTYPE a SYSTEM "secret.txt"><a/>',
    "attribute that grows": f'<!DOCTYPE a [<!ENTITY l0 "{"x" * 9999}">]><a b="{"&l0;" * 9}"/>',
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_document_types_and_entities_are_refused(text: str, tmp_path: Path):
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(InputError, match=r"a\.xml declares a document type or entities"):
        xml.read(tmp_path / "a.xml", root="a")


BROKEN = {
    "cut short": b"<a><b>",
    "no XML": b"\x89PNG\r\n",
    "two roots": b"<a/><a/>",
    "undefined entity": b"<a>&e;</a>",
    "bytes that are no UTF-8": b"<a>\xe9</a>",
    "unknown encoding": b'<?xml version="1.0" encoding="klingon"?><a/>',
    "encoding of several bytes": b'<?xml version="1.0" encoding="shift_jis"?><a>\x83</a>',
    "UTF-16 that is none": b'<?xml version="1.0" encoding="utf-16"?><a/>',
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
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
