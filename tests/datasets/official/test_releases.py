"""What the readers of all official releases have in common, on tiny releases; see `tests.builders.releases`."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ImageFile

from convcorr_jax import coords
from convcorr_jax.datasets import DATASETS, Absent, Record, load_image
from convcorr_jax.datasets.official import ap10k, lfpw
from convcorr_jax.datasets.official.ibug import HELEN_MARKUP, MARKUP
from convcorr_jax.errors import InputError
from tests.builders import releases, voc_tree, willow_tree
from tests.builders.flic_tree import FACING, LOOKUP, OTHER_SIDE, example
from tests.builders.leeds_tree import places
from tests.builders.mat_files import EMPTY, structs, write_mat
from tests.builders.releases import RELEASES, write_texts

every = pytest.mark.parametrize("name", DATASETS)
Change = Callable[[Path], object]
VOC, SEGMENTED, WILLOW = "VOCdevkit/VOC2011", "VOCdevkit/VOC2012", willow_tree.ROOT


def entries_of(name: str, folder: Path) -> dict[str, Record | Absent]:
    entries = list(DATASETS[name].read(folder))
    found = {entry.source_id: entry for entry in entries}
    assert len(found) == len(entries)
    return found


# Why the annotations of an image make no record without it; MTFL's are named by their images.
MISSING = (
    r"{name} is missing$|^it is missing$|{name} does not exist|^{name} is in none of the folders$"
    r"|^no {stem}\.png or \.jpg is beside its \.pts$"
    r"|^the image of http://www\..*/a\.jpg is not in the folder train$"
)
# What the refusal of a folder without any of the files says.
EMPTY_FOLDER = {
    "voc2011_keypoints": "VOCdevkit/VOC2011/JPEGImages or VOCdevkit/VOC2012/",
    "voc2012_segmentation": "VOCdevkit/VOC2012/JPEGImages is expected there",
    "helen": r"trainnames\.txt does not exist",
    "helen68": "has no folder trainset",
    "lfpw68": "has no folder trainset",
    "three_hundred_w": r"no part of 300-W.*afw.*300W/02_Outdoor",
    "lfpw": r"kbvt_lfpw_v1_train\.csv does not exist",
    "lfw": r"lfw_attributes\.txt does not exist",
    "mtfl": r"training\.txt does not exist",
    "imagenet_validation": r"no ImageNet validation set.*meta\.mat",
    "flic": r"examples\.mat does not exist",
    "mpii": "has no folder 'images'",
    "lsp": r"joints\.mat does not exist",
    "lspet": r"joints\.mat does not exist",
    "pf_willow": r"holds no PF-WILLOW; the folders car\(G\), car\(M\)",
    "pf_pascal": "Annotations and JPEGImages are expected there",
    "spair71k": "ImageAnnotation, JPEGImages and Layout are expected",
    "ap10k": "annotations and data are expected there",
}


@every
def test_only_a_release_is_read_and_no_image_decoded(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def decode(image: object) -> None:
        pytest.fail("an image is decoded")

    release = RELEASES[name]
    assert not DATASETS[name].is_release(tmp_path)
    for folder in (tmp_path, tmp_path / "nowhere"):
        # Before the first record is asked for.
        with pytest.raises(InputError, match=EMPTY_FOLDER[name]):
            DATASETS[name].read(folder)
    release.write(tmp_path)
    for folder in (tmp_path / release.inner, tmp_path):
        assert DATASETS[name].is_release(folder)
        with monkeypatch.context() as patched:
            patched.setattr(ImageFile.ImageFile, "load", decode)
            entries = entries_of(name, folder)
        splits = [(key, getattr(entry, "split", None)) for key, entry in entries.items()]
        assert splits == [*release.splits.items()]
    records = [entry for entry in entries.values() if isinstance(entry, Record)]
    if DATASETS[name].counts:
        assert {record.split for record in records} <= {*DATASETS[name].counts, "unused"}
    for record in records:
        assert record.size == coords.Size(*release.size)
        assert load_image(record).shape == (*release.size, 3)
        assert tmp_path in record.image.parents


@every
@pytest.mark.parametrize("content", [None, b"no image"])
def test_an_image_that_is_missing_or_damaged_is_named(name: str, content: bytes | None, tmp_path: Path):
    RELEASES[name].write(tmp_path)
    before = entries_of(name, tmp_path)
    path = next(entry.image for entry in before.values() if isinstance(entry, Record))
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    after = entries_of(name, tmp_path)
    assert [*after] == [*before]
    reason = MISSING if content is None else "{name} is not an image"
    reason = reason.format(name=re.escape(path.name), stem=re.escape(path.stem))
    for key, entry in before.items():
        if isinstance(entry, Record) and entry.image == path:
            assert isinstance(after[key], Absent)
            assert re.search(reason, after[key].reason)
        else:
            assert type(after[key]) is type(entry)


def other_side(name: str) -> str:
    """Exchange the words for left and right; numbers of points along a contour are left out."""
    words = {"left": "right", "Left": "Right", "L": "R", "l": "r"}
    return re.sub("(?<![A-Za-z])(left|Left|L|l)(?![a-z])", lambda match: words[match[0]], contour(name))


def contour(name: str) -> str:
    return re.sub(r"_\d+$", "", name)


@every
def test_keypoints_that_a_mirror_exchanges_have_the_names_of_both_sides(name: str, tmp_path: Path):
    RELEASES[name].write(tmp_path)
    for record in entries_of(name, tmp_path).values():
        # PF-WILLOW's keypoints have letters instead of names.
        for pair in record.left_right_pairs if isinstance(record, Record) and name != "pf_willow" else ():
            left, right = (record.names[index] for index in pair)
            assert other_side(left) == contour(right)
            mirrored = coords.flip_points(record.points, width=40, left_right_pairs=record.left_right_pairs)
            np.testing.assert_array_equal(mirrored[pair[0]], (39, 0) + record.points[pair[1]] * (-1, 1))


# FLIC's first pixel is 1 in the file and 0 here; the torso's diagonal is from (20, 9) to (12, 25).
FACES_CAMERA = np.array(list(FACING.values()), float) - 1
LEEDS = places(np.random.default_rng(0), 3)
LEEDS_VISIBLE = np.arange(14) != 3
BOTTLE = willow_tree.keypoints("winebottle(woC)", "c_3").T - 1
FACE_68 = releases.points_68(seed=1) - 1
NUMBERED = tuple(str(number) for number in range(30))
# Points and visibility are stated by name where most keypoints are absent; "some" are some of the points.
FIELDS: dict[tuple[str, str], dict[str, Any]] = {
    ("flic", "film-one-0001.jpg#0"): {
        "names": tuple(LOOKUP),
        "points": FACES_CAMERA,
        "visible": np.ones(11, bool),
        "other_boxes": {"torso": (9.5, 7.0, 21.25, 26.0)},
        "normalizer_px": np.hypot(8, 16),
        "attributes": {"seen_from_behind": 0.0},
    },
    ("flic", "film-one-0001.jpg#1"): {
        "points": FACES_CAMERA[[list(FACING).index(OTHER_SIDE[joint]) for joint in FACING]],
        "attributes": {"seen_from_behind": 1.0},
    },
    ("helen", "232194_1"): {
        **{"names": HELEN_MARKUP.names, "points": releases.helen_points()},
        **{"normalizer_px": 50.0, "box": (0.25, 5, 193.25, 48)},
    },
    ("three_hundred_w", "ibug/image_092 _01"): {
        **{"names": MARKUP.names, "points": FACE_68, "visible": np.ones(68, bool)},
        **{"category": "face", "normalizer_px": 20.0, "box": coords.tight_box(FACE_68)},
    },
    # As they stand, and without the ears: the chin is the 35th of the file and the 29th here.
    ("lfpw", "train000001"): {
        **{"names": lfpw.NAMES, "some": {"left_eyebrow_out": (0, 40.5), "chin": (68, 74.5)}},
        **{"visible": np.ones(29, bool), "normalizer_px": 50.0},
    },
    ("lfpw", "train000002"): {"some": {"chin": (68, 74.5)}, "visible": np.arange(29) < 28},
    ("lfpw", "test000001"): {"visible": np.arange(29) < 28},
    ("lfw", "Aaron_Eckhart_0001"): {
        **{"category": "face", "attributes": {"Male": 1.568, "5 o' Clock Shadow": -0.25}, "names": ()}
    },
    ("mtfl", "lfw_5590/Ada_Lovelace_0001.jpg"): {
        "points": np.array([[7.25, 8.75], [37.25, 48.75], [26.25, 43.75], [6.25, 58.75], [40.75, 62.75]]),
        "normalizer_px": 50.0,
        "attributes": {"gender": 2, "smile": 1, "glasses": 2, "head_pose": 4},
    },
    ("imagenet_validation", "ILSVRC2012_val_00000001"): {"category": "n01440764"},
    ("imagenet_validation", "ILSVRC2012_val_00000002"): {"category": "n02119789"},
    ("mpii", "a.jpg#0"): {
        "points": {
            **{"head_top": (24.5, 3.25), "r_ankle": (29, 40), "l_shoulder": (34, 16)},
            **{"r_shoulder": (18, 17), "r_wrist": (11, 28)},
        },
        "visible": {"head_top", "r_ankle", "l_shoulder"},
        "other_boxes": {"head": (20, 4, 32, 13)},
        "normalizer_px": 0.6 * 15,
        "attributes": {"center_x": 26, "center_y": 21, "scale": 0.25, "separated": 0},
    },
    ("mpii", "a.jpg#1"): {
        **{"points": {}, "other_boxes": {}, "normalizer_px": None, "attributes": {"separated": 1}}
    },
    ("mpii", "b.jpg#0"): {
        "points": {},
        "attributes": {"center_x": 10, "center_y": 11, "scale": 1.5, "separated": 1},
    },
    # LSP flags what is hidden, LSPET what is there.
    ("lsp", "im0001.jpg"): {
        "points": LEEDS[0],
        "visible": LEEDS_VISIBLE,
        "normalizer_px": np.hypot(*(LEEDS[0, 9] - LEEDS[0, 2])),
    },
    ("lsp", "im0002.jpg"): {"points": LEEDS[1], "visible": np.ones(14, bool)},
    ("lspet", "im00001.jpg"): {
        "points": np.where(LEEDS_VISIBLE[:, None], LEEDS[0], np.nan),
        "visible": LEEDS_VISIBLE,
    },
    ("pf_willow", "winebottle(woC)/c_3"): {
        **{"names": tuple(f"part_{letter}" for letter in "ABCDEFGHIJ"), "points": BOTTLE},
        **{"category": "winebottle", "box": coords.tight_box(BOTTLE)},
        "normalizer_px": max(np.ptp(BOTTLE, axis=0)),
    },
    # Only bottles have sides.
    ("pf_willow", "car(G)/a_1"): {"left_right_pairs": (), "category": "car"},
    ("pf_pascal", "car/2008_000001"): {
        **{"names": NUMBERED, "points": {"0": (4.5, 6), "2": (29, 11.25), "3": (7, 8)}},
        **{"visible": {"0", "2", "3"}, "category": "car", "box": (0.5, 1.5, 38.5, 19.5), "normalizer_px": 40.0},
    },
    # VOC's last column is 40 of 40, so the box ends at the image's edge.
    ("spair71k", "cat/2008_000001"): {
        **{"names": NUMBERED, "points": {"0": (5, 7), "3": (9, 11)}, "visible": {"0", "3"}},
        **{"category": "cat", "box": (1.5, 3.5, 39.5, 24.5), "normalizer_px": 37.0},
        "attributes": {"truncated": 0, "occluded": 1, "difficult": 0, "azimuth_id": 7},
    },
    # The box covers pixels 3 to 22 and 2 to 26.
    ("ap10k", "000000000002.jpg#8"): {
        **{
            "category": "black bear",
            "names": ap10k.NAMES,
            "normalizer_px": 25.0,
            "box": (2.5, 1.5, 22.5, 26.5),
        },
        "points": {"right_eye": (9, 2), "nose": (10, 3), "root_of_tail": (12, 5), "right_back_paw": (24, 17)},
        "visible": {"right_eye", "nose", "root_of_tail"},
    },
    # The first pixel is 1 in the file and 0 here; the box covers pixels 11 to 30 and 5 to 19.
    ("voc2011_keypoints", "car/2008_000001_2"): {
        **{"points": {"L_HeadLight": (11, 8), "R_TailLight": (19.5, 6.25)}, "visible": {"L_HeadLight"}},
        **{"category": "car", "box": (9.5, 3.5, 29.5, 18.5), "normalizer_px": 20.0},
        "attributes": voc_tree.FLAGS,
    },
    # Found by its bounds among two people; VOC's own box is wider.
    ("voc2011_keypoints", "person/2008_000001_0"): {"points": {"Nose": (5, 3)}, "box": (1.5, 0.5, 13.5, 21.5)},
    ("voc2012_segmentation", "2007_000032"): {"category": "scene", "box": None, "names": ()},
}


@pytest.mark.parametrize(("name", "source_id"), FIELDS)
def test_records_have_the_fields_of_their_annotation(name: str, source_id: str, tmp_path: Path):
    RELEASES[name].write(tmp_path)
    record = entries_of(name, tmp_path)[source_id]
    assert isinstance(record, Record)
    named = dict(zip(record.names, record.points, strict=True))
    for field, expected in FIELDS[name, source_id].items():
        found = named if field == "some" else getattr(record, field)
        if isinstance(expected, dict) and field == "points":
            assert {joint for joint, point in named.items() if not np.isnan(point).any()} == {*expected}
        if isinstance(expected, dict) and field in ("points", "some"):
            found = np.array([named[joint] for joint in expected])
            expected = np.array(list(expected.values()), float)
        elif isinstance(expected, set):
            found = {joint for joint, visible in zip(record.names, found, strict=True) if visible}
        if isinstance(expected, np.ndarray | float):
            np.testing.assert_allclose(found, expected, atol=1e-12, rtol=1e-12, err_msg=field)
        else:
            assert found == expected, field


def gone(*names: str) -> Change:
    """Remove files or folders."""

    def change(folder: Path) -> None:
        for path in (folder / name for name in names):
            (shutil.rmtree if path.is_dir() else Path.unlink)(path)

    return change


def typed(name: str, *changes: tuple[str, str]) -> Change:
    """Replace texts in a file."""

    def change(folder: Path) -> None:
        text = (folder / name).read_bytes().decode()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        write_texts(folder, {name: text})

    return change


def text(name: str, content: str) -> Change:
    return lambda folder: write_texts(folder, {name: content})


def mat(name: str, **variables: Any) -> Change:
    return lambda folder: write_mat(folder / name, variables)


def resized(name: str, height: int) -> Change:
    return lambda folder: voc_tree.write_image(folder / name, height=height)


def flic_example(**changes: Any) -> Change:
    return mat("FLIC/examples.mat", examples=structs(example("film-one-0001.jpg") | changes))


def mpii_release(*people: dict[str, Any], **changes: Any) -> Change:
    """Write MPII's release anew, with other people in the first frame or other fields."""
    if people:
        first = releases.mpii_frame("a.jpg", releases.mpii_person(), *people)
        changes["annolist"] = structs(first, *releases.MPII_FRAMES[1:])
    return lambda folder: releases.write_mpii(folder, **changes)


def mpii_points(*joints: dict[str, Any]) -> dict[str, Any]:
    return {"annopoints": structs({"point": structs(*joints)})}


def lfpw_image(folder: Path) -> None:
    """Write one row of LFPW, and an image that ends above the chin."""
    releases.write_lfpw_tables(folder, [releases.lfpw_row("http://example.org/a.jpg")], [])
    voc_tree.write_image(folder / "train" / "a.jpg", width=90, height=74)
    (folder / "train" / "train000001.png").unlink()


def lfpw_links(*links: str) -> Change:
    return lambda folder: releases.write_lfpw_tables(folder, [releases.lfpw_row(link) for link in links], [])


def changed_json(name: str, change: Callable[[dict[str, Any]], object]) -> Change:
    def write(folder: Path) -> None:
        path = folder / name
        stored = json.loads(path.read_text())
        change(stored)
        path.write_text(json.dumps(stored))

    return write


def ap10k_json(place: int, **changes: Any) -> Change:
    return changed_json(AP10K_JSON, lambda stored: stored["annotations"][place].update(changes))


FRAME, LFW_TEXT, MAIN = "film-one-0001.jpg#0", "lfw_attributes.txt", f"{VOC}/ImageSets/Main"
CAR_XML, CAR = "annotations/car/2008_000001_2.xml", "car/2008_000001_2"
PASCAL_MAT = f"{releases.PASCAL_ROOT}/Annotations/bus/2008_000001.mat"
SPAIR_JSON = "SPair-71k/ImageAnnotation/cat/2008_000001.json"
AP10K_JSON = "ap-10k/annotations/ap10k-train-split1.json"
LFPW_TABLE = "kbvt_lfpw_v1_train.csv"
HELEN_1 = "annotation/1.txt"
MPII_POINT = releases.mpii_joint(9, 25.5, 4.25, EMPTY)
# What makes no record, and why.
FLIC_IMAGE, SEGMENTED_IMAGE = "FLIC/images/film-one-0001.jpg", f"{SEGMENTED}/JPEGImages/2007_000033.jpg"
CAT_IMAGE, CAR_IMAGE = "SPair-71k/JPEGImages/cat/2008_000001.jpg", f"{VOC}/JPEGImages/2008_000001.jpg"
EYES, LFPW_LINK = ("22.000000 23.000000", "6.000000 11.000000"), "http://example.org"
NO_POINTS = {"kps": np.full((3, 2), np.nan), "bbox": np.array([1.0, 2, 3, 4])}
ABSENT: dict[str, list[tuple[Change, str, str]]] = {
    "flic": [
        (resized(FLIC_IMAGE, 20), FRAME, r"^the frame is \(20, 40\) and was annotated at \(32, 40\)$"),
        (flic_example(filepath="../examples.mat"), "../examples.mat#0", "must be a path inside the folder"),
    ],
    "helen": [
        (
            *(typed("testnames.txt", ("30427236_1", "999_1")), "30427236_1"),
            r"^it is in neither trainnames\.txt nor testnames\.txt$",
        )
    ],
    "three_hundred_w": [(typed("ibug/image_092 _01.pts", EYES), "ibug/image_092 _01", "normalizer 0.0")],
    "lfpw": [
        # The chin is at (68, 74.5); the highest pixel centre of 74 rows is 73.
        (lfpw_image, "train000001", r"^a visible point is outside a\.jpg, another image$"),
        # A file name of two links is not trusted.
        (
            *(lfpw_links(f"{LFPW_LINK}/1/b.jpg", f"{LFPW_LINK}/2/b.jpg"), "train000002"),
            "the image of http://example.org/2/b.jpg is not in the folder train",
        ),
        *(
            (lfpw_links(f"{LFPW_LINK}/0.jpg", link), "train000002", "is not in the folder train")
            for link in (
                f"{LFPW_LINK}/a/../../../etc/passwd",
                f"{LFPW_LINK}/%2e%2e%2f%2e%2e%2fetc%2fpasswd%00.jpg",
                *(f"{LFPW_LINK}/", "http://[broken/a.jpg", "no link"),
            )
        ),
    ],
    "mpii": [
        (mpii_release(), "c.jpg", "^no person is annotated in it$"),
        *(
            (mpii_release(releases.mpii_person(**changes)), "a.jpg#1", reason)
            for changes, reason in (
                ({"scale": "tall"}, r"annorect\(2\)\.scale is the text 'tall'"),
                (mpii_points(releases.mpii_joint(16, 1.0, 1.0, 1.0)), r"point\(1\) has the id 16\.0; 0 to 15"),
                (mpii_points(MPII_POINT, MPII_POINT), r"point\(2\) has the id 9\.0; 0 to 15 once each"),
                ({"x2": 21.0}, "has no area"),
            )
        ),
    ],
    "pf_willow": [
        (gone(f"{WILLOW}/car(M)/b_2.mat"), "car(M)/b_2", r"^b_2\.mat is missing$"),
        (mat(f"{WILLOW}/duck(S)/a_1.mat", pts_coord=np.ones((2, 10))), "duck(S)/a_1", "has no area"),
    ],
    "pf_pascal": [(mat(PASCAL_MAT, **NO_POINTS), "bus/2008_000001", "^it has no keypoint$")],
    "spair71k": [
        (lambda folder: None, "cow/2008_000009", "^it is in no pair of Layout/large$"),
        (resized(CAT_IMAGE, 41), "cat/2008_000001", r"^2008_000001\.jpg is not of the size in its annotation$"),
    ],
    "ap10k": [
        (
            *(resized("ap-10k/data/000000000002.jpg", 41), "000000000002.jpg#8"),
            r"^000000000002\.jpg is not of the size in its annotation$",
        ),
        (
            *(typed(AP10K_JSON, ("000000000002.jpg", "../a.jpg")), "../a.jpg#8"),
            "'../a.jpg' must be a path inside the folder",
        ),
        (ap10k_json(2, bbox=[3, 2, 20, 0]), "000000000002.jpg#8", "has no area"),
    ],
    "voc2011_keypoints": [
        (change, CAR, reason)
        for change, reason in (
            (typed(CAR_XML, ("<image>2008_000001", "<image>2008_000002")), "a car in 2008_000002"),
            (typed(CAR_XML, ("<category>car", "<category>bus")), "it is of a bus in 2008_000001"),
            (typed(CAR_XML, ('xmin="11.00"', ""), ("<voc_id>2<", "<voc_id>9<")), "it has no bounds"),
            (typed(CAR_XML, ("R_TailLight", "Wing")), "'Wing' is no keypoint of a car"),
            (typed(CAR_XML, ("R_TailLight", "L_HeadLight")), "it has L_HeadLight twice"),
            (typed(CAR_XML, ("<keypoint ", "<hint ")), "it has no keypoint"),
            (resized(CAR_IMAGE, 41), r"^2008_000001\.jpg is not of the size in VOC's annotation$"),
            (
                text(f"{MAIN}/train.txt", "2008_000009\n"),
                "^2008_000001 is in neither list of VOC's ImageSets/Main$",
            ),
        )
    ],
    "voc2012_segmentation": [
        (
            *(gone(f"{SEGMENTED}/SegmentationClass/2007_000039.png"), "2007_000039"),
            r"^SegmentationClass/2007_000039\.png is missing$",
        ),
        (resized(SEGMENTED_IMAGE, 41), "2007_000033", r"^2007_000033\.png has another size than its image$"),
    ],
}


@pytest.mark.parametrize(
    ("name", "change", "source_id", "reason"),
    [(name, *case) for name, cases in ABSENT.items() for case in cases],
)
def test_annotations_that_make_no_record_are_named(
    name: str, change: Change, source_id: str, reason: str, tmp_path: Path
):
    RELEASES[name].write(tmp_path)
    change(tmp_path)
    entry = entries_of(name, tmp_path)[source_id]
    assert isinstance(entry, Absent)
    assert re.search(reason, entry.reason)


def lfw_text(content: str) -> Change:
    return text(LFW_TEXT, content)


HEADER, ROWS = releases.LFW_HEADER, releases.LFW_ROWS
KIT = "ILSVRC2012_validation_ground_truth.txt"
LFPW_HEADER = releases.LFPW_HEADER
JOINT_SHAPES = r"joints\.mat.*joints is "
# What stops a reader, and what it says.
REFUSED: dict[str, list[tuple[Change, str]]] = {
    "flic": [
        (flic_example(coords=np.zeros((2, 11))), r"examples\(1\)\.coords is \(2, 11\); \(2, 29\) is expected"),
        (flic_example(imgdims=np.array([[np.nan, 720, 3]])), "imgdims must be positive"),
        (flic_example(coords=np.full((2, 29), np.inf)), r"examples\(1\)\.coords is larger than any image"),
        (flic_example(filepath=3.0), r"examples\(1\)\.filepath is 3\.0; text is expected"),
        (mat("FLIC/examples.mat", joints=1.0), "has no 'examples'; it has joints"),
    ],
    "helen": [
        (typed("testnames.txt", ("30427236_1", "232194_1")), "232194_1 is listed twice"),
        (gone("annotation"), r"annotation holds no <n>\.txt"),
        (
            text("annotation/10.txt", releases.helen_annotation("232194_1")),
            r"10\.txt is of the same image as 1\.txt, 232194_1",
        ),
        (typed(HELEN_1, ("232194_1", "../232194_1")), r"1\.txt.*plain name"),
        (text(HELEN_1, releases.helen_annotation("a")[:900]), r"1\.txt.*194 lines"),
        (typed(HELEN_1, ("\n3.25 , 5.00", "\n3.25 , x")), r"1\.txt.*could not convert"),
        (typed(HELEN_1, (",", " ")), r"1\.txt.*with a comma"),
        (text(HELEN_1, "\ufeff"), r"1\.txt.*194 lines"),
    ],
    "three_hundred_w": [
        (gone("ibug/image_092 _01.pts"), r"ibug holds no \.pts files"),
        (text("ibug/image_092 _01.pts", "version: 1\n"), r"image_092 _01\.pts is cut short"),
    ],
    "lfpw": [
        (gone("train", "test"), "neither folder train"),
        (text(LFPW_TABLE, LFPW_HEADER.replace("\t", ",")), "imgurl, worker, and three columns"),
        (typed(LFPW_TABLE, ("chin_y", "chin")), "chin_x or chin_y is not in its place"),
        (text(LFPW_TABLE, LFPW_HEADER.removesuffix("\tchin_t")), "the first line is cut short"),
        (
            text(LFPW_TABLE, f"{LFPW_HEADER}\n{releases.lfpw_row('a')[:-3]}"),
            r"row 1 has 106 fields; 107 are expected",
        ),
        (
            text(
                LFPW_TABLE,
                "\n".join(
                    (LFPW_HEADER, releases.lfpw_row("a", "w"), releases.lfpw_row("a").replace("74.5", "x"))
                ),
            ),
            "row 2: could not convert",
        ),
    ],
    "lfw": [
        (gone("lfw"), "none of the folders lfw, lfw_funneled"),
        (lfw_text("# LFW\n" + ROWS), "person, imagenum"),
        (lfw_text(ROWS), "person, imagenum"),
        (lfw_text(HEADER.replace("Male", "imagenum") + ROWS), "person, imagenum"),
        (lfw_text(HEADER + "Aaron Eckhart\t1\t2\n"), "line 3 has 3 fields; 4 are expected"),
        (typed(LFW_TEXT, ("1.568", "x")), r"lfw_attributes\.txt.*line 3: could not convert"),
        (typed(LFW_TEXT, ("\t12\t", "\t1.5\t")), "line 4: '1.5' is no number"),
        (typed(LFW_TEXT, ("\t12\t", "\tnan\t")), "line 4: 'nan' is no number"),
        (typed(LFW_TEXT, ("\t12\t", "\t0\t")), "line 4: '0' is no number"),
        (lfw_text(HEADER + ROWS + ROWS), "line 6: Aaron_Eckhart_0001 comes twice"),
        (typed(LFW_TEXT, ("Abdel Aziz", "..")), "plain name"),
    ],
    "mtfl": [
        (text("testing.txt", releases.MTFL_TRAINING), "name an image twice"),
        (typed("training.txt", ("lfw_5590\\", "..\\")), r"training\.txt.*plain name"),
        (typed("training.txt", (" 7.25", "")), r"training\.txt.*line 1 has 14 fields; 15 are expected"),
        (typed("training.txt", (" 7.25", " x")), r"training\.txt.*line 1: could not convert"),
    ],
    "imagenet_validation": [
        (gone("meta.mat"), r"meta\.mat does not exist"),
        (text(KIT, "2\n3\n"), f"{KIT}.*'3' is not the number"),
        (text(KIT, "x\n"), f"{KIT}.*'x' is not the number"),
        (text(KIT, ""), f"{KIT}.*is empty"),
    ],
    "mpii": [
        (gone("v1_u12_2"), r"mpii_human_pose_v1_u12_1\.mat is expected"),
        (mpii_release(img_train=np.ones((1, 2))), "different lengths"),
        (
            mpii_release(annolist=structs(*releases.MPII_FRAMES[:2], releases.MPII_FRAMES[0])),
            r"have a\.jpg#0 twice",
        ),
        (mpii_release(single_person=EMPTY), "cells are expected"),
    ],
    "lsp": [
        (mat("joints.mat", joints=np.zeros((2, 14, 5))), JOINT_SHAPES + r"\(2, 14, 5\); \(3, 14, n\) of LSP"),
        (mat("joints.mat", joints=np.zeros((3, 14))), JOINT_SHAPES + r"\(3, 14\)"),
        (mat("joints.mat", joints=np.full((3, 14, 2), 0.5)), r"joints\.mat.*a third value of 0 or 1"),
        (mat("joints.mat", joints=np.full((3, 14, 2), np.nan)), r"joints\.mat.*must have finite positions"),
    ],
    "pf_willow": [
        (gone(f"{WILLOW}/winebottle(wC)"), r"no folder winebottle\(wC\); was PF-WILLOW unpacked"),
        *(
            (mat(f"{WILLOW}/car(G)/a_1.mat", **variables), r"a_1\.mat.*pts_coord")
            for variables in (
                {"pts_coord": np.zeros((10, 2))},
                {"pts_coord": np.full((2, 10), np.nan)},
                {"pts": np.zeros((2, 10))},
            )
        ),
    ],
    "pf_pascal": [
        (mat(PASCAL_MAT, **({"kps": np.ones((4, 2)), "bbox": np.array([1.0, 2, 3, 4])} | change)), sentence)
        for change, sentence in (
            ({"kps": np.zeros((4, 3))}, r"2008_000001\.mat: .*kps is "),
            ({"kps": np.zeros((31, 2))}, r"2008_000001\.mat: .*kps is "),
            ({"kps": np.full((2, 2), np.inf)}, r"2008_000001\.mat: .*kps is "),
            ({"bbox": np.zeros((1, 3))}, r"2008_000001\.mat: .*bbox is "),
            ({"bbox": np.array([9.0, 9, 2, 2])}, r"2008_000001\.mat: .*no area"),
            ({"bbox": np.full(4, np.nan)}, r"2008_000001\.mat: .*four finite numbers"),
        )
    ],
    "spair71k": [
        (gone("SPair-71k/Layout/large/val.txt"), r"large/val\.txt does not exist"),
        *(
            (changed_json(SPAIR_JSON, change), r"2008_000001\.json")
            for change in (
                lambda stored: stored.pop("bndbox"),
                lambda stored: stored.update(bndbox=[1, 2, 3]),
                lambda stored: stored.update(bndbox=[9, 9, 1, 1]),
                lambda stored: stored.pop("kps"),
                lambda stored: stored.update(kps=[[1, 2]]),
                lambda stored: stored["kps"].update({"30": [1, 2]}),
                lambda stored: stored["kps"].update({"1": [1]}),
                lambda stored: stored.update(image_width="wide"),
                lambda stored: stored.update(image_width=float("inf")),
            )
        ),
        (text(SPAIR_JSON, "[]"), r"2008_000001\.json is damaged, or is no "),
    ],
    "ap10k": [
        (gone("ap-10k/annotations/ap10k-val-split1.json"), r"ap10k-val-split1\.json does not exist"),
        (text(AP10K_JSON, "[]"), r"train-split1\.json is damaged, or is no annotation of AP-10K"),
        (typed(AP10K_JSON, ("left_hip", "hip")), r"train-split1\.json: .* hip, .* left_hip, .* are expected"),
        (typed(AP10K_JSON, ('"width"', '"across"')), r"annotation 8, with its image .* has no 'width'"),
        (typed(AP10K_JSON, ('"black bear"', "null")), "annotation 8, .* has name None; text is expected"),
        *(
            (ap10k_json(0, **change), sentence)
            for change, sentence in (
                ({"keypoints": [0, 0, 0]}, "annotation 9 has 3 numbers in keypoints; 51 are expected"),
                ({"keypoints": [3] * 51}, "a visibility in keypoints other than 0, 1 and 2"),
                ({"category_id": 7}, "annotation 9 has category_id 7, which none of the categories has"),
                ({"bbox": None}, "annotation 9 has bbox None"),
                ({"id": 6}, "two of its annotations have the id 6"),
            )
        ),
    ],
    "voc2011_keypoints": [
        (gone("annotations"), r"annotations holds no <class>/<image>_<n>\.xml"),
        (typed(CAR_XML, ('x="12.00"', 'x="far"')), r"2008_000001_2\.xml.*'x' .* is 'far'"),
        (typed(CAR_XML, ("<image>2008_000001</image>", "")), r"2008_000001_2\.xml.*has no <image>"),
    ],
    "voc2012_segmentation": [
        (gone(f"{SEGMENTED}/ImageSets/Segmentation/val.txt"), r"Segmentation/val\.txt does not exist")
    ],
}


@pytest.mark.parametrize(
    ("name", "change", "sentence"), [(name, *case) for name, cases in REFUSED.items() for case in cases]
)
def test_releases_of_another_layout_are_refused(name: str, change: Change, sentence: str, tmp_path: Path):
    RELEASES[name].write(tmp_path)
    change(tmp_path)
    with pytest.raises(InputError, match=sentence):
        list(DATASETS[name].read(tmp_path))
