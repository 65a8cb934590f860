"""Landmarks and keypoints of faces by the models that the package ships, on real photographs."""

import csv
import json

import numpy as np
import pytest
import skimage.data
from PIL import Image as PillowImage

from convcorr_jax import coords
from convcorr_jax.datasets.poses.coco import read_annotations
from convcorr_jax.io import load_fitted, read_image, save_fitted
from convcorr_jax.keypoints import FACE as KEYPOINTS
from convcorr_jax.keypoints import KeypointModel
from convcorr_jax.probes import FACE as LANDMARKS
from convcorr_jax.probes import LandmarkModel
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
    points = {one["name"]: (one["x"], one["y"]) for one in values["points"]}
    return values | {"points": points, "box": values["objects"][0]["box"]}


@pytest.fixture(scope="module")
def upright(tmp_path_factory):
    return located(tmp_path_factory, "landmarks", skimage.data.astronaut())


@needs_weights
def test_landmarks_are_found_without_a_box(upright):
    model = load_fitted(LANDMARKS, LandmarkModel)
    points = np.array([upright["points"][name] for name in model.probe.names])
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


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    """Two faces, a cup, and no photograph."""
    folder = tmp_path_factory.mktemp("album")
    face = skimage.data.astronaut()[20:230, 130:330]
    both = np.concatenate([face, skimage.data.coffee()[:210, :260], face[:, ::-1]], axis=1)
    for name, image in (("both", both), ("cup", skimage.data.coffee())):
        PillowImage.fromarray(image).save(folder / f"{name}.png")
    (folder / "torn.jpg").write_text("no photograph")
    return folder


@needs_weights
@pytest.mark.parametrize(("command", "count"), [("landmarks", 68), ("keypoints", 15)])
def test_a_folder_has_one_table_and_faces_are_found_where_they_are(album, tmp_path, command, count):
    ended = run(command, album, "--out", tmp_path / "out", "--json")
    assert ended.status == 2
    assert f"{album / 'torn.jpg'} is not an image" in ended.err
    values = json.loads(ended.out)["photographs"]
    assert [len(one.get("objects", ())) for one in values] == [2, 0, 0]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "both.png",
        "points.csv",
        "points.json",
    ]
    with (tmp_path / "out" / "points.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["object"] for row in rows] == ["1"] * count + ["2"] * count
    written = read_annotations(tmp_path / "out" / "points.json")
    assert len(written.lists["images"]) == 2
    assert written.joints == count
    triples = np.array([one["keypoints"] for one in written.objects]).reshape(-1, 3)
    np.testing.assert_allclose(triples[:, :2], [(float(row["x"]), float(row["y"])) for row in rows], atol=1e-3)
    # Alone, the photograph has the same faces.
    alone = run(command, album / "both.png", "--out", tmp_path / "both.png", "--json")
    points = json.loads(alone.out)["points"]
    assert {one["object"] for one in points} == {1, 2}
    np.testing.assert_allclose([(one["x"], one["y"]) for one in points], triples[:, :2], atol=0.5)


@needs_weights
def test_nothing_is_written_of_a_photograph_without_a_face(album, tmp_path):
    ended = run("landmarks", album / "cup.png", "--out", tmp_path / "out.png")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("No face was found in ")
    assert list(tmp_path.iterdir()) == []
    options = ("--no-figures", "--out", tmp_path / "out", "--json")
    values = json.loads(run("landmarks", f"{album}/c*.png", *options).out)
    assert values["photographs"][0]["points"] == []
    assert (tmp_path / "out" / "points.csv").read_text() == "photograph,object,name,x,y,confidence\n"


@needs_weights
def test_a_probe_without_a_finder_takes_the_whole_photograph(album, tmp_path):
    model = load_fitted(LANDMARKS, LandmarkModel)
    save_fitted(tmp_path / "probe", LandmarkModel(model.probe, model.features))
    ended = run(
        "landmarks", album / "cup.png", "--model", tmp_path / "probe.npz", "--out", tmp_path / "out.png"
    )
    assert "This probe cannot search for a face" in ended.out
    assert read_image(tmp_path / "out.png").size


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
