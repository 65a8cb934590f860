"""Tiny compact folders of every layout, with images of one colour, and rendered pairs."""

import itertools
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from convcorr_jax import synthetic
from convcorr_jax.datasets import load_image
from tests.builders import voc_tree
from tests.builders.bad_images import encoded

WIDTH, HEIGHT = 40, 32
FACE_SIDE = 32
"""Width and height of the crops in `write_attributes`."""
CAMVID_META = {"classes": ["sky", "road"], "ignore_index": 255, "splits": {"train": ["b", "a"], "test": ["c"]}}
CAMVID_MASK = np.repeat(np.array([[0, 1, 255, 1]], np.uint8), 5, axis=1).repeat(16, axis=0)


def write_image(path: Path, *, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    """Write a red image of this width and height."""
    voc_tree.write_image(path, width=size[0], height=size[1])


def pf_willow_annotations() -> dict[str, Any]:
    """Return two images, whose ids are not their positions, and both pairs of them."""

    def image(number: int) -> dict[str, Any]:
        return {
            **{"id": number, "file": f"images/{number}.png", "category": "winebottle"},
            **{"source": f"winebottle(M)/{number}.png", "width": WIDTH, "height": HEIGHT},
            **{"keypoints": [[3.5 + number, 1.0], [11.5, 1.0], [7.0, 30.0]], "visible": [1, 0, 1]},
            "bbox": [3.5 + number, 1.0, 11.5, 30.0],
        }

    return {
        "images": [image(7), image(3)],
        "keypoint_names_inferred": {"winebottle": ["top_right", "top_left", "bottom"]},
        "left_right_swap": {"winebottle": [1, 0, 2]},
        "pairs": [["winebottle(M)", 3, 7], ["winebottle(M)", 7, 3]],
    }


def write_pf_willow(folder: Path) -> Path:
    """Write the folder; return its file of annotations."""
    for number in (3, 7):
        write_image(folder / f"images/{number}.png")
    path = folder / "annotations.json"
    path.write_text(json.dumps(pf_willow_annotations()))
    return path


def write_rendered_pairs(folder: Path, *, categories: Sequence[str]) -> Path:
    """Write four rendered cars a category in the layout of PF-WILLOW, two subsets of two; return the folder."""
    entries, pairs = [], []
    for number, (category, index) in enumerate(itertools.product(categories, range(4)), start=10):
        record = synthetic.render("car", seed=5, index=number - 10, size=(96, 128))
        PillowImage.fromarray(load_image(record)).save(folder / f"{number}.png")
        points = record.points[:10]
        entries.append(
            {
                **{
                    "id": number,
                    "file": f"{number}.png",
                    "category": category,
                    "source": f"{category}/{index}",
                },
                **{"width": 128, "height": 96, "keypoints": points.tolist(), "visible": [1] * 10},
                "bbox": [*points.min(axis=0).tolist(), *points.max(axis=0).tolist()],
            }
        )
        subset, other = "AABB"[index], number + (1, -1)[index % 2]
        pairs.append([f"{category}({subset})", number, other])
    annotations = {
        "images": entries,
        "pairs": pairs,
        "keypoint_names_inferred": {name: [f"part {k}" for k in range(10)] for name in categories},
        "left_right_swap": dict.fromkeys(categories),
    }
    (folder / "annotations.json").write_text(json.dumps(annotations), encoding="utf-8")
    return folder


def face_arrays() -> dict[str, np.ndarray]:
    """Return two faces with 68 random landmarks and outer eye corners 20 pixels apart."""
    landmarks = np.random.default_rng(0).uniform(2, 30, (2, 68, 2)).astype(np.float32)
    landmarks[:, 36], landmarks[:, 45] = (5, 10), (25, 10)
    return {
        "files": np.array(["images/train/a.png", "images/test/b.png"]),
        "landmarks": landmarks,
        "split": np.array(["train", "test"]),
        "crop_size": np.array([WIDTH, WIDTH], np.int32),
    }


def _write_arrays(folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    path = folder / "annotations.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def write_faces(folder: Path) -> Path:
    """Write the folder; return its file of annotations."""
    arrays = face_arrays()
    for name in arrays["files"]:
        write_image(folder / name, size=(WIDTH, WIDTH))
    return _write_arrays(folder, arrays)


def attribute_arrays() -> dict[str, np.ndarray]:
    """Return two faces with the five landmarks and the attributes of MTFL."""
    landmarks = np.array([[5, 6], [25, 6], [15, 14], [8, 22], [22, 22]], np.float32)
    return {
        "files": np.array(["images/a.png", "images/b.png"]),
        "landmarks": np.stack([landmarks, landmarks + np.array([1, 2])]).astype(np.float32),
        "attributes": np.array([[1, 2, 2, 3], [2, 1, 1, 5]], np.int8),
        "attribute_names": np.array(["gender", "smile", "glasses", "head_pose"]),
        "suggested_split": np.array(["train", "test"]),
        "crop_size": np.array([FACE_SIDE, FACE_SIDE], np.int32),
    }


def write_attributes(folder: Path, **changed: np.ndarray) -> Path:
    """Write the folder with some arrays changed; return its file of annotations."""
    for stem in "ab":
        write_image(folder / "images" / f"{stem}.png", size=(FACE_SIDE, FACE_SIDE))
    return _write_arrays(folder, attribute_arrays() | changed)


def lspet_arrays() -> dict[str, np.ndarray]:
    """Return two people with random joints, of which the second lacks one."""
    joints = np.random.default_rng(1).uniform(2, 30, (2, 14, 2)).astype(np.float32)
    visible = np.ones((2, 14), bool)
    visible[1, 4] = False
    joints[1, 4] = 0
    people = {"image": np.array(["a.png", "b.png"]), "split": np.array(["train", "test"])}
    people |= {"joints": joints, "visible": visible, "torso": np.array([12.5, 8.0], np.float32)}
    return people | {"size_wh": np.array([[WIDTH, HEIGHT]] * 2, np.int32)}


def write_lspet(folder: Path) -> Path:
    """Write the folder; return its file of annotations."""
    arrays = lspet_arrays()
    for name in arrays["image"]:
        write_image(folder / "images" / name)
    return _write_arrays(folder, arrays)


def write_camvid(folder: Path) -> Path:
    """Write three frames with `CAMVID_MASK` as their label map; return the file of meta data."""
    for stem in "abc":
        write_image(folder / "images" / f"{stem}.jpg", size=(20, 16))
        voc_tree.write_labels(folder / "masks" / f"{stem}.png", CAMVID_MASK)
    path = folder / "meta.json"
    path.write_text(json.dumps(CAMVID_META))
    return path


def jpeg(*, width: int = 24) -> bytes:
    """Return a blue JPEG file, 20 pixels high."""
    return encoded(PillowImage.new("RGB", (width, 20), "blue"), "JPEG")


def write_imagenet_sample(folder: Path, *names: str) -> None:
    """Write a photograph of each name into the folder ``images``."""
    (folder / "images").mkdir(exist_ok=True)
    for name in names:
        (folder / "images" / name).write_bytes(jpeg())


def write_imagenet_archive(folder: Path, *members: str, content: bytes | None = None) -> Path:
    """Write ``images.zip`` with a photograph, or ``content``, in each member; return its path."""
    path = folder / "images.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.writestr(member, jpeg() if content is None else content)
    return path
