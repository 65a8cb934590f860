"""``convcorr pose`` through its entry, by a tiny cascade that knows nothing."""

import json

import jax
import numpy as np
import pytest
import skimage.data
from PIL import Image as PillowImage

from convcorr_jax import coords
from convcorr_jax.datasets.official import lsp
from convcorr_jax.io import load_fitted, read_image, read_points, save_fitted
from convcorr_jax.pose import (
    PERSON,
    TrainedCascade,
    cascade,
    frame_of_box,
    predict_photograph,
    resample_to_frame,
)
from tests.builders.command_line import assert_refused, run
from tests.builders.leeds_tree import UPRIGHT
from tests.builders.pose_architectures import TINY_LSP as TINY

PHOTOGRAPH = skimage.data.chelsea()[:200, :260]
BOX = coords.Box(60.0, 20.0, 120.0, 180.0)
OPTIONS = ("mirrored", "rotated", "subcell")


@pytest.fixture
def folder(tmp_path):
    PillowImage.fromarray(PHOTOGRAPH).save(tmp_path / "photo.png")
    save_fitted(tmp_path / "model", TrainedCascade(cascade.init(jax.random.key(2), TINY), TINY, {}))
    return tmp_path


@pytest.mark.parametrize(
    ("box", "flags", "options"),
    [
        (None, (), {}),
        (BOX, (), {}),
        (BOX, ("--no-mirrored", "--no-rotated", "--no-subcell"), dict.fromkeys(OPTIONS, False)),
    ],
)
def test_joints_are_those_of_the_cascade_in_pixels_of_the_photograph(folder, box, flags, options):
    chosen = flags if box is None else (*flags, "--box", *box)
    ended = run(
        *("pose", folder / "photo.png", "--model", folder / "model.npz"),
        *(*chosen, "--out", folder / "pose.png", "--json"),
    )
    assert (ended.status, ended.err) == (0, "")
    found = read_points(folder / "pose.csv")
    values = json.loads(ended.out)
    assert values.keys() == {"figure", "table", "objects", "points", "replaced"}
    assert len(values["objects"]) == 1
    assert (values["figure"], values["table"]) == (str(folder / "pose.png"), str(folder / "pose.csv"))
    listed = values["points"]
    assert listed[0].keys() == {"name", "x", "y", "confidence"}
    assert tuple(one["name"] for one in listed) == found.names
    np.testing.assert_allclose([(one["x"], one["y"]) for one in listed], found.points, atol=1e-2)
    assert found.names == lsp.NAMES
    frame = None if box is None else frame_of_box(box, architecture=TINY)
    image, to_frame = resample_to_frame(PHOTOGRAPH, frame, TINY.input_size)
    torso = np.full((1, 2), np.nan, np.float32)
    if box is not None:
        torso[:] = to_frame(np.array([[90.0, 100.0]]))
    # As the model is stored, in half precision.
    params = load_fitted(folder / "model.npz", TrainedCascade).params
    expected = cascade.predict(params, image[None], torso, architecture=TINY, **options)
    np.testing.assert_allclose(to_frame(found.points), np.asarray(expected.points[0]), atol=0.5)
    assert max(read_image(folder / "pose.png").shape) == 800


def test_without_a_model_the_packages_own_is_used_and_finds_no_person_in_a_cat(folder):
    ended = run("pose", folder / "photo.png", "--out", folder / "pose.png")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("No person was found in ")
    assert not list(folder.glob("pose.*"))
    ended = run("pose", folder / "photo.png", "--out", folder / "pose.png", "--box", *BOX)
    assert ended.out.startswith(f"{len(UPRIGHT)} joints.")
    model = load_fitted(PERSON, TrainedCascade)
    found = read_points(folder / "pose.csv").points
    np.testing.assert_allclose(found, predict_photograph(model, PHOTOGRAPH, box=BOX).points, atol=0.5)


def test_a_folder_is_predicted_in_batches_as_each_photograph_alone(folder, tmp_path_factory):
    """Eighteen photographs and no photograph: two batches, of which one is not full."""
    album, out = tmp_path_factory.mktemp("album"), tmp_path_factory.mktemp("out")
    for number in range(18):
        PillowImage.fromarray(PHOTOGRAPH[number:, : 260 - 3 * number]).save(album / f"{number:02}.png")
    (album / "broken.jpg").write_text("")
    options = ("--model", folder / "model.npz", "--fast", "--no-figures")
    ended = run("pose", f"{album}/0*.png", album, *options, "--out", out / "several", "--json")
    assert ended.status == 2
    assert ended.err == f"convcorr: {album / 'broken.jpg'} is empty\n"
    values = json.loads(ended.out)["photographs"]
    assert [value["photograph"] for value in values] == [str(path) for path in sorted(album.iterdir())]
    assert sorted(path.name for path in (out / "several").iterdir()) == ["points.csv", "points.json"]
    model = load_fitted(folder / "model.npz", TrainedCascade)
    for number in (0, 15, 17):
        alone = predict_photograph(model, read_image(album / f"{number:02}.png"), mirrored=False, rotated=False)
        points = [(one["x"], one["y"]) for one in values[number]["points"]]
        np.testing.assert_allclose(points, alone.points, atol=0.5)
    annotations = json.loads((out / "several" / "points.json").read_text())
    assert (len(annotations["images"]), len(annotations["annotations"])) == (18, 18)
    assert [13, 14] in annotations["categories"][0]["skeleton"]


def test_wrong_photographs_are_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words, sentence in {
        (): "Missing from convcorr pose: PHOTO.jpg",
        ("none/*.jpg",): r"no photograph matches none/\*.jpg",
        (".",): "has no photograph",
        ("a.jpg", "b.jpg", "--out", "c.png"): "--out c.png must be a folder, since there are several",
        ("a.jpg", "b.jpg", "--out", "c/d"): "c/d cannot be written",
    }.items():
        assert_refused(run("pose", *words), sentence)
    assert list(tmp_path.iterdir()) == []
