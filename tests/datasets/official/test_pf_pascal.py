"""PF-PASCAL on a tiny tree in its official format, and its genuine test list where present."""

import contextlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcorr_jax import coords
from convcorr_jax.backbone import NETWORKS
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import DATASETS, Absent, Record
from convcorr_jax.datasets.formats import xml
from convcorr_jax.datasets.official import pf_pascal
from convcorr_jax.errors import InputError
from convcorr_jax.metrics import PF_PASCAL, PF_PASCAL_BOX
from convcorr_jax.tasks import CategoryData
from convcorr_jax.tasks.transfer import open_task, score
from tests.builders import mat_files, voc_tree
from tests.builders.fuzzing import FUZZ, damaged, mistyped
from tests.builders.genuine import genuine

ABSENT = [np.nan, np.nan]
# MATLAB's: a row x, y a keypoint, the first pixel being 1.
KEYPOINTS = {
    "car/2008_000001": [[5.5, 7.0], ABSENT, [30.0, 12.25], [8.0, 9.0]],
    "car/2008_000002": [[6.0, 7.5], [21.0, 22.0], [31.0, 13.0], ABSENT],
    "bus/2008_000001": [[2.0, 3.0], [4.0, 5.5]],
}
ROOT = "PF-dataset-PASCAL"
HEADING = "source_image,target_image,class,XA,YA,XB,YB\n"
LINE = (
    "PF-dataset-PASCAL/JPEGImages/2008_000001.jpg,PF-dataset-PASCAL/JPEGImages/2008_000002.jpg,7,"
    "5.5;30.0,7.0;12.25,6.0;31.0,7.5;13.0\n"
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, points in KEYPOINTS.items():
        box = np.array([[2.0, 3.0, 39.0, 20.0]])
        mat_files.write_mat(
            tmp_path / ROOT / "Annotations" / f"{name}.mat", {"kps": np.array(points), "bbox": box}
        )
        voc_tree.write_image(tmp_path / ROOT / "JPEGImages" / f"{name.split('/')[1]}.jpg")
    (tmp_path / ROOT / "Annotations" / "car" / "._2008_000001.mat").write_bytes(b"hidden")
    (tmp_path / ROOT / "test_pairs_pf_pascal.csv").write_text(HEADING + LINE)
    return tmp_path


def test_objects_are_read(tree: Path):
    records = list(pf_pascal.read(tree))
    # VOC's order of classes, in which the bus comes first.
    assert [record.source_id for record in records] == ["bus/2008_000001", "car/2008_000001", "car/2008_000002"]
    car = records[1]
    assert isinstance(car, Record)
    assert (car.category, car.split) == ("car", "all")
    assert car.names == tuple(str(number) for number in range(30))
    expected = np.full((30, 2), np.nan)
    expected[[0, 2, 3]] = [[4.5, 6], [29, 11.25], [7, 8]]
    np.testing.assert_array_equal(car.points, expected)
    np.testing.assert_array_equal(car.visible, ~np.isnan(expected[:, 0]))
    assert car.box == coords.Box(0.5, 1.5, 38.5, 19.5)
    assert car.normalizer_px == 40
    assert DATASETS["pf_pascal"].is_release(tree)


def test_pairs_are_scored_by_the_image_and_by_the_box(tree: Path):
    (tree / ROOT).rename(tree / "pf_pascal")
    weights = Weights({}, NETWORKS["alexnet"], "none", ())
    task = open_task(CategoryData("pf_pascal", tree), weights, transfer="image")
    truth = task.keypoints.points[task.targets]
    by_image, by_box = task.scorings
    assert (by_image.protocol, by_box.protocol) == (PF_PASCAL, PF_PASCAL_BOX)
    at = task.alphas.index(0.1)
    # Only two of the three keypoints of each car are those of the other; image and box are 40 and 38 long.
    for offset, expected in ((0, (1, 1)), (3.79, (1, 1)), (3.9, (1, 0)), (4.1, (0, 0))):
        predicted = truth + np.array([0, offset])
        scores = [score(task, predicted, scoring=one).mean[at] for one in (by_image, by_box)]
        assert tuple(scores) == expected


def test_a_pair_has_the_keypoints_of_its_line(tree: Path):
    found = pf_pascal.read_pairs(tree)
    (pair,) = found.pairs
    source, target = found.records[pair.source], found.records[pair.target]
    assert (pair.subset, source.source_id, target.source_id, source.split) == (
        "car",
        "car/2008_000001",
        "car/2008_000002",
        "test",
    )
    (listed,) = pf_pascal.read_pair_list(tree / ROOT / "test_pairs_pf_pascal.csv")
    both = source.visible & target.visible
    np.testing.assert_array_equal(source.points[both], listed.source_points)
    np.testing.assert_array_equal(target.points[both], listed.target_points)


@pytest.mark.parametrize("place", ["PF-dataset-PASCAL/train_pairs.csv", "image_pairs/train_pairs.csv"])
def test_mirrored_copies_are_left_out(place: str, tree: Path):
    image = "JPEGImages/2008_00000{}.jpg"
    lines = [
        f"{image.format(first)},{image.format(second)},7,{flip}\n"
        for first, second, flip in ((1, 2, 0), (1, 2, 1), (2, 1, 0))
    ]
    (tree / place).parent.mkdir(exist_ok=True)
    (tree / place).write_text("source_image,target_image,class,flip\n" + "".join(lines))
    found = pf_pascal.read_pairs(tree, split="train")
    assert [pair[1:] for pair in found.pairs] == [(0, 1), (1, 0)]
    listed = pf_pascal.read_pair_list(tree / place)
    assert [pair.mirrored for pair in listed] == [False, True, False]
    assert listed[0].source_points is None


def test_the_releases_own_pairs_are_read(tree: Path):
    pairs = [np.empty((0, 2), object), np.empty((2, 2), object)]
    pairs[1][:] = [["2008_000001", "2008_000002"], ["2008_000002", "2008_000001"]]
    release = mat_files.structs({"class": mat_files.cells("bus", "car").T, "pair": mat_files.cells(*pairs).T})
    mat_files.write_mat(tree / ROOT / "parsePascalVOC.mat", {"PascalVOC": release})
    found = pf_pascal.read_pairs(tree, split="all")
    names = [record.source_id for record in found.records]
    assert [(pair.subset, names[pair.source], names[pair.target]) for pair in found.pairs] == [
        ("car", "car/2008_000001", "car/2008_000002"),
        ("car", "car/2008_000002", "car/2008_000001"),
    ]


@pytest.mark.parametrize("missing", ["JPEGImages/2008_000002.jpg", "Annotations/car/2008_000002.mat"])
def test_what_is_not_there_is_named(missing: str, tree: Path):
    (tree / ROOT / missing).unlink()
    with pytest.raises(InputError, match=f"names car/2008_000002: {missing} is missing"):
        pf_pascal.read_pairs(tree)
    absent = [record for record in pf_pascal.read(tree) if isinstance(record, Absent)]
    # An annotation that is missing is nothing that `read` could know of.
    assert len(absent) == ("JPEGImages" in missing)


def test_a_damaged_image_makes_no_record(tree: Path):
    (tree / ROOT / "JPEGImages" / "2008_000002.jpg").write_bytes(b"no image")
    absent = [record for record in pf_pascal.read(tree) if isinstance(record, Absent)]
    assert [record.source_id for record in absent] == ["car/2008_000002"]
    assert "2008_000002.jpg is not an image" in absent[0].reason


def test_an_object_without_keypoints_makes_no_record(tree: Path):
    path = tree / ROOT / "Annotations" / "bus" / "2008_000001.mat"
    mat_files.write_mat(path, {"kps": np.full((3, 2), np.nan), "bbox": np.array([1.0, 2, 3, 4])})
    assert next(pf_pascal.read(tree)) == Absent("bus/2008_000001", "it has no keypoint")


def test_another_tree_is_refused(tree: Path):
    with pytest.raises(InputError, match="Annotations and JPEGImages are expected there"):
        pf_pascal.read(tree / "elsewhere")
    with pytest.raises(InputError, match=r"val_pairs_pf_pascal\.csv does not exist"):
        pf_pascal.read_pairs(tree, split="val")
    with pytest.raises(InputError, match="split 'trn' is not known; train, val, test, all are"):
        pf_pascal.read_pairs(tree, split="trn")
    with pytest.raises(InputError, match=r"parsePascalVOC\.mat does not exist"):
        pf_pascal.read_pairs(tree, split="all")


LINES = {
    "class out of range": (LINE.replace(",7,", ",21,"), "line 2: class 21 is none of 1 to 20"),
    "class 0": (LINE.replace(",7,", ",0,"), "class 0 is none"),
    "half a class": (LINE.replace(",7,", ",1.5,"), "class 1.5 is none"),
    "one x more": (LINE.replace("5.5;30.0", "5.5;30.0;1"), "more x than y"),
    "no number": (LINE.replace("5.5", "x"), "could not convert"),
    "five fields": ("a.jpg,b.jpg,1,2,3\n", "5 fields, where 3 or 4 or 7"),
    "no image": (LINE.replace("JPEGImages/2008_000001.jpg", ".."), "no plain name"),
}


@pytest.mark.parametrize(("line", "sentence"), LINES.values(), ids=LINES)
def test_other_lists_are_refused(line: str, sentence: str, tree: Path):
    (tree / ROOT / "test_pairs_pf_pascal.csv").write_text(HEADING + line)
    with pytest.raises(InputError, match=rf"test_pairs_pf_pascal\.csv.*{sentence}"):
        pf_pascal.read_pairs(tree)


ANNOTATIONS = {
    "three columns": ({"kps": np.zeros((4, 3))}, "kps is "),
    "too many": ({"kps": np.zeros((31, 2))}, "kps is "),
    "infinite": ({"kps": np.full((2, 2), np.inf)}, "kps is "),
    "no box": ({"bbox": np.zeros((1, 3))}, "bbox is "),
    "box backwards": ({"bbox": np.array([9.0, 9, 2, 2])}, "no area"),
    "box of NaN": ({"bbox": np.full(4, np.nan)}, "four finite numbers"),
}


@pytest.mark.parametrize(("change", "sentence"), ANNOTATIONS.values(), ids=ANNOTATIONS)
def test_other_annotations_are_refused(change: dict, sentence: str, tmp_path: Path):
    variables = {"kps": np.ones((4, 2)), "bbox": np.array([1.0, 2, 3, 4])} | change
    path = mat_files.write_mat(tmp_path / "a.mat", variables)
    with pytest.raises(InputError, match=rf"a\.mat: .*{sentence}"):
        pf_pascal.read_annotation(path)


@FUZZ
@given(data=st.data())
def test_damage_gives_pairs_or_the_projects_error(tree: Path, data: st.DataObject):
    (tree / ROOT / "test_pairs_pf_pascal.csv").write_bytes(mistyped(data, (HEADING + LINE).encode()))
    with contextlib.suppress(InputError):
        pf_pascal.read_pairs(tree)


@FUZZ
@given(data=st.data())
def test_damaged_annotations_give_points_or_the_projects_error(tmp_path: Path, data: st.DataObject):
    variables = {"kps": np.ones((4, 2)), "bbox": np.array([1.0, 2, 3, 4])}
    path = mat_files.write_mat(tmp_path / "a.mat", variables, compressed=False)
    path.write_bytes(damaged(data, path.read_bytes()))
    with contextlib.suppress(InputError):
        pf_pascal.read_annotation(path)


def test_the_genuine_list_has_its_299_pairs():
    pairs = pf_pascal.read_pair_list(genuine("pf_pascal_pairs") / "test_pairs.csv")
    assert len(pairs) == 299
    assert len({name for pair in pairs for name in (pair.source, pair.target)}) == 506
    classes = Counter(pair.category for pair in pairs)
    assert {*classes} == {*xml.CLASSES}
    assert (classes["bus"], classes["bicycle"], classes["sheep"]) == (32, 30, 1)
    counts = [len(pair.source_points) for pair in pairs if pair.source_points is not None]
    assert (len(counts), min(counts), max(counts), round(np.mean(counts), 2)) == (299, 4, 17, 8.07)
    first = pairs[0]
    assert (first.category, first.source, first.target) == ("aeroplane", "2011_001407", "2010_004184")
    assert first.source_points is not None
    assert first.target_points is not None
    np.testing.assert_allclose(first.source_points[0], [252.631662222222, 57.1813333333333])
    np.testing.assert_allclose(first.target_points[-1], [230.410727, 85.121429], atol=1e-4)
    every = np.concatenate([[*pair.source_points, *pair.target_points] for pair in pairs])
    # No padding with -1: every point is in an image of 300 pixels, but for a fraction of one.
    assert every.min() > -0.5
    assert every.max() < 299.5
