"""PASCAL VOC 2011 keypoints, on tiny trees in the official format and on genuine files where present."""

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcorr_jax import coords
from convcorr_jax.datasets import DATASETS, Absent, Record
from convcorr_jax.datasets.official import voc
from convcorr_jax.errors import InputError
from tests.builders import voc_tree
from tests.builders.fuzzing import FUZZ, mistyped
from tests.builders.genuine import genuine

SAMPLE = "voc2011_keypoints_format"
CAR = """<?xml version="1.0" encoding="utf-8"?>
<annotation><image>2008_000001</image><voc_id>2</voc_id><category>car</category>
<visible_bounds height="14.00" width="19.00" xmin="11.00" ymin="5.00"/>
<keypoints>
<keypoint name="R_TailLight" visible="0" x="20.50" y="7.25" z="0.00"/>
<keypoint name="L_HeadLight" visible="1" x="12.00" y="9.00" z="0.00"/>
</keypoints></annotation>"""
PERSON = """<annotation><image>2008_000001</image><category>person</category>
<visible_bounds height="20.0" width="10.0" xmin="3.0" ymin="2.0"/>
<keypoints><keypoint name="Nose" visible="1" x="6" y="4" z="1.5" zorder="2"/></keypoints></annotation>"""


def write_tree(folder: Path) -> Path:
    release = folder / "VOCdevkit" / "VOC2011"
    for split, names in (("train", ["2008_000001"]), ("val", ["2008_000002"])):
        voc_tree.write_list(release / "ImageSets" / "Main" / f"{split}.txt", names)
        for name in names:
            voc_tree.write_image(release / "JPEGImages" / f"{name}.jpg")
    voc_tree.write_annotation(
        release / "Annotations" / "2008_000001.xml",
        [("person", (20, 2, 38, 28)), ("car", (11, 5, 30, 19)), ("person", (3, 2, 14, 22))],
    )
    for name, text in (("car/2008_000001_2", CAR), ("person/2008_000001_0", PERSON)):
        path = folder / "annotations" / f"{name}.xml"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    (folder / "annotations" / "car" / "._2008_000001_2.xml").write_bytes(b"hidden")
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write_tree(tmp_path)


def write_car(tree: Path, *changes: tuple[str, str]) -> None:
    text = CAR
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (tree / "annotations" / "car" / "2008_000001_2.xml").write_text(text)


def test_objects_are_read(tree: Path):
    car, person = voc.read_keypoints(tree)
    assert isinstance(car, Record)
    assert (car.source_id, car.category, car.split) == ("car/2008_000001_2", "car", "train")
    assert car.size == coords.Size(voc_tree.HEIGHT, voc_tree.WIDTH)
    # The first pixel is 1 in the file and 0 here; the box covers pixels 11 to 30 and 5 to 19.
    assert car.box == coords.Box(9.5, 3.5, 29.5, 18.5)
    assert car.normalizer_px == 20
    assert car.attributes == voc_tree.FLAGS
    given = {"L_HeadLight": (11, 8, True), "R_TailLight": (19.5, 6.25, False)}
    for name, point, visible in zip(car.names, car.points, car.visible, strict=True):
        expected = given.get(name, (np.nan, np.nan, False))
        np.testing.assert_array_equal([*point, visible], expected)
    assert isinstance(person, Record)
    assert (person.source_id, len(person.names)) == ("person/2008_000001_0", 23)
    # Found by its bounds among two people; VOC's own box is wider.
    assert person.box == coords.Box(1.5, 0.5, 13.5, 21.5)
    np.testing.assert_array_equal(person.points[person.names.index("Nose")], [5, 3])
    assert DATASETS["voc2011_keypoints"].is_release(tree)


def test_a_person_that_voc_does_not_have_keeps_its_bounds(tree: Path):
    path = tree / "annotations" / "person" / "2008_000001_0.xml"
    path.write_text(PERSON.replace('xmin="3.0"', 'xmin="13.0"'))
    person = list(voc.read_keypoints(tree))[1]
    assert isinstance(person, Record)
    assert person.box == coords.Box(11.5, 0.5, 22.5, 21.5)
    assert person.attributes == {}


def test_a_number_of_another_class_gives_way_to_the_box(tree: Path):
    write_car(tree, ("<voc_id>2<", "<voc_id>1<"))
    assert next(voc.read_keypoints(tree)).box == coords.Box(9.5, 3.5, 29.5, 18.5)


def test_bounds_may_be_missing(tree: Path):
    write_car(tree, ('height="14.00"', ""))
    assert next(voc.read_keypoints(tree)).box == coords.Box(9.5, 3.5, 29.5, 18.5)


def test_without_vocs_annotation_the_bounds_are_the_box(tree: Path):
    (tree / "VOCdevkit" / "VOC2011" / "Annotations" / "2008_000001.xml").unlink()
    car = next(voc.read_keypoints(tree))
    assert (car.box, car.attributes) == (coords.Box(9.5, 3.5, 29.5, 18.5), {})


ABSENT = {
    "another image": ([("<image>2008_000001", "<image>2008_000002")], "a car in 2008_000002"),
    "another class": ([("<category>car", "<category>bus")], "it is of a bus in 2008_000001"),
    "no box": ([('xmin="11.00"', ""), ("<voc_id>2<", "<voc_id>9<")], "it has no bounds"),
    "unknown keypoint": ([("R_TailLight", "Wing")], "'Wing' is no keypoint of a car"),
    "keypoint twice": ([("R_TailLight", "L_HeadLight")], "it has L_HeadLight twice"),
    "no keypoint": ([("<keypoint ", "<hint ")], "it has no keypoint"),
}


@pytest.mark.parametrize(("changes", "reason"), ABSENT.values(), ids=ABSENT)
def test_annotations_that_make_no_record_are_named(changes: list[tuple[str, str]], reason: str, tree: Path):
    write_car(tree, *changes)
    absent = next(voc.read_keypoints(tree))
    assert isinstance(absent, Absent)
    assert absent.source_id == "car/2008_000001_2"
    assert reason in absent.reason


def test_images_that_are_elsewhere_or_damaged_are_named(tree: Path):
    release = tree / "VOCdevkit" / "VOC2011"
    voc_tree.write_image(release / "JPEGImages" / "2008_000001.jpg", width=41)
    reasons = [absent.reason for absent in voc.read_keypoints(tree)]
    assert reasons == ["2008_000001.jpg is not of the size in VOC's annotation"] * 2
    (release / "JPEGImages" / "2008_000001.jpg").write_bytes(b"no image")
    for absent in voc.read_keypoints(tree):
        assert "2008_000001.jpg is not an image" in absent.reason
    (release / "JPEGImages" / "2008_000001.jpg").unlink()
    reasons = [absent.reason for absent in voc.read_keypoints(tree)]
    assert reasons == ["JPEGImages/2008_000001.jpg is missing"] * 2
    voc_tree.write_list(release / "ImageSets" / "Main" / "train.txt", ["2008_000009"])
    reasons = [absent.reason for absent in voc.read_keypoints(tree)]
    assert reasons == ["2008_000001 is in neither list of VOC's ImageSets/Main"] * 2


def test_another_tree_is_refused(tree: Path, tmp_path_factory: pytest.TempPathFactory):
    with pytest.raises(InputError, match="VOCdevkit/VOC2011/JPEGImages or VOCdevkit/VOC2012/"):
        voc.read_keypoints(tmp_path_factory.mktemp("empty"))
    (tree / "annotations").rename(tree / "notes")
    with pytest.raises(InputError, match=r"annotations holds no <class>/<image>_<n>\.xml"):
        voc.read_keypoints(tree)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('x="12.00"', 'x="far"', "'x' .* is 'far'"),
        ('x="12.00"', "", "no attribute 'x'"),
        ("<image>2008_000001</image>", "", "has no <image>"),
        ("</annotation>", "", "cut short"),
        ("<annotation>", '<!DOCTYPE a [<!ENTITY b "c">]><annotation>', "declares"),
    ],
)
def test_damaged_files_are_refused(old: str, new: str, sentence: str, tree: Path):
    write_car(tree, (old, new))
    with pytest.raises(InputError, match=rf"2008_000001_2\.xml.*{sentence}"):
        list(voc.read_keypoints(tree))


@FUZZ
@given(data=st.data())
def test_damage_gives_records_or_the_projects_error(tree: Path, data: st.DataObject):
    (tree / "annotations" / "car" / "2008_000001_2.xml").write_bytes(mistyped(data, CAR.encode()))
    with contextlib.suppress(InputError):
        list(voc.read_keypoints(tree))


def test_names_and_pairs_are_the_published_ones():
    published = json.loads((genuine(SAMPLE) / "keypoint_names.json").read_text())
    names, pairs = voc.NAMES, voc.LEFT_RIGHT_PAIRS
    assert list(names) == list(published)
    assert sum(map(len, names.values())) == 244
    for category, entry in published.items():
        assert names[category] == tuple(entry["names"])
        published_pairs = {frozenset(pair) for pair in entry["left_right_index_pairs_0based"]}
        assert {frozenset(pair) for pair in pairs[category]} == published_pairs
        assert len(pairs[category]) == len(published_pairs)


# Number of keypoints, and of those that can be seen, in each of the five files.
GENUINE = {
    "aeroplane/2007_000032_1": (14, 14),
    "aeroplane/2007_000033_1": (12, 12),
    "car/2007_000515_3": (9, 9),
    "horse/2007_000332_1": (14, 14),
    "person/2008_000008_0": (14, 13),
}


@pytest.mark.parametrize("name", GENUINE)
def test_genuine_files_are_read(name: str):
    path = genuine(SAMPLE) / "annotations" / f"{name}.xml"
    annotation = voc.read_annotation(path)
    category, number = name.split("/")[0], int(name[-1])
    assert f"{annotation.category}/{annotation.image}" == name[:-2]
    assert annotation.voc_id == (None if category == "person" else number)
    visible = [keypoint.visible for keypoint in annotation.keypoints]
    assert (len(visible), sum(visible)) == GENUINE[name]
    assert {point.name for point in annotation.keypoints} <= {*voc.NAMES[category]}
    assert annotation.bounds is not None
    # Annotators kept to the visible part of the object, give or take some pixels.
    near = coords.grow(annotation.bounds, 0.2)
    for point in annotation.keypoints:
        assert near.x0 < point.x < near.x1
        assert near.y0 < point.y < near.y1


def test_a_genuine_box_is_vocs():
    path = genuine(SAMPLE) / "annotations" / "aeroplane" / "2007_000032_1.xml"
    annotation = voc.read_annotation(path)
    # VOC has this aeroplane at 104, 78, 375, 183.
    assert annotation.bounds == coords.Box(102.5, 76.5, 374.5, 182.5)
    assert annotation.keypoints[0] == ("Top_Rudder", 244.14, 80.07, True)


def test_genuine_files_make_records_in_a_tree(tmp_path: Path):
    """The five genuine files with stand-ins for their images."""
    (tmp_path / "annotations").symlink_to(genuine(SAMPLE) / "annotations")
    release = tmp_path / "VOCdevkit" / "VOC2012"
    images = sorted({name.split("/")[1][:-2] for name in GENUINE})
    voc_tree.write_list(release / "ImageSets" / "Main" / "train.txt", images[:2])
    voc_tree.write_list(release / "ImageSets" / "Main" / "val.txt", images[2:])
    for name in images:
        voc_tree.write_image(release / "JPEGImages" / f"{name}.jpg", width=500, height=400)
    records = list(voc.read_keypoints(tmp_path))
    assert [record.source_id for record in records] == list(GENUINE)
    assert [int((~np.isnan(record.points[:, 0])).sum()) for record in records] == [14, 12, 9, 14, 14]
    assert [record.split for record in records] == ["train", "train", "val", "val", "val"]
