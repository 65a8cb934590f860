"""What is special to the readers of official releases, on tiny releases and on genuine files where present."""

import itertools
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io

from convcorr_jax import coords
from convcorr_jax.backbone import NETWORKS
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import DATASETS, PairSet, Record, load_label_map, read_records
from convcorr_jax.datasets.formats import mat, xml
from convcorr_jax.datasets.official import (
    ap10k,
    faces,
    flic,
    ibug,
    imagenet,
    lfpw,
    lsp,
    mpii,
    pf_pascal,
    pf_willow,
    spair,
    voc,
)
from convcorr_jax.datasets.official.ibug import HELEN_MARKUP, MARKUP
from convcorr_jax.errors import InputError
from convcorr_jax.metrics import PF_PASCAL, PF_PASCAL_BOX, SPAIR_71K, SPAIR_71K_POINTS
from convcorr_jax.tasks import CategoryData
from convcorr_jax.tasks.transfer import Pairs, open_pairs, score
from tests.builders import mpii_flat, releases, voc_tree
from tests.builders.flic_tree import FACING, OTHER_SIDE
from tests.builders.genuine import genuine
from tests.builders.leeds_tree import places, write_lsp
from tests.builders.mat_files import cells, structs, write_mat
from tests.builders.releases import IMAGENET_IMAGES, PASCAL_HEADING, PASCAL_LINE, RELEASES, write_texts
from tests.builders.willow_tree import ROOT, STEMS, listed_line


@pytest.fixture
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The tiny release that the test's parameter names."""
    RELEASES[request.param].write(tmp_path)
    return tmp_path


def release_of(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("tree", [name], indirect=True, ids=[""])


def records_of(read: Callable, source: Path) -> list[Record]:
    entries = list(read(source))
    assert all(isinstance(entry, Record) for entry in entries)
    return entries


# FLIC
def test_flic_has_the_observers_sides_where_all_joints_of_an_arm_are_crossed():
    points = np.array(list(FACING.values()), float)
    behind = points[[list(FACING).index(OTHER_SIDE[name]) for name in FACING]]
    assert flic.seen_from_behind(np.stack([points, behind])).tolist() == [False, True]
    np.testing.assert_array_equal(flic.observer_centric(np.stack([points, behind])), [points, points])
    for change in ([30.0, 18.0], [np.nan, np.nan]):
        changed = behind.copy()
        changed[flic.NAMES.index("l_wrist")] = change
        np.testing.assert_array_equal(flic.observer_centric(changed), changed)


def test_the_genuine_examples_have_their_official_counts_and_joints():
    examples = flic.read_examples(genuine("pose_annotations/flic_examples.mat"))
    assert Counter(examples.splits) == DATASETS["flic"].counts
    assert not np.isnan(examples.points).any()
    assert np.unique(examples.sizes, axis=0).tolist() == [[480, 720]]
    behind = flic.seen_from_behind(examples.points)
    with np.load(genuine("pose_annotations/flic.npz")) as tidy:
        np.testing.assert_array_equal(behind, tidy["backward"])
        np.testing.assert_allclose(examples.points + 1, tidy["joints_pc"], atol=1e-4)
    # Others' observer-centric labels of the test set: nose, shoulders' middle, right, left.
    stored = scipy.io.loadmat(genuine("pose_annotations/flic_joints_test_oc_10.mat"))["joints"]
    test = examples.points[np.array(examples.splits) == "test"]
    order = ["nose", "r_shoulder", "r_elbow", "r_wrist", "r_hip"]
    order += ["l_shoulder", "l_elbow", "l_wrist", "l_hip"]
    ours = flic.observer_centric(test)[:, [flic.NAMES.index(name) for name in order]]
    np.testing.assert_allclose(ours + 1, np.delete(stored, 1, axis=1).transpose(2, 1, 0), atol=1e-4)
    noted = json.loads(genuine("pose_samples/flic/annotations.json").read_text())
    order = [flic.NAMES.index(name) for name in noted["joint_names"]]
    for person in noted["examples"]:
        index = examples.frames.index(person["filepath"])
        assert index == person["example_index"]
        np.testing.assert_allclose(examples.points[index][order] + 1, person["joints_pc"], atol=1e-4)


# Faces
def test_every_point_of_a_face_has_a_partner_or_is_in_the_middle():
    members = [index for pair in HELEN_MARKUP.left_right_pairs for index in pair]
    assert len(HELEN_MARKUP.names) == 194
    # Chin, tip of the nose, and the middles of the lips inside.
    assert sorted(set(range(194)) - set(members)) == [20, 49, 93, 107]
    assert len(set(members)) == len(members)
    # Of 300-W's 68, the chin, nose bridge and tip, and the middles of the lips are on the mid-line.
    members = [index for pair in MARKUP.left_right_pairs for index in pair]
    assert sorted(set(range(68)) - set(members)) == [8, 27, 28, 29, 30, 33, 51, 57, 62, 66]
    assert len(set(members)) == len(members)


def test_pairs_of_helen_join_what_a_mirror_exchanges():
    """On an ideal face: half circles for jaw and nose, and for each lip's two sides."""
    points = np.zeros((194, 2))
    halves = ((0, 41, 0), (41, 17, 0), (58, 14, 0), (86, 15, 0), (72, 14, 0.1), (101, 13, 0.1))
    for start, count, inside in halves:
        turn = np.linspace(inside, np.pi - inside, count)
        side = 1 if inside else -1
        points[start : start + count] = np.stack([side * np.cos(turn), np.sin(turn)], axis=1)
    for left, right in HELEN_MARKUP.left_right_pairs:
        if max(left, right) < 114:
            np.testing.assert_allclose(points[left] * (-1, 1), points[right], atol=1e-12)


def test_parts_cover_the_face():
    def sizes(markup: faces.Markup) -> dict[str, int]:
        return {part: len(indices) for part, indices in markup.part_sets.items()}

    def members(markup: faces.Markup) -> list[int]:
        return sorted(itertools.chain(*markup.part_sets.values()))

    assert members(HELEN_MARKUP) == [*range(194)]
    assert sizes(HELEN_MARKUP) == {
        **{"jaw": 41, "nose": 17, "right_eye": 20, "left_eye": 20},
        **{"right_brow": 20, "left_brow": 20, "lips": 56},
    }
    assert members(MARKUP) == sorted([*range(68), *range(17, 68)])
    assert MARKUP.part_sets["right_eye"] == tuple(range(42, 48))
    assert sizes(MARKUP) == {
        **{"jaw": 17, "left_brow": 5, "right_brow": 5, "nose": 9},
        **{"left_eye": 6, "right_eye": 6, "lips": 20, "inner_51": 51},
    }
    assert (len(lfpw.NAMES), members(lfpw.MARKUP)) == (29, [*range(29)])
    assert len(lfpw.MARKUP.left_right_pairs) == 11
    assert {(0, 1), (5, 7), (16, 17)} <= {*lfpw.MARKUP.left_right_pairs}
    eye = [lfpw.NAMES[index].removeprefix("left_eye_") for index in lfpw.MARKUP.part_sets["left_eye"]]
    assert eye == ["out", "in", "center_top", "center_bottom", "pupil"]


def test_an_image_of_lfpw_may_be_named_by_number_and_end_at_a_point(tmp_path: Path):
    links = [releases.lfpw_row(f"http://example.org/{number}/face.jpg") for number in (1, 2)]
    releases.write_lfpw_tables(tmp_path, links, [])
    # The chin is at (68, 74.5); the highest pixel centre of 75 rows is 74.
    releases.write_images(tmp_path / "train", "face.jpg", "train000002.jpg", size=(75, 90))
    _, face = lfpw.read(tmp_path)
    assert isinstance(face, Record)
    assert face.image == tmp_path / "train" / "train000002.jpg"


@pytest.mark.parametrize("folder", faces.FOLDERS)
def test_images_of_lfw_may_be_aligned(folder: str, tmp_path: Path):
    releases.write_lfw(tmp_path, images=folder)
    first, second, absent = faces.read_lfw(tmp_path)
    for face in (first, second):
        assert face.image == tmp_path / folder / face.source_id[:-5] / f"{face.source_id}.jpg"
    assert absent.reason == f"{folder}/Aaron_Eckhart/Aaron_Eckhart_0002.jpg is missing"


def test_a_face_prefers_a_png_and_has_no_length_without_an_eye_corner(tmp_path: Path):
    for ending in (".jpg", ".png"):
        releases.write_face(tmp_path / "afw", "134212_1", ending=ending)
    path = tmp_path / "afw" / "134212_1.pts"
    path.write_text(path.read_text().replace("22.000000 23.000000", "nan nan"))
    (face,) = records_of(ibug.read_300w, tmp_path)
    assert face.image == path.with_suffix(".png")
    assert face.normalizer_px is None
    assert np.flatnonzero(~face.visible).tolist() == [45]


# ImageNet
def summary(source: Path) -> list[tuple[str, str]]:
    assert DATASETS["imagenet_validation"].is_release(source)
    return [(record.source_id[-2:], record.category) for record in records_of(imagenet.read, source)]


@pytest.mark.parametrize("under", [".", "val"])
def test_imagenet_may_be_in_folders_of_classes(under: str, tmp_path: Path):
    first, second, third = IMAGENET_IMAGES
    names = f"n02119789/{second}", f"n01440764/{third}", f"n01440764/{first}"
    releases.write_images(tmp_path / under, *names, size=(20, 24))
    write_texts(tmp_path / under, {"n01440764/notes.txt": "no photograph", "other/notes.txt": ""})
    assert summary(tmp_path) == [("01", "n01440764"), ("03", "n01440764"), ("02", "n02119789")]
    releases.write_images(tmp_path / under, f"n02119789/{first}", size=(20, 24))
    with pytest.raises(InputError, match="there is another photograph ILSVRC2012_val_00000001"):
        list(imagenet.read(tmp_path))


@pytest.mark.parametrize("kit", [".", "data", "ILSVRC2012_devkit_t12/data"])
@pytest.mark.parametrize("under", [".", "val", "ILSVRC2012_img_val"])
def test_imagenet_may_be_flat_beside_the_development_kit(kit: str, under: str, tmp_path: Path):
    releases.write_imagenet(tmp_path, kit=kit, images=under)
    assert summary(tmp_path) == [("01", "n01440764"), ("02", "n02119789"), ("03", "n01440764")]


@pytest.mark.parametrize("name", imagenet.LISTS)
def test_imagenet_may_be_flat_beside_a_list(name: str, tmp_path: Path):
    first, second, _ = IMAGENET_IMAGES
    releases.write_images(tmp_path / "val", first, second, size=(20, 24))
    write_texts(tmp_path, {name: f"{second} 970\r\nval/{first}\t65\r\n"})
    assert summary(tmp_path) == [("02", "970"), ("01", "65")]
    for line, sentence in (
        *((f"{path} 1", "plain name") for path in ("/etc/passwd", "../a.JPEG", "val/../a.JPEG")),
        *((line, "name and a label") for line in ("a.JPEG", "a.JPEG 1 2")),
        ("a.JPEG 1\na.JPEG 2", "lists a.JPEG twice"),
    ):
        write_texts(tmp_path, {name: line})
        with pytest.raises(InputError, match=rf"{name}.*{sentence}"):
            list(imagenet.read(tmp_path))


# LSP and LSPET
def test_original_photographs_count_from_one_and_the_first_thousand_train(tmp_path: Path):
    first, *_ = records_of(lsp.read, write_lsp(tmp_path, scale=10.0))
    np.testing.assert_allclose(first.points, 10 * places(np.random.default_rng(0), 4)[0] - 1)
    people = lsp.read_joints(write_mat(tmp_path / "joints.mat", {"joints": np.ones((3, 14, 1002))}))
    assert people.splits[998:] == ("train", "train", "test", "test")
    assert people.images[1000] == "im1001.jpg"


def test_the_other_diagonal_stands_in():
    points = places(np.random.default_rng(0), 1)[0]
    points[lsp.NAMES.index("r_hip")] = np.nan
    expected = points[lsp.NAMES.index("r_shoulder")] - points[lsp.NAMES.index("l_hip")]
    assert lsp.torso_diagonal(points) == pytest.approx(np.linalg.norm(expected))
    points[lsp.NAMES.index("r_shoulder")] = np.nan
    assert lsp.torso_diagonal(points) is None


def test_the_genuine_lsp_has_its_joints():
    people = lsp.read_joints(genuine("pose_annotations/lsp_joints_scaled_PC.mat"))
    assert (people.release, len(people.images)) == ("lsp", 2000)
    assert Counter(people.splits) == DATASETS["lsp"].counts
    assert not np.isnan(people.points).any()
    assert np.sum(~people.visible) == 2044
    for image, person in json.loads(genuine("pose_samples/lsp/annotations.json").read_text()).items():
        index = people.images.index(image)
        np.testing.assert_allclose(people.points[index], person["joints"])
        assert people.visible[index].tolist() == [flag == 1 for flag in person["visible"]]
    # A scaled image is a cut of the original: scale times the distance from a whole pixel.
    scaled = people.points
    original = lsp.read_joints(genuine("pose_annotations/lsp_joints_originalsize.mat")).points
    middle, middle_scaled = original.mean(axis=1), scaled.mean(axis=1)
    around = original - middle[:, None]
    corner = middle - middle_scaled / ((around * scaled).sum(axis=1) / (around**2).sum(axis=1))
    np.testing.assert_allclose(corner, corner.round(), atol=1e-6)
    # Images that were cut at the left or top edge begin at the first pixel, which is 0 here.
    assert corner.round().min(axis=0).tolist() == [0, 0]
    assert (corner.round() == 0).sum(axis=0).tolist() == [177, 293]


def test_the_genuine_lspet_has_its_joints():
    people = lsp.read_joints(genuine("pose_annotations/lspet_joints.mat"))
    assert (people.release, len(people.images)) == ("lspet", 10_000)
    assert Counter(people.splits) == DATASETS["lspet"].counts
    assert np.sum(people.visible) == 123_213
    np.testing.assert_array_equal(np.isnan(people.points[..., 0]), ~people.visible)
    # The prepared crops were made from the same annotations, in another way.
    with np.load(genuine("lspet/annotations.npz")) as crops:
        index = crops["src_index"] - 1
        visible = crops["visible"]
        np.testing.assert_array_equal(people.visible[index], visible)
        back = crops["joints"] + crops["crop_xy"][:, None]
        np.testing.assert_allclose(people.points[index][visible], back[visible], atol=1e-3)


# MPII
@release_of("mpii")
def test_validation_people_are_told_apart(tree: Path):
    # The second person of the first frame.
    columns = {"RELEASE_img_index": 1.0, "RELEASE_person_index": 2.0}
    path = write_mat(tree / "Tompson_valid" / mpii.VALIDATION_FILE, columns)
    assert mpii.read_validation(path) == {mpii.PersonIndex(0, 1)}
    splits = [each.split for each in mpii.read(tree) if isinstance(each, Record)]
    assert splits == ["train", "valid", "test"]


WRIST, HIP = mpii.NAMES.index("l_wrist"), mpii.NAMES.index("r_hip")


def write_h5(path: Path, **changes: np.ndarray | None) -> Path:
    part, visible = np.random.default_rng(0).integers(1, 40, (2, 16, 2)).astype(float), np.ones((2, 16))
    part[0, WRIST], part[1, HIP] = 0, (12, 7)
    visible[0, WRIST] = visible[1, HIP] = 0
    arrays = {
        **{"part": part, "visible": visible, "person": np.array([2.0, 0.0])},
        **{"center": np.array([[21.0, 37.5], [11.0, 26.0]]), "scale": np.array([1.25, 0.625])},
        **{"normalize": np.array([9.0, 4.5]), "torsoangle": np.array([3.1, 3.0])},
    }
    return mpii_flat.write_h5(path, **(arrays | changes))


def entry(**changes: Any) -> dict[str, Any]:
    person = mpii_flat.json_person()
    person["joints"][WRIST], person["joints_vis"][WRIST] = [-1.0, -1.0], 0
    return person | changes


def write_json(path: Path, *entries: dict[str, Any]) -> Path:
    write_texts(path.parent, {path.name: json.dumps(entries)})
    return path


def test_h5_is_read_back(tmp_path: Path):
    first, second = mpii.read_h5({"valid": write_h5(tmp_path / "valid.h5")})
    assert (first.frame, first.place, second.place, first.split) == ("a.jpg", 2, 0, "valid")
    assert np.isnan(first.points[WRIST]).all()
    assert second.points[HIP].tolist() == [11, 6]
    assert (first.visible[WRIST], second.visible[HIP], second.visible[WRIST]) == (False, False, True)
    # Centres come down by 15 scales, and scales are a quarter larger, in the file.
    assert first.attributes == {"center_x": 20, "center_y": 37.5 - 15 - 1, "scale": 1}
    assert second.attributes == {"center_x": 10, "center_y": 26 - 7.5 - 1, "scale": 0.5}
    assert (first.head_box, first.head_size) == (None, 9.0)
    # An array may promise more than memory.
    path = write_h5(tmp_path / "huge.h5", part=None)
    with h5py.File(path, "a") as stored:
        stored.create_dataset("part", (10**12, 16, 2), "f8", chunks=(1, 16, 2))
    with pytest.raises(InputError, match="it takes more than"):
        mpii.read_h5({"valid": path})


def test_json_is_read_back(tmp_path: Path):
    joints: list[list[int] | None] = [[5, 6]] * 16
    joints[3] = None
    paths = {
        "train": write_json(tmp_path / "train.json", entry(), entry(image="b.jpg", center=[-1, -1])),
        "test": write_json(
            tmp_path / "test.json",
            {"image": "a.jpg", "center": [5, 6], "scale": 2},
            entry(image="\ud800.jpg", joints=joints, joints_vis=[1] * 16),
        ),
    }
    first, second, third, fourth = mpii.read_json(paths)
    # Names that cannot be written are spelt anew.
    expected = [("a.jpg", 0), ("b.jpg", 0), ("a.jpg", 1), ("?.jpg", 0)]
    assert [(person.frame, person.place) for person in (first, second, third, fourth)] == expected
    assert (first.split, third.split) == ("train", "test")
    assert first.points[HIP].tolist() == [2 + HIP, 19 - HIP]
    assert np.isnan(first.points[WRIST]).all()
    assert (first.visible.sum(), third.visible.sum()) == (15, 0)
    assert first.attributes == {"center_x": 20, "center_y": 21, "scale": 0.5}
    assert second.attributes == {"scale": 0.5}
    assert np.isnan(third.points).all()
    assert third.attributes == {"center_x": 4, "center_y": 5, "scale": 2}
    # Null for a joint means that it is absent.
    assert np.isnan(fourth.points[3]).all()
    assert fourth.visible.tolist() == [index != 3 for index in range(16)]


def test_a_tree_of_flat_files_is_read(tmp_path: Path):
    releases.write_images(tmp_path / "images", "a.jpg", size=(30, 40))
    write_json(tmp_path / "annot" / "mpii_val.json", entry())
    assert DATASETS["mpii"].is_release(tmp_path)
    (record,) = records_of(mpii.read, tmp_path)
    assert (record.source_id, record.split) == ("a.jpg#0", "valid")
    write_h5(tmp_path / "annot" / "train.h5")
    # The .h5 know more: they come first.
    assert [record.source_id for record in mpii.read(tmp_path)] == ["a.jpg#2", "a.jpg#0"]
    assert DATASETS["mpii"].is_release(tmp_path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"part": None}, r"part must be an array of people times \(16, 2\)"),
        ({"part": np.zeros((2, 14, 2))}, "part must be"),
        ({"imgname": np.zeros((2, 16))}, "imgname must be"),
        ({"scale": np.array([1.0, np.nan])}, "scale must be finite"),
        ({"scale": np.array([1.0, 1e300])}, "scale must be finite"),
        ({"scale": np.ones(3)}, "different lengths"),
    ],
)
def test_h5_of_another_layout_is_refused(tmp_path: Path, changes: dict[str, np.ndarray | None], sentence: str):
    path = write_h5(tmp_path / "valid.h5", **changes)
    with pytest.raises(InputError, match=rf"valid\.h5.*{sentence}"):
        mpii.read_h5({"valid": path})


def test_json_of_another_layout_is_refused(tmp_path: Path):
    changes = ({"joints": [[1, 2]]}, {"joints_vis": None}, {"center": [1]}, {"scale": "tall"})
    people = [[entry(**change)] for change in changes]
    for content in ("[1", *map(json.dumps, [3, [3], [{"image": "a.jpg"}], *people])):
        write_texts(tmp_path, {"valid.json": content})
        with pytest.raises(InputError, match=r"valid\.json"):
            mpii.read_json({"valid": tmp_path / "valid.json"})


def test_the_genuine_validation_people_agree_between_forms():
    path = genuine("pose_annotations/mpii_valid_tompson_detections.mat")
    flat = mpii.read_h5({"valid": genuine("pose_annotations/mpii_valid_hourglass.h5")})
    frames = genuine("pose_annotations/mpii_valid_images.txt").read_text().split()
    stored = mat.read(path).structs("annolist")
    assert len(flat) == len(frames) == len(stored) == len(mpii.read_validation(path)) == 2958
    assert [person.frame for person in flat] == frames
    # Every tenth, for time.
    for each, other in zip(stored[::10], flat[::10], strict=True):
        annotated = each.only_struct("annorect")
        ours = mpii.read_person(annotated, frame=other.frame, place=other.place, split="valid")
        # The hourglass's files cut coordinates, counted from 1, to whole numbers.
        np.testing.assert_array_equal(np.trunc(ours.points + 1) - 1, other.points)
        np.testing.assert_array_equal(ours.visible, other.visible)
        assert ours.head_size == pytest.approx(other.head_size)
        assert ours.attributes == pytest.approx(other.attributes)


def test_the_genuine_json_sample_agrees_with_the_h5():
    sample = mpii.read_json({"valid": genuine("pose_samples/mpii/test_mpii.json")})
    h5 = mpii.read_h5({"valid": genuine("pose_annotations/mpii_valid_hourglass.h5")})
    flat = {person.frame: person for person in h5}
    assert len(sample) == 5
    for person in sample:
        other = flat[person.frame]
        np.testing.assert_array_equal(np.floor(person.points), other.points)
        assert person.attributes == pytest.approx(other.attributes, rel=1e-6)


# Pairs
def pairs_of(found: PairSet) -> list[tuple[str, str, str]]:
    """Return the subset, source and target of every pair."""
    names = [record.source_id for record in found.records]
    return [(pair.subset, names[pair.source], names[pair.target]) for pair in found.pairs]


def open_transfer(data: CategoryData) -> Pairs:
    return open_pairs(data, Weights({}, NETWORKS["alexnet"], "none", ()), transfer="image")


WILLOW_LIST, PASCAL_LIST = f"{ROOT}/test_pairs_pf.csv", f"{releases.PASCAL_ROOT}/test_pairs_pf_pascal.csv"
SPAIR_LIST = "SPair-71k/Layout/large/test.txt"
DUCK = listed_line("duck(S)", "b_2", "a_1")
# A set's list of pairs for the test: its name and heading, and lines that are refused.
LISTS: dict[str, tuple[str, str, list[tuple[str, str]]]] = {
    "pf_willow": (
        WILLOW_LIST,
        "source_image,target_image,XA1\n",
        [
            (listed_line("duck(S)", "b_2", "x"), r"names duck\(S\)/b_2 and duck\(S\)/x"),
            (listed_line("", "b_2", "a_1").replace("PF-dataset/", ""), "no plain name"),
            (listed_line("..", "b_2", "a_1"), r"'\.\.' is no plain name"),
            ("," * 41 + "\n", "('' is not|no plain name|could not convert)"),
            (DUCK.replace(".", "!", 3), "could not convert"),
            ("PF-dataset/duck(S)/b_2.png\n", "line 2: 1 fields, where 42 are expected"),
        ],
    ),
    "pf_pascal": (
        PASCAL_LIST,
        PASCAL_HEADING,
        [
            (PASCAL_LINE.replace(",7,", ",21,"), "line 2: class 21 is none of 1 to 20"),
            (PASCAL_LINE.replace(",7,", ",0,"), "class 0 is none"),
            (PASCAL_LINE.replace(",7,", ",1.5,"), "class 1.5 is none"),
            (PASCAL_LINE.replace("5.5;30.0", "5.5;30.0;1"), "more x than y"),
            (PASCAL_LINE.replace("5.5", "x"), "could not convert"),
            ("a.jpg,b.jpg,1,2,3\n", "5 fields, where 3 or 4 or 7"),
            (PASCAL_LINE.replace("JPEGImages/2008_000001.jpg", ".."), "no plain name"),
        ],
    ),
    "spair71k": (
        SPAIR_LIST,
        "",
        [
            (line, ".* is no ")
            for line in (
                *("000001-2008_1-2008_2", "2008_1-2008_2:cat", "1-../a-b:cat", "1-a-b:..", "1-a-b:c/d"),
                "1-a-:c",
            )
        ],
    ),
}


@pytest.mark.parametrize(
    ("name", "line", "sentence"), [(name, *case) for name, (*_, cases) in LISTS.items() for case in cases]
)
def test_other_lists_of_pairs_are_refused(name: str, line: str, sentence: str, tmp_path: Path):
    RELEASES[name].write(tmp_path)
    file, heading, _ = LISTS[name]
    write_texts(tmp_path, {file: heading + line})
    with pytest.raises(InputError, match=rf"{Path(file).name}.*{sentence}"):
        DATASETS[name].read_pairs(tmp_path, split="test")


@pytest.mark.parametrize(
    ("name", "gone", "split", "sentence"),
    [
        ("pf_willow", f"{ROOT}/car(M)/b_2.png", "test", r"car\(M\)/b_2 makes no record: b_2\.png"),
        ("pf_willow", f"{ROOT}/car(M)/b_2.mat", "test", r"car\(M\)/b_2 makes no record: b_2\.mat"),
        *(
            ("pf_pascal", f"{releases.PASCAL_ROOT}/{file}", "test", f"names car/2008_000002: {file} is missing")
            for file in ("JPEGImages/2008_000002.jpg", "Annotations/car/2008_000002.mat")
        ),
        ("pf_pascal", None, "val", r"val_pairs_pf_pascal\.csv does not exist"),
        ("pf_pascal", None, "trn", "split 'trn' is not known; train, val, test, all are"),
        ("pf_pascal", None, "all", r"parsePascalVOC\.mat does not exist"),
        (
            *("spair71k", "SPair-71k/JPEGImages/cat/2008_000002.jpg", "train"),
            r"names cat/2008_000002: JPEGImages/cat/2008_000002\.jpg is missing",
        ),
        ("spair71k", None, "trn", "split 'trn' is not known; train, val, test are"),
        ("ap10k", "ap-10k/data/000000000011.jpg", "test", r"000000000011\.jpg does not exist"),
        ("ap10k", None, "val", "no species of val has two images of one animal with common keypoints"),
        ("ap10k", None, "trn", "split 'trn' is not known; train, val, test are"),
    ],
)
def test_pairs_without_their_files_are_refused(
    name: str, gone: str | None, split: str, sentence: str, tmp_path: Path
):
    RELEASES[name].write(tmp_path)
    if gone is not None:
        (tmp_path / gone).unlink()
    with pytest.raises(InputError, match=sentence):
        DATASETS[name].read_pairs(tmp_path, split=split)


@release_of("pf_willow")
def test_pairs_of_pf_willow_are_all_ordered_pairs_of_a_subset_or_those_of_a_list(tree: Path):
    found = pf_willow.read_pairs(tree / ROOT)
    assert (len(found.records), len(found.pairs)) == (30, 60)
    assert {*pairs_of(found)} == {
        (subset, f"{subset}/{first}", f"{subset}/{second}")
        for subset in pf_willow.SUBSETS
        for first, second in itertools.permutations(STEMS, 2)
    }
    write_texts(
        tree, {WILLOW_LIST: "source_image,target_image,XA1\n" + DUCK + listed_line("car(G)", "c_3", "a_1")}
    )
    found = pf_willow.read_pairs(tree)
    assert pairs_of(found) == [
        ("duck(S)", "duck(S)/b_2", "duck(S)/a_1"),
        ("car(G)", "car(G)/c_3", "car(G)/a_1"),
    ]
    # Its points are those of the .mat files.
    for pair, listed in zip(found.pairs, pf_willow.read_pair_list(tree / WILLOW_LIST), strict=True):
        np.testing.assert_allclose(listed.source_points, found.records[pair.source].points)
        np.testing.assert_allclose(listed.target_points, found.records[pair.target].points)
    # Every keypoint of a bottle has an opposite.
    assert sorted(itertools.chain(*records_of(pf_willow.read, tree)[-1].left_right_pairs)) == [*range(10)]


def test_the_genuine_pf_willow_in_its_official_form(tmp_path: Path):
    """The whole set, turned back from a compact copy into the tree that it was made of."""
    folder = genuine("pf_willow")
    stored = json.loads((folder / "annotations.json").read_text())
    source_ids = {}
    for subset, members in stored["subsets"].items():
        for member in members:
            image = stored["images"][member]
            stem = Path(image["source"]).stem
            source_ids[subset, member] = f"{subset}/{stem}"
            path = tmp_path / subset / f"{stem}.png"
            path.parent.mkdir(exist_ok=True)
            path.symlink_to(folder / image["file"])
            write_mat(path.with_suffix(".mat"), {"pts_coord": (np.array(image["keypoints"]) + 1).T})
    found = pf_willow.read_pairs(tmp_path)
    assert (len(found.records), len(found.pairs)) == (100, 900)
    assert {*pairs_of(found)} == {
        (subset, source_ids[subset, source], source_ids[subset, target])
        for subset, source, target in stored["pairs"]
    }
    images = {source_ids[key]: stored["images"][key[1]] for key in source_ids}
    for record in found.records:
        image = images[record.source_id]
        assert record.category == image["category"]
        assert record.size == (image["height"], image["width"])
        # The copy keeps three decimals.
        np.testing.assert_allclose(record.points, image["keypoints"], atol=1e-9)
        np.testing.assert_allclose(np.array(record.box), image["bbox"], atol=2e-3)
        swap = stored["left_right_swap"][record.category] or []
        pairs = {frozenset((here, there)) for here, there in enumerate(swap)}
        assert {frozenset(pair) for pair in record.left_right_pairs} == pairs


@release_of("pf_pascal")
def test_pairs_of_pf_pascal_are_scored_by_the_image_and_by_the_box(tree: Path):
    (tree / releases.PASCAL_ROOT).rename(tree / "pf_pascal")
    pairs = open_transfer(CategoryData("pf_pascal", tree))
    truth = pairs.keypoints.points[pairs.targets]
    by_image, by_box = pairs.scorings
    assert (by_image.protocol, by_box.protocol) == (PF_PASCAL, PF_PASCAL_BOX)
    at = pairs.alphas.index(0.1)
    # Only two of the three keypoints of each car are those of the other; image and box are 40 and 38 long.
    for offset, expected in ((0, (1, 1)), (3.79, (1, 1)), (3.9, (1, 0)), (4.1, (0, 0))):
        predicted = truth + np.array([0, offset])
        scores = [score(pairs, predicted, scoring=one).mean[at] for one in (by_image, by_box)]
        assert tuple(scores) == expected


@release_of("pf_pascal")
def test_a_pair_of_pf_pascal_has_the_keypoints_of_its_line(tree: Path):
    found = pf_pascal.read_pairs(tree)
    assert pairs_of(found) == [("car", "car/2008_000001", "car/2008_000002")]
    (pair,) = found.pairs
    source, target = found.records[pair.source], found.records[pair.target]
    assert source.split == "test"
    (listed,) = pf_pascal.read_pair_list(tree / PASCAL_LIST)
    both = source.visible & target.visible
    np.testing.assert_array_equal(source.points[both], listed.source_points)
    np.testing.assert_array_equal(target.points[both], listed.target_points)


@pytest.mark.parametrize("place", ["PF-dataset-PASCAL/train_pairs.csv", "image_pairs/train_pairs.csv"])
@release_of("pf_pascal")
def test_mirrored_copies_are_left_out(place: str, tree: Path):
    lines = [
        f"JPEGImages/2008_00000{first}.jpg,JPEGImages/2008_00000{second}.jpg,7,{flip}\n"
        for first, second, flip in ((1, 2, 0), (1, 2, 1), (2, 1, 0))
    ]
    write_texts(tree, {place: "source_image,target_image,class,flip\n" + "".join(lines)})
    assert [pair[1:] for pair in pf_pascal.read_pairs(tree, split="train").pairs] == [(0, 1), (1, 0)]
    listed = pf_pascal.read_pair_list(tree / place)
    assert [pair.mirrored for pair in listed] == [False, True, False]
    assert listed[0].source_points is None


@release_of("pf_pascal")
def test_the_releases_own_pairs_are_read(tree: Path):
    pairs = [np.empty((0, 2), object), np.empty((2, 2), object)]
    pairs[1][:] = [["2008_000001", "2008_000002"], ["2008_000002", "2008_000001"]]
    release = structs({"class": cells("bus", "car").T, "pair": cells(*pairs).T})
    write_mat(tree / releases.PASCAL_ROOT / "parsePascalVOC.mat", {"PascalVOC": release})
    assert pairs_of(pf_pascal.read_pairs(tree, split="all")) == [
        ("car", "car/2008_000001", "car/2008_000002"),
        ("car", "car/2008_000002", "car/2008_000001"),
    ]
    # An annotation that is missing is not known of.
    (tree / releases.PASCAL_ROOT / "Annotations" / "car" / "2008_000002.mat").unlink()
    assert len(records_of(pf_pascal.read, tree)) == 2


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


@release_of("spair71k")
def test_pairs_of_spair_are_read(tree: Path):
    found = spair.read_pairs(tree / "SPair-71k", split="train")
    assert [record.source_id for record in found.records] == ["cat/2008_000001", "cat/2008_000002"]
    assert found.pairs == (("cat", 0, 1), ("cat", 1, 0))
    assert np.flatnonzero(found.records[0].visible & found.records[1].visible).tolist() == [0]
    assert spair.read_pairs(tree).pairs == (("cow", 0, 0),)


@release_of("spair71k")
def test_pairs_of_spair_are_scored_per_image_and_per_point(tree: Path):
    """Two cats of one and of four common keypoints: per image (0 + 1) / 2, per point 4 / 5."""
    for image in ("cat/2008_000003", "cat/2008_000004"):
        four = {str(number): [10 + number, 12] for number in range(4)}
        releases.write_spair_image(tree / "SPair-71k", image, four)
    lines = ("000001-2008_000001-2008_000002:cat", "000002-2008_000003-2008_000004:cat")
    write_texts(tree, {SPAIR_LIST: "\n".join(lines)})
    (tree / "SPair-71k").rename(tree / "spair71k")
    pairs = open_transfer(CategoryData("spair71k", tree))
    predicted = pairs.keypoints.points[pairs.targets]
    # Right predictions score one though keypoints are absent.
    for scoring in pairs.scorings:
        np.testing.assert_array_equal(score(pairs, predicted, scoring=scoring).mean, [1, 1, 1])
    # The longer side of the box is 37 pixels, last minus first: .1 of it is 3.7.
    predicted[0] += [3.75, 0]
    predicted[1] += [3.7, 0]
    per_image, per_point = pairs.scorings
    assert (per_image.protocol, per_point.protocol) == (SPAIR_71K, SPAIR_71K_POINTS)
    at = pairs.alphas.index(0.1)
    assert score(pairs, predicted, scoring=per_image).mean[at] == 0.5
    assert score(pairs, predicted, scoring=per_point).mean[at] == 0.8


@release_of("ap10k")
def test_images_of_a_species_are_paired_by_their_order(tree: Path):
    """Images of two animals and of few visible keypoints are in no pair, and 2 and 4 have one in common."""
    root, every = tree / "ap-10k", range(17)
    lions = ((1, 5, every), (2, 4, (2, 3, 4)), (3, 3, every), (4, 2, (0, 1, 2)), (5, 1, every))
    others = ((6, 6, every), (7, 6, every), (8, 7, (0, 1)))
    bears = ((9, 9, "black bear", every), (10, 8, "black bear", every))
    animals = [(number, image, "lion", seen) for number, image, seen in (*lions, *others)]
    releases.write_ap10k_split(root, "test", *animals, *bears, (11, 10, "cow", every))
    of_lions = [("lion", first, second) for first, second in ((1, 3), (3, 5), (4, 1), (5, 2))]
    expected = [("black bear", 8, 9), ("black bear", 9, 8), *of_lions]
    for known in (expected, of_lions):
        found = ap10k.read_pairs(root)
        images = [int(record.image.stem) for record in found.records]
        assert [(pair.subset, images[pair.source], images[pair.target]) for pair in found.pairs] == known
        assert {*images} == {image for pair in known for image in pair[1:]}
        # An image of another size than its annotation is left out.
        releases.write_images(root / "data", "000000000009.jpg", size=(41, 40))


@release_of("ap10k")
def test_pairs_of_ap10k_are_scored_per_image_and_per_point(tree: Path):
    """Two pairs of bears with 17 common keypoints, and two of lions with 13, of whom all are wrong."""
    bears = ((2, 1, "bear", range(17)), (3, 2, "bear", range(17)))
    releases.write_ap10k_split(tree / "ap-10k", "test", *bears, *releases.AP10K_LIONS)
    (tree / "ap-10k").rename(tree / "ap10k")
    records = read_records("ap10k", data_root=tree)
    assert [record.category for record in records if record.split == "test"] == ["bear", "bear", "lion", "lion"]
    pairs = open_transfer(CategoryData("ap10k", tree))
    predicted = pairs.keypoints.points[pairs.targets]
    # The longer side of the boxes is 25 pixels: .1 of it is 2.5.
    predicted[:2] += [2.5, 0]
    predicted[2:] += [0, 2.6]
    per_image, per_point = pairs.scorings
    assert (per_image.protocol, per_point.protocol) == (ap10k.AP_10K, ap10k.AP_10K_POINTS)
    at = pairs.alphas.index(0.1)
    assert score(pairs, predicted, scoring=per_image).mean[at] == 1 / 2
    assert score(pairs, predicted, scoring=per_point).mean[at] == 17 / 30


# PASCAL VOC
CAR_XML, PERSON_XML = (f"annotations/{name}.xml" for name in ("car/2008_000001_2", "person/2008_000001_0"))
CAR_BOX = coords.Box(9.5, 3.5, 29.5, 18.5)


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        # A person that VOC does not have keeps its bounds.
        (PERSON_XML, 'xmin="3.0"', 'xmin="13.0"', (coords.Box(11.5, 0.5, 22.5, 21.5), {})),
        # A number of another class gives way to the box, and bounds may be missing.
        (CAR_XML, "<voc_id>2<", "<voc_id>1<", (CAR_BOX, voc_tree.FLAGS)),
        (CAR_XML, 'height="14.00"', "", (CAR_BOX, voc_tree.FLAGS)),
        # Without VOC's annotation the bounds are the box.
        (CAR_XML, None, None, (CAR_BOX, {})),
    ],
)
@release_of("voc2011_keypoints")
def test_boxes_are_vocs_or_else_the_bounds(
    tree: Path, file: str, old: str | None, new: str | None, expected: tuple
):
    if old is None or new is None:
        (tree / "VOCdevkit" / "VOC2011" / "Annotations" / "2008_000001.xml").unlink()
    else:
        text = (tree / file).read_text()
        assert old in text
        (tree / file).write_text(text.replace(old, new))
    record = records_of(voc.read_keypoints, tree)[(CAR_XML, PERSON_XML).index(file)]
    assert (record.box, record.attributes) == expected


SAMPLE = "voc2011_keypoints_format"


def test_names_and_pairs_are_the_published_ones():
    published = json.loads((genuine(SAMPLE) / "keypoint_names.json").read_text())
    names, pairs = voc.NAMES, voc.LEFT_RIGHT_PAIRS
    assert list(names) == list(published)
    assert sum(map(len, names.values())) == 244
    for category, known in published.items():
        assert names[category] == tuple(known["names"])
        published_pairs = {frozenset(pair) for pair in known["left_right_index_pairs_0based"]}
        assert {frozenset(pair) for pair in pairs[category]} == published_pairs
        assert len(pairs[category]) == len(published_pairs)


# Number of keypoints, and of those that can be seen, in each of the five files.
GENUINE = {
    **{"aeroplane/2007_000032_1": (14, 14), "aeroplane/2007_000033_1": (12, 12), "car/2007_000515_3": (9, 9)},
    **{"horse/2007_000332_1": (14, 14), "person/2008_000008_0": (14, 13)},
}


@pytest.mark.parametrize("name", GENUINE)
def test_genuine_files_are_read(name: str):
    annotation = voc.read_annotation(genuine(SAMPLE) / "annotations" / f"{name}.xml")
    category, number = name.split("/")[0], int(name[-1])
    assert f"{annotation.category}/{annotation.image}" == name[:-2]
    assert annotation.voc_id == (None if category == "person" else number)
    visible = [keypoint.visible for keypoint in annotation.keypoints]
    assert (len(visible), sum(visible)) == GENUINE[name]
    assert {point.name for point in annotation.keypoints} <= {*voc.NAMES[category]}
    assert annotation.bounds is not None
    # Annotators kept to the visible part of the object, give or take some pixels.
    near = coords.grow(annotation.bounds, 0.2)
    assert all(near.x0 < point.x < near.x1 and near.y0 < point.y < near.y1 for point in annotation.keypoints)
    if name == "aeroplane/2007_000032_1":
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
    records = records_of(voc.read_keypoints, tmp_path)
    assert [record.source_id for record in records] == list(GENUINE)
    assert [int((~np.isnan(record.points[:, 0])).sum()) for record in records] == [14, 12, 9, 14, 14]
    assert [record.split for record in records] == ["train", "train", "val", "val", "val"]


@release_of("voc2012_segmentation")
def test_images_of_voc_have_label_maps(tree: Path):
    for record in records_of(voc.read_segmentation, tree):
        np.testing.assert_array_equal(load_label_map(record), releases.VOC_LABELS)
        assert record.label_names == xml.CLASSES
        assert (record.label_names[0], record.label_names[19]) == ("aeroplane", "tvmonitor")
