"""Trees of images and .pts files, as 300-W and the 68-point releases of Helen and LFPW have them."""

from pathlib import Path

import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.datasets import DATASETS, Absent, Record, load_image
from convcorr_jax.datasets.official import ibug, lfpw
from convcorr_jax.datasets.official.ibug import MARKUP
from convcorr_jax.errors import InputError
from tests.builders.landmark_files import HEIGHT, WIDTH, points_68, write_face


def test_a_tree_reads_back_as_it_was_written(tmp_path: Path):
    write_face(tmp_path / "ibug", "image_092 _01", seed=1)
    write_face(tmp_path / "300W" / "01_Indoor", "indoor_001", ending=".png")
    write_face(tmp_path / "lfpw" / "trainset", "image_0002", ending=".png")
    write_face(tmp_path / "lfpw" / "trainset", "image_0001", ending=".png")
    write_face(tmp_path / "helen" / "testset", "30427236_1", ending=".JPG")
    faces = list(ibug.read_300w(tmp_path))
    assert [(face.source_id, face.split) for face in faces if isinstance(face, Record)] == [
        ("lfpw/trainset/image_0001", "train"),
        ("lfpw/trainset/image_0002", "train"),
        ("helen/testset/30427236_1", "common"),
        ("ibug/image_092 _01", "challenging"),
        ("300W/01_Indoor/indoor_001", "indoor"),
    ]
    face = faces[3]
    assert isinstance(face, Record)
    np.testing.assert_allclose(face.points, points_68(seed=1) - 1)
    assert face.visible.all()
    assert (face.category, face.size) == ("face", (HEIGHT, WIDTH))
    assert face.normalizer_px == pytest.approx(20)
    assert face.box == coords.tight_box(face.points)
    assert load_image(face).shape == (HEIGHT, WIDTH, 3)
    assert DATASETS["three_hundred_w"].is_release(tmp_path)


def test_the_parts_are_the_mark_ups_groups():
    sizes = {part: len(indices) for part, indices in MARKUP.part_sets.items()}
    assert sizes == {
        **{"jaw": 17, "left_brow": 5, "right_brow": 5, "nose": 9},
        **{"left_eye": 6, "right_eye": 6, "lips": 20, "inner_51": 51},
    }
    assert MARKUP.part_sets["right_eye"] == tuple(range(42, 48))
    every = [index for part, members in MARKUP.part_sets.items() for index in members]
    assert sorted(every) == sorted([*range(68), *range(17, 68)])


def test_a_png_is_preferred_to_the_jpeg_beside_it(tmp_path: Path):
    write_face(tmp_path / "afw", "134212_1", ending=".jpg")
    write_face(tmp_path / "afw", "134212_1", ending=".png")
    (face,) = ibug.read_300w(tmp_path)
    assert isinstance(face, Record)
    assert face.image == tmp_path / "afw" / "134212_1.png"


def test_faces_without_a_usable_image_are_named(tmp_path: Path):
    folder = tmp_path / "afw"
    write_face(folder, "a", ending=None)
    write_face(folder, "b")
    (folder / "b.jpg").write_bytes((folder / "b.jpg").read_bytes()[:20])
    write_face(folder, "c")
    write_face(folder, "d")
    text = (folder / "d.pts").read_text()
    (folder / "d.pts").write_text(text.replace("22.000000 23.000000", "6.000000 11.000000"))
    absent, damaged, face, degenerate = ibug.read_300w(tmp_path)
    assert absent == Absent("afw/a", "no a.png or .jpg is beside its .pts")
    assert isinstance(damaged, Absent)
    assert "b.jpg is" in damaged.reason
    assert isinstance(face, Record)
    assert isinstance(degenerate, Absent)
    assert "normalizer 0.0" in degenerate.reason


def test_without_an_eye_corner_a_face_has_no_length(tmp_path: Path):
    write_face(tmp_path / "afw", "a")
    path = tmp_path / "afw" / "a.pts"
    path.write_text(path.read_text().replace("22.000000 23.000000", "nan nan"))
    (face,) = ibug.read_300w(tmp_path)
    assert isinstance(face, Record)
    assert face.normalizer_px is None
    assert np.flatnonzero(~face.visible).tolist() == [45]


def test_the_hidden_twins_of_mac_archives_are_passed_over(tmp_path: Path):
    write_face(tmp_path / "afw", "a")
    (tmp_path / "afw" / "._a.pts").write_bytes(b"\0\5\26\7")
    assert len(list(ibug.read_300w(tmp_path))) == 1


def test_what_is_no_tree_of_300_w_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"no part of 300-W.*afw.*300W/02_Outdoor"):
        ibug.read_300w(tmp_path)
    (tmp_path / "ibug").mkdir()
    with pytest.raises(InputError, match=r"ibug holds no \.pts files"):
        ibug.read_300w(tmp_path)


def test_a_damaged_annotation_is_refused_by_name(tmp_path: Path):
    write_face(tmp_path / "afw", "a")
    (tmp_path / "afw" / "a.pts").write_text("version: 1\n")
    with pytest.raises(InputError, match=r"a\.pts is cut short"):
        list(ibug.read_300w(tmp_path))


@pytest.mark.parametrize(("read", "name"), [(ibug.read_helen_68, "helen"), (lfpw.read_68, "lfpw")])
def test_helen_and_lfpw_have_two_halves(read, name: str, tmp_path: Path):
    write_face(tmp_path / name / "testset", "b")
    with pytest.raises(InputError, match=f"{name} has no folder trainset"):
        read(tmp_path)
    write_face(tmp_path / name / "trainset", "c")
    write_face(tmp_path / name / "trainset", "a")
    expected = [("trainset/a", "train"), ("trainset/c", "train"), ("testset/b", "test")]
    for source in (tmp_path, tmp_path / name):
        assert [(face.source_id, face.split) for face in read(source)] == expected
