"""Helen's release of 194 points."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from convcorr_jax.datasets import DATASETS, Absent, Record
from convcorr_jax.datasets.official import ibug
from convcorr_jax.datasets.official.ibug import HELEN_MARKUP
from convcorr_jax.errors import InputError
from tests.builders.fuzzing import FUZZ, mistyped

WIDTH, HEIGHT = 210, 64


def points_194() -> np.ndarray:
    """Points at x = their number and a quarter, y = 5; the right eye's at (100, 8), the left's at
    (70, 48), so that the eyes are 50 apart."""
    points = np.stack([np.arange(194) + 0.25, np.full(194, 5.0)], axis=1)
    points[114:134] = (100, 8)
    points[134:154] = (70, 48)
    return points


def annotation(name: str) -> str:
    return "\n".join([name, *(f"{x:.2f} , {y:.2f}" for x, y in points_194())]) + "\n"


def write_tree(source: Path) -> None:
    (source / "annotation").mkdir(parents=True)
    for number, name in ((1, "232194_1"), (2, "30427236_1"), (10, "1629243_1")):
        (source / "annotation" / f"{number}.txt").write_text(annotation(name))
    (source / "trainnames.txt").write_text("1629243_1\r\n232194_1\r\n")
    (source / "testnames.txt").write_text("30427236_1\n")
    for path in ("train_1/232194_1.jpg", "train_4/1629243_1.jpg", "test/30427236_1.jpg"):
        (source / path).parent.mkdir()
        PillowImage.new("RGB", (WIDTH, HEIGHT), "red").save(source / path)


def test_a_tree_reads_back_as_it_was_written(tmp_path: Path):
    write_tree(tmp_path)
    first, second, third = ibug.read_helen(tmp_path)
    assert isinstance(first, Record)
    # By the numbers of the files, not by their letters.
    assert [face.source_id for face in (first, second, third)] == ["232194_1", "30427236_1", "1629243_1"]
    assert [face.split for face in (first, second, third)] == ["train", "test", "train"]
    np.testing.assert_allclose(first.points, points_194())
    assert first.image == tmp_path / "train_1" / "232194_1.jpg"
    assert first.size == (HEIGHT, WIDTH)
    assert first.normalizer_px == pytest.approx(50)
    assert first.box == (0.25, 5, 193.25, 48)
    assert DATASETS["helen"].is_release(tmp_path)


def test_every_point_has_a_partner_or_is_in_the_middle():
    members = [index for pair in HELEN_MARKUP.left_right_pairs for index in pair]
    assert len(HELEN_MARKUP.names) == 194
    # Chin, tip of the nose, and the middles of the lips inside.
    assert sorted(set(range(194)) - set(members)) == [20, 49, 93, 107]
    assert len(set(members)) == len(members)
    for left, right in HELEN_MARKUP.left_right_pairs:
        first, second = (HELEN_MARKUP.names[index].rsplit("_", 1)[0] for index in (left, right))
        assert first.replace("left", "right") == second


def test_pairs_join_what_a_mirror_exchanges():
    """On an ideal face: half circles for jaw and nose, and for each lip's two sides."""
    points = np.zeros((194, 2))

    def arc(start: int, count: int, *, inside: float = 0.0) -> None:
        turn = np.linspace(0 + inside, np.pi - inside, count)
        points[start : start + count] = np.stack([-np.cos(turn), np.sin(turn)], axis=1)

    arc(0, 41)
    arc(41, 17)
    arc(58, 14)
    arc(86, 15)
    for start, count in ((72, 14), (101, 13)):
        arc(start, count, inside=0.1)
        points[start : start + count, 0] *= -1
    for left, right in HELEN_MARKUP.left_right_pairs:
        if max(left, right) < 114:
            np.testing.assert_allclose(points[left] * (-1, 1), points[right], atol=1e-12)


def test_parts_cover_the_face():
    members = [index for part in HELEN_MARKUP.part_sets.values() for index in part]
    assert sorted(members) == list(range(194))
    assert {part: len(indices) for part, indices in HELEN_MARKUP.part_sets.items()} == {
        **{"jaw": 41, "nose": 17, "right_eye": 20, "left_eye": 20},
        **{"right_brow": 20, "left_brow": 20, "lips": 56},
    }


def test_images_that_are_missing_are_named(tmp_path: Path):
    write_tree(tmp_path)
    (tmp_path / "train_1" / "232194_1.jpg").unlink()
    (tmp_path / "testnames.txt").write_text("999_1\n")
    absent, unlisted, face = ibug.read_helen(tmp_path)
    assert absent == Absent("232194_1", "232194_1.jpg is in none of the folders")
    assert unlisted == Absent("30427236_1", "it is in neither trainnames.txt nor testnames.txt")
    assert isinstance(face, Record)


def test_missing_pieces_are_refused_by_name(tmp_path: Path):
    with pytest.raises(InputError, match=r"trainnames\.txt does not exist"):
        ibug.read_helen(tmp_path)
    (tmp_path / "trainnames.txt").write_text("1_1\n")
    (tmp_path / "testnames.txt").write_text("2_1\n")
    with pytest.raises(InputError, match=r"annotation holds no <n>\.txt"):
        ibug.read_helen(tmp_path)
    (tmp_path / "testnames.txt").write_text("1_1\n")
    with pytest.raises(InputError, match="1_1 is listed twice"):
        ibug.read_helen(tmp_path)


def test_two_annotations_of_one_image_are_refused(tmp_path: Path):
    write_tree(tmp_path)
    (tmp_path / "annotation" / "10.txt").write_text(annotation("232194_1"))
    with pytest.raises(InputError, match=r"10\.txt is of the same image as 1\.txt, 232194_1"):
        list(ibug.read_helen(tmp_path))


REFUSED = {
    "a path": (annotation("../232194_1"), "plain name"),
    "an absolute path": (annotation("/etc/passwd"), "plain name"),
    "cut short": (annotation("a")[:900], "194 lines"),
    "a word": (annotation("a").replace("3.25 , 5.00", "3.25 , x", 1), "could not convert"),
    "no comma": (annotation("a").replace(",", " "), "with a comma"),
    "only a mark": ("\ufeff", "194 lines"),
}


@pytest.mark.parametrize(("content", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_other_annotations_are_refused(content: str, sentence: str, tmp_path: Path):
    path = tmp_path / "1.txt"
    path.write_text(content)
    with pytest.raises(InputError, match=rf"1\.txt.*{sentence}"):
        ibug.read_annotation(path)


@FUZZ
@given(data=st.data())
def test_damage_gives_records_or_the_projects_error(tmp_path: Path, data: st.DataObject):
    if not (tmp_path / "annotation").is_dir():
        write_tree(tmp_path)
    (tmp_path / "annotation" / "1.txt").write_bytes(mistyped(data, annotation("232194_1").encode()))
    with contextlib.suppress(InputError):
        assert len(list(ibug.read_helen(tmp_path))) == 3
