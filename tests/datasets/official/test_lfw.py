"""LFW's images with the attributes of Kumar and others."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from convcorr_jax.datasets import DATASETS, Absent, Record, load_image
from convcorr_jax.datasets.official import faces
from convcorr_jax.errors import InputError
from tests.builders.fuzzing import FUZZ, mistyped

HEADER = "# LFW Attributes v1.2 - lfw_attributes.txt\n#\tperson\timagenum\tMale\t5 o' Clock Shadow\n"
ROWS = "Aaron Eckhart\t1\t1.568\t-0.25\nAbdel Aziz Al-Hakim\t12\t2\t1e-3\nAaron Eckhart\t2\t-1\t3\n"


def write_tree(source: Path, *, folder: str = "lfw", rows: str = ROWS) -> None:
    source.mkdir(exist_ok=True)
    (source / "lfw_attributes.txt").write_text(HEADER + rows)
    for name, image in (("Aaron_Eckhart", 1), ("Abdel_Aziz_Al-Hakim", 12)):
        path = source / folder / name / f"{name}_{image:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        PillowImage.new("RGB", (24, 20), "red").save(path)


@pytest.mark.parametrize("folder", faces.FOLDERS)
def test_faces_come_with_their_scores(folder: str, tmp_path: Path):
    write_tree(tmp_path, folder=folder)
    first, second, absent = faces.read_lfw(tmp_path)
    assert isinstance(first, Record)
    assert isinstance(second, Record)
    assert (first.source_id, first.split, first.category) == ("Aaron_Eckhart_0001", "all", "face")
    assert first.attributes == {"Male": 1.568, "5 o' Clock Shadow": -0.25}
    assert first.size == (20, 24)
    assert first.names == ()
    assert load_image(first).shape == (20, 24, 3)
    assert second.source_id == "Abdel_Aziz_Al-Hakim_0012"
    assert absent == Absent("Aaron_Eckhart_0002", f"{folder}/Aaron_Eckhart/Aaron_Eckhart_0002.jpg is missing")
    assert DATASETS["lfw"].is_release(tmp_path)


def test_a_damaged_image_is_named(tmp_path: Path):
    write_tree(tmp_path)
    (tmp_path / "lfw" / "Aaron_Eckhart" / "Aaron_Eckhart_0001.jpg").write_bytes(b"\xff\xd8\xff")
    first, *_ = faces.read_lfw(tmp_path)
    assert isinstance(first, Absent)
    assert "Aaron_Eckhart_0001.jpg is" in first.reason


def test_missing_pieces_are_refused_by_name(tmp_path: Path):
    with pytest.raises(InputError, match=r"lfw_attributes\.txt does not exist"):
        faces.read_lfw(tmp_path)
    (tmp_path / "lfw_attributes.txt").write_text(HEADER + ROWS)
    with pytest.raises(InputError, match="none of the folders lfw, lfw_funneled"):
        faces.read_lfw(tmp_path)


REFUSED = {
    "no columns": ("# LFW\n" + ROWS, "person, imagenum"),
    "no comment": (ROWS, "person, imagenum"),
    "a column twice": (HEADER.replace("Male", "imagenum") + ROWS, "person, imagenum"),
    "fewer fields": (HEADER + "Aaron Eckhart\t1\t2\n", "line 3 has 3 fields; 4 are expected"),
    "a word": (HEADER + ROWS.replace("1.568", "x"), "line 3: could not convert"),
    "half an image": (HEADER + ROWS.replace("\t12\t", "\t1.5\t"), "line 4: '1.5' is no number"),
    "no image": (HEADER + ROWS.replace("\t12\t", "\tnan\t"), "line 4: 'nan' is no number"),
    "image 0": (HEADER + ROWS.replace("\t12\t", "\t0\t"), "line 4: '0' is no number"),
    "twice": (HEADER + ROWS + ROWS, "line 6: Aaron_Eckhart_0001 comes twice"),
    "a path": (HEADER + ROWS.replace("Abdel Aziz", ".."), "plain name"),
    "an absolute path": (HEADER + ROWS.replace("Abdel Aziz", "/etc/"), "plain name"),
}


@pytest.mark.parametrize(("content", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_other_attributes_are_refused(content: str, sentence: str, tmp_path: Path):
    path = tmp_path / "lfw_attributes.txt"
    path.write_text(content)
    with pytest.raises(InputError, match=rf"lfw_attributes\.txt.*{sentence}"):
        list(faces.read_attributes(path))


@FUZZ
@given(data=st.data())
def test_damage_gives_records_or_the_projects_error(tmp_path: Path, data: st.DataObject):
    write_tree(tmp_path)
    (tmp_path / "lfw_attributes.txt").write_bytes(mistyped(data, (HEADER + ROWS).encode()))
    with contextlib.suppress(InputError):
        list(faces.read_lfw(tmp_path))
