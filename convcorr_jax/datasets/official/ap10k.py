"""AP-10K: animals of 54 species in 10015 images, with up to 17 keypoints each.

The release is the folder ``ap-10k``: ``data/<file name>``, and COCO's annotations of keypoints in
``annotations/ap10k-<split>-split<n>.json``. It divides the images three times into train, val and test; the
first division, split 1, is read. A category is a species. Every annotated animal is a record, in the order of
the ids of images and annotations; its ``source_id`` is ``<file name>#<id of the annotation>``.

A keypoint of flag 0 is absent, one of flag 1 hidden and one of flag 2 visible. Left is the animal's own.
The release does not state its first pixel and is read as COCO's annotations are: whole coordinates of keypoints
are centres of pixels, and the box ``[0, 0, w, h]`` is all of an image, from -0.5 to w - 0.5 here. The metric's
length is the longer side of the box, in pixels.

The release fixes no pairs. `read_pairs` takes the images of a split that show one animal, with 3 or more
visible keypoints. Of the m images of a species, in the order of their ids, image i is paired with image
(i + m // 2) mod m, unless fewer than 3 keypoints are visible in both; one image alone has no pair. These are
not the pairs of Zhang et al., "Telling Left from Right", CVPR 2024, who divide the images of a species anew,
leave out those of a list, and test on other pairs: figures are not comparable with published ones.

Source: Yu, Xu, Zhang, Zhao, Guan, Tao, "AP-10K: A Benchmark for Animal Pose Estimation in the Wild", NeurIPS
2021 Datasets and Benchmarks, arXiv:2108.12617; https://github.com/AlexTheBad/AP-10K.
"""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from convcorr_jax import coords
from convcorr_jax.datasets import loading
from convcorr_jax.datasets.poses import coco
from convcorr_jax.datasets.records import Absent, Pair, PairSet, Record, box_lengths
from convcorr_jax.errors import InputError
from convcorr_jax.io import check_fields, image_size, json_file
from convcorr_jax.metrics import PF_PASCAL_BOX

NAMES = (
    *("left_eye", "right_eye", "nose", "neck", "root_of_tail"),
    *("left_shoulder", "left_elbow", "left_front_paw", "right_shoulder", "right_elbow", "right_front_paw"),
    *("left_hip", "left_knee", "left_back_paw", "right_hip", "right_knee", "right_back_paw"),
)

LEFT_RIGHT_PAIRS = ((0, 1), (5, 8), (6, 9), (7, 10), (11, 14), (12, 15), (13, 16))

SPLITS = ("train", "val", "test")

AP_10K = dataclasses.replace(PF_PASCAL_BOX, name="AP-10K, per image")
"""The mean over the keypoints of a pair, then over all pairs at once."""
AP_10K_POINTS = dataclasses.replace(AP_10K, name="AP-10K, per point", average="pooled")
"""The share of correct keypoints of all pairs at once."""

# What is read of an annotation, and of its image and category. Only OKS needs areas and counts.
_ANNOTATION = ("id", "image_id", "category_id", "keypoints", "bbox")
_STATED = {"file_name": str, "width": int, "height": int, "name": str}
# The keypoints that an image shows at least, and that both images of a pair show.
_FEWEST = 3


def read(source: Path) -> Iterator[Record | Absent]:
    """Yield the animals of train, val and test."""
    root = _root(source)
    return (entry for split in SPLITS for _, entry in _entries(root, split))


def read_pairs(source: Path, *, split: str = "test") -> PairSet:
    """Pair the images of "train", "val" or "test"; the subset of a pair is its species.

    An animal that makes no record is in no pair, but a missing or damaged image is refused, since all images
    of its species would be paired otherwise without it. A split without a pair is refused.
    """
    root = _root(source)
    if split not in SPLITS:
        raise InputError(f"split {split!r} is not known; {', '.join(SPLITS)} are")
    entries = list(_entries(root, split))
    animals = Counter(image for image, _ in entries)
    of_species: defaultdict[str, list[Record]] = defaultdict(list)
    for image, entry in entries:
        if isinstance(entry, Absent):
            image_size(loading.member_file(root / "data", image))
        elif animals[image] == 1 and entry.visible.sum() >= _FEWEST:
            of_species[entry.category].append(entry)
    ends = [
        (first, second)
        for _, each in sorted(of_species.items())
        for first, second in zip(each, each[len(each) // 2 :] + each[: len(each) // 2], strict=True)
        if first is not second and (first.visible & second.visible).sum() >= _FEWEST
    ]
    if not ends:
        raise InputError(f"{root}: no species of {split} has two images of one animal with common keypoints")
    records = tuple(dict.fromkeys(record for pair in ends for record in pair))
    place = {record: number for number, record in enumerate(records)}
    pairs = tuple(Pair(first.category, place[first], place[second]) for first, second in ends)
    return PairSet(records, pairs, tuple(box_lengths(records, each) for each in (AP_10K, AP_10K_POINTS)))


def _root(source: Path) -> Path:
    for root in (source, source / "ap-10k"):
        if (root / "annotations").is_dir() and (root / "data").is_dir():
            return root
    raise InputError(f"{source} holds no AP-10K: annotations and data are expected there")


def _entries(root: Path, split: str) -> Iterator[tuple[str, Record | Absent]]:
    """Yield the image's file name and the animal, in the order of the ids of images and of annotations."""
    path = root / "annotations" / f"ap10k-{split}-split1.json"
    with json_file(path, "annotation of AP-10K", most_bytes=coco.MAX_BYTES) as content:
        kept = [{key: each[key] for key in _ANNOTATION if key in each} for each in content["annotations"]]
        checked = coco.check_annotations({**content, "annotations": [each | {"area": 1} for each in kept]})
        if checked.names != NAMES:
            found = ", ".join(checked.names) or "not named, or not the same"
            raise InputError(f"the keypoints of its categories are {found}; {', '.join(NAMES)} are expected")
        parts = (checked.lists[part] for part in ("images", "categories"))
        images, categories = ({each["id"]: each for each in part} for part in parts)
        ids = {number: key for key, number in checked.numbers["annotations"].items()}
        animals = []
        for each in sorted(checked.lists["annotations"], key=lambda each: (each["image_id"], each["id"])):
            both = images[each["image_id"]] | categories[each["category_id"]]
            stated = {key: both[key] for key in _STATED if key in both}
            check_fields(stated, _STATED, name=f"annotation {ids[each['id']]}, with its image and category,")
            left, top, width, height = each["bbox"]
            box = coords.Box(left - 0.5, top - 0.5, left + width - 0.5, top + height - 0.5)
            triples = np.array(each["keypoints"], float).reshape(-1, 3)
            animals.append((f"{stated['file_name']}#{ids[each['id']]}", stated, box, triples))
    for source_id, stated, box, triples in animals:
        try:
            image = loading.member_file(root / "data", stated["file_name"])
            if (size := image_size(image)) != (stated["height"], stated["width"]):
                raise InputError(f"{image.name} is not of the size in its annotation")
            yield (
                stated["file_name"],
                Record(
                    image=image,
                    size=size,
                    category=stated["name"],
                    source_id=source_id,
                    split=split,
                    names=NAMES,
                    points=np.where(triples[:, 2:] > 0, triples[:, :2], np.nan),
                    visible=triples[:, 2] == 2,
                    left_right_pairs=LEFT_RIGHT_PAIRS,
                    box=box,
                    normalizer_px=box.longer_side,
                ),
            )
        except InputError as error:
            yield stated["file_name"], Absent(source_id, str(error))
