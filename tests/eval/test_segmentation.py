"""Segmentation end to end on a few rendered images, with the real weights of the `weights` extra."""

import json

import numpy as np
import pytest
from PIL import Image

from convcorr_jax import synthetic
from convcorr_jax.datasets import load_image
from convcorr_jax.io import read_image
from convcorr_jax.tasks import Data, Output, variation_features
from convcorr_jax.tasks.scenes import MIXINGS, segmentation
from convcorr_jax.tasks.scenes.segmentation import FOLDS
from eval.segmentation import Config, main
from tests.builders.shown import result_of

pytestmark = pytest.mark.usefixtures("small_network")
SIZE = (48, 64)
SPLITS = {"train": 20, "test": 3}


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """Rendered faces and cars in the layout of CamVid: a class each, the upper rows unlabelled."""
    folder = tmp_path_factory.mktemp("street")
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    splits = {}
    for split, count in SPLITS.items():
        splits[split] = []
        for index in range(count):
            category = ("face", "car")[index % 2]
            record = synthetic.render(category, seed=3, index=index + 100 * (split == "test"), size=SIZE)
            stem = f"{split}_{index:02d}"
            mask = np.where(np.asarray(record.label_map) > 0, 1 + index % 2, 0).astype(np.uint8)
            mask[:4] = 255
            Image.fromarray(load_image(record)).save(folder / "images" / f"{stem}.jpg")
            Image.fromarray(mask).save(folder / "masks" / f"{stem}.png")
            splits[split].append(stem)
    meta = {"classes": ["ground", "face", "car"], "ignore_index": 255, "splits": splits}
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    return str(folder)


def test_a_street_is_segmented(street, tmp_path, monkeypatch):
    config = Config(data=Data(street), copies=2, shown=2, output=Output(tmp_path))
    result = result_of(main, config)
    assert (result["train"], result["test"]) == (20, 3)
    assert result["classes"] == ["ground", "face", "car"]
    found = result["scores"]
    assert list(found) == ["convnet", "convnet_augmented", "rgb", "rgb_augmented"]
    for of_mixing in found.values():
        assert list(of_mixing) == list(MIXINGS)
        for scores in of_mixing.values():
            assert np.mean(list(scores["iou"].values())) == pytest.approx(scores["mean_iou"])
            assert np.mean(list(scores["class_accuracy"].values())) == pytest.approx(
                scores["mean_class_accuracy"]
            )
    best = {name: max(one["mean_iou"] for one in found[name].values()) for name in found}
    assert best["convnet_augmented"] > best["rgb_augmented"]
    # Labelled pixels of the test images, each counted once whatever is predicted.
    outcome = np.load(tmp_path / "probes" / "convnet.npz")
    assert outcome["confusions"].sum(axis=(1, 2, 3)).tolist() == [3 * (SIZE[0] - 4) * SIZE[1]] * 3
    assert read_image(tmp_path / "figure_5.png").shape[1] > 600
    # As after a kill: one probe is fitted again, from cached features.
    (tmp_path / "result.json").unlink()
    (tmp_path / "probes" / "convnet_augmented.npz").unlink()
    monkeypatch.setattr(variation_features, "global_features", pytest.fail)
    assert result_of(main, config) == result


@pytest.mark.parametrize("photographs", [4, 9, 81, 468])
def test_folds_hold_out_runs_of_neighbours(photographs):
    folds = segmentation.training_folds(photographs)
    assert set(folds) == set(range(FOLDS))
    changes = np.flatnonzero(np.diff(folds))
    assert (np.diff(changes) >= min(segmentation.RUN_LENGTH, photographs // FOLDS)).all()
