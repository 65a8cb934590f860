"""SPair-71k on a tiny tree in its official format."""

import contextlib
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcorr_jax import coords
from convcorr_jax.backbone import NETWORKS
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import DATASETS, Absent, Record
from convcorr_jax.datasets.official import spair
from convcorr_jax.errors import InputError
from convcorr_jax.metrics import SPAIR_71K, SPAIR_71K_POINTS
from convcorr_jax.tasks import CategoryData
from convcorr_jax.tasks.transfer import Task, open_task, score
from tests.builders import voc_tree
from tests.builders.fuzzing import FUZZ, mistyped

IMAGES = {
    "cat/2008_000001": {"0": [5, 7], "3": [9, 11]},
    "cat/2008_000002": {"0": [6, 8], "4": [9, 12]},
    "cow/2008_000001": {"29": [1, 2]},
    "cow/2008_000009": {"0": [1, 2]},
}
LISTS = {
    "trn": ["000001-2008_000001-2008_000002:cat", "000002-2008_000002-2008_000001:cat"],
    "val": ["000003-2008_000001-2008_000001:cow"],
    "test": ["000004-2008_000001-2008_000001:cow"],
}


def annotation(image: str) -> dict[str, Any]:
    return {
        "filename": f"{image.split('/')[1]}.jpg",
        "image_width": voc_tree.WIDTH,
        "image_height": voc_tree.HEIGHT,
        "image_depth": 3,
        "category": image.split("/")[0],
        "pose": "Left",
        "truncated": 0,
        "occluded": 1,
        "difficult": 0,
        "bndbox": [3, 5, 40, 25],
        "kps": {str(number): None for number in range(30)} | IMAGES[image],
        "azimuth_id": 7,
    }


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "SPair-71k"
    for image in IMAGES:
        voc_tree.write_image(root / "JPEGImages" / f"{image}.jpg")
        path = root / "ImageAnnotation" / f"{image}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(annotation(image)))
    (root / "ImageAnnotation" / "cat" / "._2008_000001.json").write_bytes(b"hidden")
    for split, lines in LISTS.items():
        voc_tree.write_list(root / "Layout" / "large" / f"{split}.txt", lines)
    return tmp_path


def test_images_are_read(tree: Path):
    records = list(spair.read(tree))
    assert records[3] == Absent("cow/2008_000009", "it is in no pair of Layout/large")
    found = [(record.source_id, record.split) for record in records[:3]]
    assert found == [("cat/2008_000001", "train"), ("cat/2008_000002", "train"), ("cow/2008_000001", "test")]
    cat = records[0]
    assert isinstance(cat, Record)
    assert (cat.category, cat.size) == ("cat", coords.Size(voc_tree.HEIGHT, voc_tree.WIDTH))
    assert (cat.names[0], cat.names[29], len(cat.names)) == ("0", "29", 30)
    expected = np.full((30, 2), np.nan)
    expected[[0, 3]] = [[5, 7], [9, 11]]
    np.testing.assert_array_equal(cat.points, expected)
    np.testing.assert_array_equal(np.flatnonzero(cat.visible), [0, 3])
    # VOC's last column is 40 of 40, so the box ends at the image's edge.
    assert cat.box == coords.Box(1.5, 3.5, 39.5, 24.5)
    assert cat.normalizer_px == 37
    assert cat.attributes == {"truncated": 0, "occluded": 1, "difficult": 0, "azimuth_id": 7}
    assert DATASETS["spair71k"].is_release(tree)


def test_pairs_are_read(tree: Path):
    found = spair.read_pairs(tree / "SPair-71k", split="train")
    assert [record.source_id for record in found.records] == ["cat/2008_000001", "cat/2008_000002"]
    assert found.pairs == (("cat", 0, 1), ("cat", 1, 0))
    both = found.records[0].visible & found.records[1].visible
    assert np.flatnonzero(both).tolist() == [0]
    assert spair.read_pairs(tree).pairs == (("cow", 0, 0),)


@pytest.mark.parametrize("split", ["train", "test"])
def test_perfect_predictions_score_one_though_keypoints_are_absent(tree: Path, split: str):
    data = CategoryData("SPair-71k", tree, split=split)
    task = open_transfer(data, tree)
    truth = task.keypoints.points[task.targets]
    for scoring in task.scorings:
        np.testing.assert_array_equal(score(task, truth, scoring=scoring).mean, [1, 1, 1])


def test_pairs_are_scored_per_image_and_per_point(tree: Path):
    """Two cats of one and of four common keypoints: per image (0 + 1) / 2, per point 4 / 5."""
    for name, count in (("2008_000003", 4), ("2008_000004", 4)):
        image = f"cat/{name}"
        voc_tree.write_image(tree / "SPair-71k" / "JPEGImages" / f"{image}.jpg")
        stored = annotation("cat/2008_000001") | {"filename": f"{name}.jpg"}
        stored["kps"] = {str(number): [10 + number, 12] for number in range(count)}
        path = tree / "SPair-71k" / "ImageAnnotation" / f"{image}.json"
        path.write_text(json.dumps(stored))
    voc_tree.write_list(
        tree / "SPair-71k" / "Layout" / "large" / "test.txt",
        ["000001-2008_000001-2008_000002:cat", "000002-2008_000003-2008_000004:cat"],
    )
    task = open_transfer(CategoryData("SPair-71k", tree), tree)
    predicted = task.keypoints.points[task.targets]
    # The longer side of the box is 37 pixels, last minus first: .1 of it is 3.7.
    predicted[0] += [3.75, 0]
    predicted[1] += [3.7, 0]
    per_image, per_point = task.scorings
    assert (per_image.protocol, per_point.protocol) == (SPAIR_71K, SPAIR_71K_POINTS)
    at = task.alphas.index(0.1)
    assert score(task, predicted, scoring=per_image).mean[at] == 0.5
    assert score(task, predicted, scoring=per_point).mean[at] == 0.8


def open_transfer(data: CategoryData, tree: Path) -> Task:
    (tree / "SPair-71k").rename(tree / "spair71k")
    weights = Weights({}, NETWORKS["alexnet"], "none", ())
    return open_task(dataclasses.replace(data, dataset="spair71k"), weights, transfer="image")


def test_what_is_not_there_is_named(tree: Path):
    (tree / "SPair-71k" / "JPEGImages" / "cat" / "2008_000002.jpg").unlink()
    reason = "JPEGImages/cat/2008_000002.jpg is missing"
    assert list(spair.read(tree))[1] == Absent("cat/2008_000002", reason)
    with pytest.raises(InputError, match=f"names cat/2008_000002: {reason}"):
        spair.read_pairs(tree, split="train")


def test_an_image_that_does_not_fit_is_named(tree: Path):
    path = tree / "SPair-71k" / "JPEGImages" / "cat" / "2008_000001.jpg"
    voc_tree.write_image(path, width=41)
    reason = "2008_000001.jpg is not of the size in its annotation"
    assert next(spair.read(tree)) == Absent("cat/2008_000001", reason)
    path.write_bytes(b"no image")
    assert "2008_000001.jpg is not an image" in next(spair.read(tree)).reason


def test_another_tree_is_refused(tree: Path):
    with pytest.raises(InputError, match="ImageAnnotation, JPEGImages and Layout are expected"):
        spair.read(tree / "elsewhere")
    with pytest.raises(InputError, match="split 'trn' is not known; train, val, test are"):
        spair.read_pairs(tree, split="trn")
    (tree / "SPair-71k" / "Layout" / "large" / "val.txt").unlink()
    with pytest.raises(InputError, match=r"large/val\.txt does not exist"):
        spair.read(tree)


@pytest.mark.parametrize(
    "line", ["000001-2008_1-2008_2", "2008_1-2008_2:cat", "1-../a-b:cat", "1-a-b:..", "1-a-b:c/d", "1-a-:c"]
)
def test_other_lists_are_refused(line: str, tree: Path):
    voc_tree.write_list(tree / "SPair-71k" / "Layout" / "large" / "test.txt", [line])
    with pytest.raises(InputError, match=r"test\.txt: .* is no "):
        spair.read_pairs(tree)


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "no box": lambda stored: stored.pop("bndbox"),
    "half a box": lambda stored: stored.update(bndbox=[1, 2, 3]),
    "box backwards": lambda stored: stored.update(bndbox=[9, 9, 1, 1]),
    "no keypoints": lambda stored: stored.pop("kps"),
    "keypoints no mapping": lambda stored: stored.update(kps=[[1, 2]]),
    "unknown keypoint": lambda stored: stored["kps"].update({"30": [1, 2]}),
    "half a keypoint": lambda stored: stored["kps"].update({"1": [1]}),
    "text for a number": lambda stored: stored.update(image_width="wide"),
    "infinite size": lambda stored: stored.update(image_width=float("inf")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_other_annotations_are_refused(change: Callable[[dict[str, Any]], object], tree: Path):
    stored = annotation("cat/2008_000001")
    change(stored)
    path = tree / "SPair-71k" / "ImageAnnotation" / "cat" / "2008_000001.json"
    path.write_text(json.dumps(stored))
    with pytest.raises(InputError, match=r"2008_000001\.json"):
        list(spair.read(tree))


@pytest.mark.parametrize("text", ["{", "[]", "3", "[" * 100_000, '{"kps": ' * 20_000])
def test_what_is_no_annotation_is_refused(text: str, tmp_path: Path):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=r"a\.json is "):
        spair.read_annotation(tmp_path / "a.json")


@FUZZ
@given(data=st.data())
def test_damage_gives_records_or_the_projects_error(tree: Path, data: st.DataObject):
    written = {
        "ImageAnnotation/cat/2008_000001.json": json.dumps(annotation("cat/2008_000001")),
        "Layout/large/trn.txt": LISTS["trn"][0],
    }
    changed = data.draw(st.sampled_from(list(written)))
    for name, text in written.items():
        content = mistyped(data, text.encode()) if name == changed else text.encode()
        (tree / "SPair-71k" / name).write_bytes(content)
    with contextlib.suppress(InputError):
        list(spair.read(tree))
