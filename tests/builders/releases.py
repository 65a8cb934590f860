"""A tiny official release of every catalogued data set, and what its reader finds there."""

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from convcorr_jax.datasets.official import ap10k, imagenet, lfpw, mpii, pf_willow
from tests.builders import flic_tree, leeds_tree, voc_tree, willow_tree
from tests.builders.mat_files import EMPTY, cells, structs, write_mat

HIDDEN = b"\0\5\26\7"
"""The beginning of the files ``._<name>`` that archives of Macs hold beside their files."""


def write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files by their names, as they stand."""
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())


def write_images(folder: Path, *names: str, size: tuple[int, int]) -> None:
    """Write images of this height and width."""
    for name in names:
        voc_tree.write_image(folder / name, height=size[0], width=size[1])


FACE_SIZE = (32, 40)
"""Height and width of the images of `write_face`."""


def points_68(*, seed: int = 0) -> np.ndarray:
    """Return 1-based points as 300-W has them; the outer eye corners are 20 apart."""
    points = np.random.default_rng(seed).uniform(3, 30, (68, 2)).round(3)
    points[36], points[45] = (6, 11), (22, 23)
    return points


def write_face(folder: Path, name: str, *, ending: str = ".jpg", seed: int = 0) -> None:
    """Write a ``.pts`` file of 68 points, and an image of this ending beside it."""
    rows = "\n".join(f"{x:.6f} {y:.6f}" for x, y in points_68(seed=seed))
    write_texts(folder, {f"{name}.pts": f"version: 1\nn_points:  68\n{{\n{rows}\n}}\n"})
    write_images(folder, f"{name}{ending}", size=FACE_SIZE)


def helen_points() -> np.ndarray:
    """Points at x = their number and a quarter, y = 5; the eyes' at (100, 8) and (70, 48), 50 apart."""
    points = np.stack([np.arange(194) + 0.25, np.full(194, 5.0)], axis=1)
    points[114:134], points[134:154] = (100, 8), (70, 48)
    return points


def helen_annotation(name: str) -> str:
    """Return the text of Helen's annotation of an image."""
    return "\n".join([name, *(f"{x:.2f} , {y:.2f}" for x, y in helen_points())]) + "\n"


def _write_helen(folder: Path) -> None:
    images = {1: "train_1/232194_1", 2: "test/30427236_1", 10: "train_4/1629243_1"}
    texts = {f"annotation/{n}.txt": helen_annotation(Path(name).name) for n, name in images.items()}
    texts |= {"trainnames.txt": "1629243_1\r\n232194_1\r\n", "testnames.txt": "30427236_1\n"}
    write_texts(folder, texts)
    write_images(folder, *(f"{name}.jpg" for name in images.values()), size=(64, 210))


def _write_halves(folder: Path) -> None:
    for face in ("testset/b", "trainset/c", "trainset/a"):
        write_face(folder / Path(face).parent, Path(face).name)


def _write_300w(folder: Path) -> None:
    write_face(folder / "ibug", "image_092 _01", seed=1)
    (folder / "ibug" / "._image_092 _01.pts").write_bytes(HIDDEN)
    write_face(folder / "300W" / "02_Outdoor", "outdoor_001", ending=".png")
    write_face(folder / "300W" / "01_Indoor", "indoor_001", ending=".png")
    for number in (2, 1):
        write_face(folder / "lfpw" / "trainset", f"image_000{number}", ending=".png")
    write_face(folder / "helen" / "testset", "30427236_1", ending=".JPG")


# The release's 35 points: the ears come between the mouth and the chin.
_EARS = [f"{side}_ear_{part}" for part in ("top", "bottom", "canal") for side in ("left", "right")]
_LFPW_NAMES = [*lfpw.NAMES[:28], *_EARS, "chin"]
LFPW_HEADER = "\t".join(["imgurl", "worker", *(f"{name}_{axis}" for name in _LFPW_NAMES for axis in "xyt")])


def lfpw_row(url: str, worker: str = "average", *, shift: float = 0.0, chin_type: str = "0") -> str:
    """Return a row with point k at (2 k + shift, k + 40.5) and the pupils at (10, 20) and (40, 60)."""
    fields = [url, worker]
    for index, name in enumerate(_LFPW_NAMES):
        x, y = 2 * index + shift, index + 40.5
        if name.endswith("pupil"):
            x, y = (10, 20) if name.startswith("left") else (40, 60)
        fields += [f"{x}", f"{y}", chin_type if name == "chin" else "0"]
    return "\t".join(fields)


def write_lfpw_tables(folder: Path, train: list[str], test: list[str]) -> None:
    """Write both tables of LFPW."""
    for split, rows in (("train", train), ("test", test)):
        write_texts(folder, {f"kbvt_lfpw_v1_{split}.csv": "\n".join([LFPW_HEADER, *rows]) + "\n"})


def _write_lfpw(folder: Path) -> None:
    a, b, c = (f"http://www.example.org/pictures/{name}.jpg" for name in "abc")
    workers = [lfpw_row(a, f"worker_{k}", shift=k + 1) for k in range(3)]
    write_lfpw_tables(
        folder, [*workers, lfpw_row(a), lfpw_row(b, chin_type="1")], [lfpw_row(c, chin_type="0.5")]
    )
    write_images(folder, "train/train000001.png", "train/b.jpg", "test/test000001.jpg", size=(80, 90))


LFW_HEADER = "# LFW Attributes v1.2 - lfw_attributes.txt\n#\tperson\timagenum\tMale\t5 o' Clock Shadow\n"
LFW_ROWS = "Aaron Eckhart\t1\t1.568\t-0.25\nAbdel Aziz Al-Hakim\t12\t2\t1e-3\nAaron Eckhart\t2\t-1\t3\n"
_LFW_IMAGES = ("Aaron_Eckhart/Aaron_Eckhart_0001.jpg", "Abdel_Aziz_Al-Hakim/Abdel_Aziz_Al-Hakim_0012.jpg")


def write_lfw(folder: Path, *, images: str = "lfw") -> None:
    """Write LFW without the last of the three faces."""
    write_texts(folder, {"lfw_attributes.txt": LFW_HEADER + LFW_ROWS})
    write_images(folder / images, *_LFW_IMAGES, size=(20, 24))


# Backslashes in one list, slashes in the other, and a space before all lines but the first.
MTFL_TRAINING = (
    "lfw_5590\\Ada_Lovelace_0001.jpg 7.25 37.25 26.25 6.25 40.75 8.75 48.75 43.75 58.75 62.75 2 1 2 4\n"
    " net_7876\\0_1.jpg 5 9 7 5 9 1 2 3 4 5 1 2 1 1\n \n"
)


def _write_mtfl(folder: Path) -> None:
    testing = "AFLW/0001-image20056.jpg 5 9 7 5 9 1 2 3 4 5 1 1 2 3\n"
    write_texts(folder, {"training.txt": MTFL_TRAINING, "testing.txt": testing})
    write_images(folder, "lfw_5590/Ada_Lovelace_0001.jpg", "AFLW/0001-image20056.jpg", size=(64, 70))


IMAGENET_IMAGES = tuple(f"ILSVRC2012_val_{number:08d}.JPEG" for number in (1, 2, 3))


def write_imagenet(folder: Path, *, kit: str = ".", images: str = ".") -> None:
    """Write images, and the development kit, whose order is not that of the WordNet ids."""
    write_texts(folder, {f"{kit}/{imagenet.GROUND_TRUTH}": "2\n1\n2\n"})
    synsets = structs(
        {"ILSVRC2012_ID": 1.0, "WNID": "n02119789", "words": "kit fox"},
        {"ILSVRC2012_ID": 2.0, "WNID": "n01440764", "words": "tench"},
        {"ILSVRC2012_ID": 1001.0, "WNID": "n00004475", "words": "all"},
    )
    write_mat(folder / kit / "meta.mat", {"synsets": synsets.T})
    write_images(folder / images, *IMAGENET_IMAGES, size=(20, 24))


def _write_flic(folder: Path) -> None:
    flic_tree.write_release(
        folder / "FLIC",
        flic_tree.example("film-one-0001.jpg"),
        flic_tree.example("film-one-0001.jpg", train=0, test=1, behind=True),
        flic_tree.example("film-two-0002.jpg", train=0),
    )


def mpii_joint(number: int, x: float, y: float, mark: object) -> dict[str, Any]:
    """Return a joint of MPII; the mark states whether it is visible."""
    return {"id": float(number), "x": x, "y": y, "is_visible": mark}


_BOX = {"x1": 21.0, "y1": 5.0, "x2": 33.0, "y2": 14.0}


def mpii_person(**changes: Any) -> dict[str, Any]:
    """Return a person with marks of all kinds, of whom some fields may be changed."""
    joints = [
        *(mpii_joint(9, 25.5, 4.25, EMPTY), mpii_joint(0, 30.0, 41.0, np.uint8(1))),
        *(mpii_joint(13, 35.0, 17.0, "1"), mpii_joint(12, 19.0, 18.0, "0")),
        mpii_joint(10, 12.0, 29.0, np.uint8(0)),
    ]
    known = {"annopoints": structs({"point": structs(*joints)}), "scale": 0.25}
    return {**_BOX, **known, "objpos": structs({"x": 27.0, "y": 22.0})} | changes


def mpii_frame(name: str, *people: dict[str, Any]) -> dict[str, Any]:
    """Return a frame and its people."""
    return {"image": structs({"name": name}), "annorect": structs(*people) if people else EMPTY, "vidx": 1.0}


MPII_FRAMES = (
    mpii_frame(
        "a.jpg",
        mpii_person(),
        mpii_person(annopoints=EMPTY, scale=EMPTY, objpos=EMPTY, **dict.fromkeys(_BOX, EMPTY)),
    ),
    mpii_frame("b.jpg", {"scale": 1.5, "objpos": structs({"x": 11.0, "y": 12.0})}),
    mpii_frame("c.jpg"),
)


def write_mpii(folder: Path, **changes: Any) -> None:
    """Write MPII's release with some fields changed, and its frames."""
    release = {
        "annolist": structs(*MPII_FRAMES),
        "img_train": np.array([[1, 0, 1]], np.uint8),
        "single_person": cells(np.array([[2.0]]), 1.0, EMPTY),
        "version": "12",
    }
    write_mat(folder / "v1_u12_2" / mpii.RELEASE_FILE, {"RELEASE": structs(release | changes)})
    write_images(folder / "images", *(f"{name}.jpg" for name in "abc"), size=(48, 64))


# Person and joint that LSP hides and LSPET lacks.
LEEDS_FLAGS = ((0, 3), (2, 0))


def _write_willow(folder: Path) -> None:
    willow_tree.write_pf_willow_release(folder)
    (folder / willow_tree.ROOT / "car(G)" / "._a_1.mat").write_bytes(HIDDEN)


PASCAL_ROOT = "PF-dataset-PASCAL"
PASCAL_HEADING = "source_image,target_image,class,XA,YA,XB,YB\n"
PASCAL_LINE = (
    "PF-dataset-PASCAL/JPEGImages/2008_000001.jpg,PF-dataset-PASCAL/JPEGImages/2008_000002.jpg,7,"
    "5.5;30.0,7.0;12.25,6.0;31.0,7.5;13.0\n"
)


def _write_pascal(folder: Path) -> None:
    absent = [np.nan, np.nan]
    keypoints = {
        "car/2008_000001": [[5.5, 7.0], absent, [30.0, 12.25], [8.0, 9.0]],
        "car/2008_000002": [[6.0, 7.5], [21.0, 22.0], [31.0, 13.0], absent],
        "bus/2008_000001": [[2.0, 3.0], [4.0, 5.5]],
    }
    root = folder / PASCAL_ROOT
    for name, points in keypoints.items():
        variables = {"kps": np.array(points), "bbox": np.array([[2.0, 3.0, 39.0, 20.0]])}
        write_mat(root / "Annotations" / f"{name}.mat", variables)
        voc_tree.write_image(root / "JPEGImages" / f"{name.split('/')[1]}.jpg")
    (root / "Annotations" / "car" / "._2008_000001.mat").write_bytes(HIDDEN)
    write_texts(root, {"test_pairs_pf_pascal.csv": PASCAL_HEADING + PASCAL_LINE})


SPAIR_KEYPOINTS = {
    "cat/2008_000001": {"0": [5, 7], "3": [9, 11]},
    "cat/2008_000002": {"0": [6, 8], "4": [9, 12]},
    "cow/2008_000001": {"29": [1, 2]},
    "cow/2008_000009": {"0": [1, 2]},
}
_SPAIR_LISTS = {
    "trn": ["000001-2008_000001-2008_000002:cat", "000002-2008_000002-2008_000001:cat"],
    "val": ["000003-2008_000001-2008_000001:cow"],
    "test": ["000004-2008_000001-2008_000001:cow"],
}


def write_spair_image(root: Path, image: str, keypoints: Mapping[str, Any]) -> None:
    """Write an image of SPair-71k and its annotation."""
    category, name = image.split("/")
    stored = {
        **{"filename": f"{name}.jpg", "image_width": voc_tree.WIDTH, "image_height": voc_tree.HEIGHT},
        **{"image_depth": 3, "category": category, "pose": "Left", "truncated": 0, "occluded": 1},
        **{"difficult": 0, "bndbox": [3, 5, 40, 25], "azimuth_id": 7},
        "kps": {str(number): None for number in range(30)} | dict(keypoints),
    }
    voc_tree.write_image(root / "JPEGImages" / f"{image}.jpg")
    write_texts(root / "ImageAnnotation", {f"{image}.json": json.dumps(stored)})


def _write_spair(folder: Path) -> None:
    root = folder / "SPair-71k"
    for image, keypoints in SPAIR_KEYPOINTS.items():
        write_spair_image(root, image, keypoints)
    (root / "ImageAnnotation" / "cat" / "._2008_000001.json").write_bytes(HIDDEN)
    for split, lines in _SPAIR_LISTS.items():
        voc_tree.write_list(root / "Layout" / "large" / f"{split}.txt", lines)


AP10K_LIONS = ((1, 11, "lion", range(17)), (4, 10, "lion", range(4, 17)))
_AP10K = {
    "train": ((9, 4, "lion", range(17)), (6, 4, "lion", (0,)), (8, 2, "black bear", (1, 2, 4))),
    "val": ((5, 3, "lion", range(3)),),
    "test": AP10K_LIONS,
}


def write_ap10k_split(root: Path, split: str, *animals: tuple[int, int, str, Collection[int]]) -> None:
    """Write a split of AP-10K: of each animal the ids of annotation and image, species and visible keypoints.

    Keypoint k of the annotation n is at (n + k, k + 1). A right back paw that is not visible is hidden.
    """
    species = sorted({animal[2] for animal in animals})
    files = {image: f"{image:012}.jpg" for _, image, *_ in animals}
    sizes = {"width": voc_tree.WIDTH, "height": voc_tree.HEIGHT, "license": 1, "background": 5}
    annotations = []
    for number, image, name, seen in animals:
        flags = [2 if k in seen else int(k == 16) for k in range(17)]
        rows = [(flag and number + k, flag and k + 1, flag) for k, flag in enumerate(flags)]
        stated = {"id": number, "image_id": image, "category_id": species.index(name) + 1}
        # No area, and a count that may be wrong: neither is read.
        more = {"bbox": [3, 2, 20, 25], "num_keypoints": 17, "keypoints": sum(rows, ())}
        annotations.append({"area": 0, "iscrowd": 0} | stated | more)
    known = {"supercategory": "Felidae", "keypoints": ap10k.NAMES, "skeleton": [[1, 2]]}
    content = {
        "images": [{"id": image, "file_name": name} | sizes for image, name in files.items()],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} | known for number, name in enumerate(species, start=1)],
    }
    write_texts(root / "annotations", {f"ap10k-{split}-split1.json": json.dumps(content)})
    write_images(root / "data", *files.values(), size=(voc_tree.HEIGHT, voc_tree.WIDTH))


def _write_ap10k(folder: Path) -> None:
    for split, animals in _AP10K.items():
        write_ap10k_split(folder / "ap-10k", split, *animals)


_VOC_CAR = """<?xml version="1.0" encoding="utf-8"?>
<annotation><image>2008_000001</image><voc_id>2</voc_id><category>car</category>
<visible_bounds height="14.00" width="19.00" xmin="11.00" ymin="5.00"/>
<keypoints>
<keypoint name="R_TailLight" visible="0" x="20.50" y="7.25" z="0.00"/>
<keypoint name="L_HeadLight" visible="1" x="12.00" y="9.00" z="0.00"/>
</keypoints></annotation>"""
_VOC_PERSON = """<annotation><image>2008_000001</image><category>person</category>
<visible_bounds height="20.0" width="10.0" xmin="3.0" ymin="2.0"/>
<keypoints><keypoint name="Nose" visible="1" x="6" y="4" z="1.5" zorder="2"/></keypoints></annotation>"""


def _write_voc_keypoints(folder: Path) -> None:
    release = folder / "VOCdevkit" / "VOC2011"
    for split, name in (("train", "2008_000001"), ("val", "2008_000002")):
        voc_tree.write_list(release / "ImageSets" / "Main" / f"{split}.txt", [name])
        voc_tree.write_image(release / "JPEGImages" / f"{name}.jpg")
    voc_tree.write_annotation(
        release / "Annotations" / "2008_000001.xml",
        [("person", (20, 2, 38, 28)), ("car", (11, 5, 30, 19)), ("person", (3, 2, 14, 22))],
    )
    texts = {"car/2008_000001_2.xml": _VOC_CAR, "person/2008_000001_0.xml": _VOC_PERSON}
    write_texts(folder / "annotations", texts | {"car/._2008_000001_2.xml": "\0\5\26\7"})


VOC_LABELS = np.zeros((voc_tree.HEIGHT, voc_tree.WIDTH), np.uint8)
VOC_LABELS[3:9, 5:20], VOC_LABELS[12:, 30:], VOC_LABELS[8:10] = 1, 20, 255


def _write_voc_segmentation(folder: Path) -> None:
    release = folder / "VOCdevkit" / "VOC2012"
    voc_tree.write_list(release / "ImageSets/Segmentation/train.txt", ["2007_000032", "2007_000039"])
    voc_tree.write_list(release / "ImageSets/Segmentation/val.txt", ["2007_000033"])
    for name in ("2007_000032", "2007_000039", "2007_000033"):
        voc_tree.write_image(release / "JPEGImages" / f"{name}.jpg")
        voc_tree.write_labels(release / "SegmentationClass" / f"{name}.png", VOC_LABELS)


class Release(NamedTuple):
    """A tiny release, and what its reader finds there."""

    write: Callable[[Path], object]
    """Writes it into an empty folder."""
    size: tuple[int, int]
    """Height and width of its images."""
    splits: Mapping[str, str | None]
    """The split of every annotation in the reader's order; None if it makes no record."""
    files: tuple[str, ...] = ()
    """Files that are damaged at random."""
    inner: str = "."
    """A folder of the release that may be opened in its place."""


_VOC = (voc_tree.HEIGHT, voc_tree.WIDTH)
_LEEDS = (leeds_tree.HEIGHT, leeds_tree.WIDTH)
_HALVES = {"trainset/a": "train", "trainset/c": "train", "testset/b": "test"}
RELEASES: Mapping[str, Release] = {
    "voc2011_keypoints": Release(
        _write_voc_keypoints,
        _VOC,
        dict.fromkeys(("car/2008_000001_2", "person/2008_000001_0"), "train"),
        ("annotations/car/2008_000001_2.xml", "VOCdevkit/VOC2011/Annotations/2008_000001.xml"),
    ),
    "voc2012_segmentation": Release(
        _write_voc_segmentation,
        _VOC,
        {"2007_000032": "train", "2007_000039": "train", "2007_000033": "val"},
        ("VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt",),
        inner="VOCdevkit/VOC2012",
    ),
    "helen": Release(
        _write_helen,
        (64, 210),
        # By the numbers of the files, not by their letters.
        {"232194_1": "train", "30427236_1": "test", "1629243_1": "train"},
        ("annotation/1.txt", "trainnames.txt"),
    ),
    "helen68": Release(lambda folder: _write_halves(folder / "helen"), FACE_SIZE, _HALVES, inner="helen"),
    "lfpw68": Release(lambda folder: _write_halves(folder / "lfpw"), FACE_SIZE, _HALVES, inner="lfpw"),
    "three_hundred_w": Release(
        _write_300w,
        FACE_SIZE,
        {
            **{"lfpw/trainset/image_0001": "train", "lfpw/trainset/image_0002": "train"},
            **{"helen/testset/30427236_1": "common", "ibug/image_092 _01": "challenging"},
            **{"300W/01_Indoor/indoor_001": "indoor", "300W/02_Outdoor/outdoor_001": "outdoor"},
        },
        ("ibug/image_092 _01.pts",),
    ),
    "lfpw": Release(
        _write_lfpw,
        (80, 90),
        {"train000001": "train", "train000002": "train", "test000001": "test"},
        ("kbvt_lfpw_v1_train.csv",),
    ),
    "lfw": Release(
        write_lfw,
        (20, 24),
        {"Aaron_Eckhart_0001": "all", "Abdel_Aziz_Al-Hakim_0012": "all", "Aaron_Eckhart_0002": None},
        ("lfw_attributes.txt",),
    ),
    "mtfl": Release(
        _write_mtfl,
        (64, 70),
        {
            **{"lfw_5590/Ada_Lovelace_0001.jpg": "train", "net_7876/0_1.jpg": None},
            "AFLW/0001-image20056.jpg": "test",
        },
        ("training.txt",),
    ),
    "imagenet_validation": Release(
        write_imagenet,
        (20, 24),
        {Path(name).stem: "val" for name in IMAGENET_IMAGES},
        (imagenet.GROUND_TRUTH, "meta.mat"),
    ),
    "flic": Release(
        _write_flic,
        (flic_tree.HEIGHT, flic_tree.WIDTH),
        {"film-one-0001.jpg#0": "train", "film-one-0001.jpg#1": "test", "film-two-0002.jpg#2": "unused"},
        ("FLIC/examples.mat",),
        inner="FLIC",
    ),
    "mpii": Release(
        write_mpii,
        (48, 64),
        {"a.jpg#0": "train", "a.jpg#1": "train", "b.jpg#0": "test", "c.jpg": None},
        (f"v1_u12_2/{mpii.RELEASE_FILE}",),
    ),
    "lsp": Release(
        lambda folder: leeds_tree.write_lsp(folder, count=3, hidden=LEEDS_FLAGS),
        _LEEDS,
        {f"im000{number}.jpg": "train" for number in (1, 2, 3)},
        ("joints.mat",),
    ),
    "lspet": Release(
        lambda folder: leeds_tree.write_lspet_release(folder, count=3, absent=LEEDS_FLAGS),
        _LEEDS,
        {f"im0000{number}.jpg": "train" for number in (1, 2, 3)},
        ("joints.mat",),
    ),
    "pf_willow": Release(
        _write_willow,
        _VOC,
        {f"{subset}/{stem}": "test" for subset in pf_willow.SUBSETS for stem in willow_tree.STEMS},
        (f"{willow_tree.ROOT}/car(G)/a_1.mat",),
        inner=willow_tree.ROOT,
    ),
    "pf_pascal": Release(
        _write_pascal,
        _VOC,
        # VOC's order of classes, in which the bus comes first.
        dict.fromkeys(("bus/2008_000001", "car/2008_000001", "car/2008_000002"), "all"),
        (f"{PASCAL_ROOT}/Annotations/car/2008_000001.mat", f"{PASCAL_ROOT}/test_pairs_pf_pascal.csv"),
        inner=PASCAL_ROOT,
    ),
    "spair71k": Release(
        _write_spair,
        _VOC,
        dict(zip(SPAIR_KEYPOINTS, ("train", "train", "test", None), strict=True)),
        ("SPair-71k/ImageAnnotation/cat/2008_000001.json", "SPair-71k/Layout/large/trn.txt"),
        inner="SPair-71k",
    ),
    "ap10k": Release(
        _write_ap10k,
        _VOC,
        # By the ids of images, then of annotations.
        {
            **dict.fromkeys(("000000000002.jpg#8", "000000000004.jpg#6", "000000000004.jpg#9"), "train"),
            **{"000000000003.jpg#5": "val", "000000000010.jpg#4": "test", "000000000011.jpg#1": "test"},
        },
        ("ap-10k/annotations/ap10k-test-split1.json",),
        inner="ap-10k",
    ),
}
"""By the name of the data set."""
