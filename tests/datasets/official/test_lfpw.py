"""LFPW's release of 29 points and links."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from convcorr_jax.datasets import DATASETS, Absent, Record
from convcorr_jax.datasets.official import lfpw
from convcorr_jax.datasets.official.lfpw import MARKUP, NAMES
from convcorr_jax.errors import InputError
from tests.builders.fuzzing import FUZZ, mistyped

WIDTH, HEIGHT = 90, 80
EARS = [f"{side}_ear_{part}" for part in ("top", "bottom", "canal") for side in ("left", "right")]
# The release's 35 points: the ears come between the mouth and the chin.
COLUMNS = [*NAMES[:28], *EARS, "chin"]
HEADER = "\t".join(["imgurl", "worker", *(f"{name}_{axis}" for name in COLUMNS for axis in "xyt")])


def row(url: str, worker: str = "average", *, shift: float = 0.0, chin_type: str = "0") -> str:
    """Point k at (2 k + shift, k + 40.5); the pupils at (10, 20) and (40, 60), 50 apart."""
    fields = [url, worker]
    for index, name in enumerate(COLUMNS):
        x, y = 2 * index + shift, index + 40.5
        if name.endswith("pupil"):
            x, y = (10, 20) if name.startswith("left") else (40, 60)
        fields += [f"{x}", f"{y}", chin_type if name == "chin" else "0"]
    return "\t".join(fields)


def write_tables(source: Path, train: list[str], test: list[str]) -> None:
    for split, rows in (("train", train), ("test", test)):
        (source / f"kbvt_lfpw_v1_{split}.csv").write_text("\n".join([HEADER, *rows]) + "\n")


def write_image(path: Path, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.new("RGB", size, "red").save(path)


def test_the_average_rows_make_the_records(tmp_path: Path):
    a, b, c = (f"http://www.example.org/pictures/{name}.jpg" for name in "abc")
    workers = [row(a, f"worker_{k}", shift=k + 1) for k in range(3)]
    write_tables(tmp_path, [*workers, row(a), row(b, chin_type="1")], [row(c, chin_type="0.5")])
    write_image(tmp_path / "train" / "train000001.png")
    write_image(tmp_path / "train" / "b.jpg")
    write_image(tmp_path / "test" / "test000001.jpg")
    first, second, third = lfpw.read(tmp_path)
    assert isinstance(first, Record)
    assert isinstance(second, Record)
    assert isinstance(third, Record)
    assert [face.source_id for face in (first, second, third)] == ["train000001", "train000002", "test000001"]
    assert [face.split for face in (first, second, third)] == ["train", "train", "test"]
    # As they stand, and without the ears: the chin is the 35th of the file and the 29th here.
    np.testing.assert_array_equal(first.points[0], [0, 40.5])
    np.testing.assert_array_equal(first.points[28], [68, 74.5])
    assert first.names[28] == "chin"
    assert first.visible.all()
    assert np.flatnonzero(~second.visible).tolist() == [28]
    assert not third.visible[28]
    np.testing.assert_array_equal(second.points, first.points)
    assert first.normalizer_px == pytest.approx(50)
    assert first.size == (HEIGHT, WIDTH)
    assert DATASETS["lfpw"].is_release(tmp_path)


def test_pairs_and_parts_follow_the_names():
    assert len(NAMES) == 29
    assert len(MARKUP.left_right_pairs) == 11
    assert (0, 1) in MARKUP.left_right_pairs
    assert (5, 7) in MARKUP.left_right_pairs
    assert (16, 17) in MARKUP.left_right_pairs
    assert sorted(index for part in MARKUP.part_sets.values() for index in part) == list(range(29))
    assert [NAMES[index] for index in MARKUP.part_sets["left_eye"]] == [
        *("left_eye_out", "left_eye_in", "left_eye_center_top", "left_eye_center_bottom"),
        "left_eye_pupil",
    ]


def test_dead_links_are_listed(tmp_path: Path):
    write_tables(tmp_path, [row("http://example.org/a.jpg")], [row("http://example.org/b.jpg")])
    write_image(tmp_path / "test" / "b.jpg")
    absent, face = lfpw.read(tmp_path)
    assert absent == Absent("train000001", "the image of http://example.org/a.jpg is not in the folder train")
    assert isinstance(face, Record)


def test_a_file_name_of_two_links_is_not_trusted(tmp_path: Path):
    links = ["http://example.org/1/face.jpg", "http://example.org/2/face.jpg"]
    write_tables(tmp_path, [row(link) for link in links], [])
    write_image(tmp_path / "train" / "face.jpg")
    write_image(tmp_path / "train" / "train000002.jpg")
    absent, face = lfpw.read(tmp_path)
    assert isinstance(absent, Absent)
    assert isinstance(face, Record)
    assert face.image == tmp_path / "train" / "train000002.jpg"


def test_a_point_outside_the_image_shows_that_it_is_another_image(tmp_path: Path):
    write_tables(tmp_path, [row("http://example.org/a.jpg")], [])
    # The chin is at (68, 74.5), the highest pixel centre of 75 rows is 74.
    write_image(tmp_path / "train" / "a.jpg", (WIDTH, 75))
    assert isinstance(next(iter(lfpw.read(tmp_path))), Record)
    write_image(tmp_path / "train" / "a.jpg", (WIDTH, 74))
    (absent,) = lfpw.read(tmp_path)
    assert absent == Absent("train000001", "a visible point is outside a.jpg, another image")
    (tmp_path / "train" / "a.jpg").write_text("<html>404</html>")
    (absent,) = lfpw.read(tmp_path)
    assert isinstance(absent, Absent)
    assert "not an image" in absent.reason


@pytest.mark.parametrize(
    "link",
    [
        "http://example.org/a/../../../etc/passwd",
        "http://example.org/%2e%2e%2f%2e%2e%2fetc%2fpasswd%00.jpg",
        "http://example.org/",
        "http://[broken/a.jpg",
        "no link",
    ],
)
def test_links_name_no_file_outside_their_folder(link: str, tmp_path: Path):
    write_tables(tmp_path, [row(link)], [])
    (tmp_path / "train").mkdir()
    (absent,) = lfpw.read(tmp_path)
    assert isinstance(absent, Absent)


def test_missing_pieces_are_refused_by_name(tmp_path: Path):
    with pytest.raises(InputError, match=r"kbvt_lfpw_v1_train\.csv does not exist"):
        lfpw.read(tmp_path)
    write_tables(tmp_path, [row("http://example.org/a.jpg")], [])
    with pytest.raises(InputError, match="neither folder train nor test"):
        lfpw.read(tmp_path)


def test_other_tables_are_refused(tmp_path: Path):
    path = tmp_path / "kbvt_lfpw_v1_train.csv"
    path.write_text(HEADER.replace("\t", ","))
    with pytest.raises(InputError, match="imgurl, worker, and three columns"):
        lfpw.read_rows(path)
    path.write_text(HEADER.replace("chin_y", "chin"))
    with pytest.raises(InputError, match="chin_x or chin_y is not in its place"):
        lfpw.read_rows(path)
    path.write_text(HEADER.removesuffix("\tchin_t"))
    with pytest.raises(InputError, match="the first line is cut short"):
        lfpw.read_rows(path)
    path.write_text("\n".join([HEADER, row("a")[:-3]]))
    with pytest.raises(InputError, match=r"row 1 has 106 fields; 107 are expected"):
        lfpw.read_rows(path)
    path.write_text("\n".join([HEADER, row("a", "worker_0"), row("a").replace("74.5", "x")]))
    with pytest.raises(InputError, match=r"row 2: could not convert"):
        lfpw.read_rows(path)


@FUZZ
@given(data=st.data())
def test_damage_gives_records_or_the_projects_error(tmp_path: Path, data: st.DataObject):
    write_tables(tmp_path, [row("http://example.org/a.jpg")] * 2, [])
    if not (tmp_path / "train").is_dir():
        write_image(tmp_path / "train" / "train000001.jpg")
    path = tmp_path / "kbvt_lfpw_v1_train.csv"
    path.write_bytes(mistyped(data, path.read_bytes()))
    with contextlib.suppress(InputError):
        list(lfpw.read(tmp_path))
