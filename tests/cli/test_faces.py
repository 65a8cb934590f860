"""Landmarks and keypoints of a face by the models that the package ships, on a real photograph."""

import json

import numpy as np
import pytest
import skimage.data
from PIL import Image as PillowImage

from convcorr_jax import coords
from convcorr_jax.cli.people import search_face
from convcorr_jax.io import load_fitted
from convcorr_jax.keypoints import FACE as KEYPOINTS
from convcorr_jax.keypoints import KeypointModel
from convcorr_jax.probes import FACE as LANDMARKS
from convcorr_jax.probes import FoundFace, LandmarkModel
from tests.builders.command_line import needs_weights, run

# Approximate positions in the astronaut's photograph, read off by hand.
EYES, MOUTH, NOSE = {"left": (203, 101), "right": (246, 103)}, (224, 146), (224, 130)
WIDTH = 512


def located(tmp_path_factory, command, photograph, *options):
    """Run a command, and return its JSON object with the points by name."""
    folder = tmp_path_factory.mktemp(command)
    PillowImage.fromarray(photograph).save(folder / "face.png")
    ended = run(command, folder / "face.png", *options, "--out", folder / "out.png", "--json")
    assert (ended.status, ended.err) == (0, "")
    values = json.loads(ended.out)
    with PillowImage.open(folder / "out.png") as figure:
        assert min(figure.size) > 100
    return values | {"points": {one["name"]: (one["x"], one["y"]) for one in values["points"]}}


@pytest.fixture(scope="module")
def upright(tmp_path_factory):
    return located(tmp_path_factory, "landmarks", skimage.data.astronaut())


@needs_weights
def test_landmarks_are_found_without_a_box(upright):
    model = load_fitted(LANDMARKS, LandmarkModel)
    points = np.array([upright["points"][name] for name in model.probe.names])
    assert upright["sure"]
    # Eyes, nose and mouth: 300-W's points 36 to 41, 42 to 47, 30, and 48 to 59.
    parts = (points[36:42], points[42:48], points[30:31], points[48:60])
    assert np.abs(np.array([part.mean(axis=0) for part in parts]) - [*EYES.values(), NOSE, MOUTH]).max() < 9
    x0, y0, x1, y1 = upright["box"]
    assert coords.inside(points, coords.grow(coords.Box(x0, y0, x1, y1), 0.1)).mean() > 0.95


@needs_weights
def test_a_mirrored_photograph_has_mirrored_landmarks(tmp_path_factory, upright):
    box = coords.flip_box(coords.Box(*upright["box"]), width=WIDTH)
    mirrored = located(tmp_path_factory, "landmarks", skimage.data.astronaut()[:, ::-1], "--box", *box)
    np.testing.assert_allclose(mirrored["box"], box)
    model = load_fitted(LANDMARKS, LandmarkModel)
    there, here = (
        np.array([values["points"][name] for name in model.probe.names]) for values in (mirrored, upright)
    )
    # In the mark-up of 300-W, the first 17 points are the jaw from left to right.
    assert np.linalg.norm(there[16::-1] * [-1, 1] + [WIDTH - 1, 0] - here[:17], axis=-1).mean() < 6


@needs_weights
def test_keypoints_are_found_without_a_box(tmp_path_factory, upright):
    found = located(tmp_path_factory, "keypoints", skimage.data.astronaut())
    assert found["box"] == upright["box"]
    eyes = [y for name, (_, y) in found["points"].items() if "eye" in name]
    assert max(eyes) < min([y for name, (_, y) in found["points"].items() if "mouth" in name])
    assert max(abs(x - NOSE[0]) for x, _ in found["points"].values()) < 70


@needs_weights
def test_a_photograph_without_a_face_says_so(tmp_path):
    PillowImage.fromarray(skimage.data.coffee()).save(tmp_path / "cup.png")
    ended = run("landmarks", tmp_path / "cup.png", "--out", tmp_path / "out.png")
    assert ended.status == 0
    assert "No face was found with certainty" in ended.out
    assert "--box" in ended.out


@pytest.mark.parametrize(("path", "kind"), [(LANDMARKS, LandmarkModel), (KEYPOINTS, KeypointModel)])
def test_a_shipped_model_is_small_and_its_card_states_what_the_file_holds(path, kind):
    assert path.stat().st_size < 10e6
    card = load_fitted(path, kind).training["card"]
    with np.load(path) as arrays:
        assert card["bytes_of_arrays"] == sum(arrays[name].nbytes for name in arrays.files)
    assert "research purposes only" in card["terms"]
    assert card["command"].startswith("python -m train.")
    assert card["tests"]


def test_the_landmark_card_has_every_kind_of_frame():
    model = load_fitted(LANDMARKS, LandmarkModel)
    assert len(model.probe.names) == 68
    for dataset in ("lfpw68", "helen68"):
        figures = model.training["card"]["tests"][dataset]
        assert 0.02 < figures["detector_boxes"] < 0.08
        assert figures["annotated_boxes"] < 0.08
        errors = list(figures["jittered_boxes"].values())
        assert errors == sorted(errors)
        assert figures["searched"]["below_0.1"] > 0.8
    assert model.training["held_out_error"][-1] < 1.1 * model.training["held_out_error_full_rank"][-1]


def test_what_was_found_and_what_was_assumed_are_sentences(monkeypatch):
    model = load_fitted(LANDMARKS, LandmarkModel)
    photograph, box = np.zeros((40, 60, 3), np.uint8), coords.Box(1.2, 2.0, 30.8, 32.0)
    for presence, sentence in ((0.9, "The face that was found: --box 1 2 31 32."), (0.1, "presence 0.10")):
        found = FoundFace(box, presence, presence > 0.5)
        monkeypatch.setattr("convcorr_jax.probes.find_face", lambda *_, found=found, **__: found)
        face = search_face(photograph, model, None)
        assert face.box == box
        assert sentence in face.sentences[0]
        assert face.values["sure"] is (presence > 0.5)
    whole = search_face(photograph, LandmarkModel(model.probe, model.features), None)
    assert "cannot search" in whole.sentences[0]
    # The whole photograph is the frame: the box with its margin.
    framed = coords.grow(whole.box, model.features.frame_margin)
    np.testing.assert_allclose(framed, coords.square(coords.whole_image((40, 60))))
