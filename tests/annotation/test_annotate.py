"""From one and five labelled photographs to the points of a folder, by the command, on drawn objects."""

import csv
import json
import sys
from dataclasses import replace
from functools import partial
from importlib import import_module
from unittest.mock import Mock

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import ExifTags
from PIL import Image as PillowImage

from convcorr_jax import coords
from convcorr_jax.annotation import AnnotationModel, Calibration, heads, template
from convcorr_jax.annotation.methods import MEMBERS, SHAPES, FoundShape, OneStage
from convcorr_jax.annotation.model import compare, find
from convcorr_jax.annotation.shape import Similarity, mean_shape, mirror_shape, shape_distance, swap_sides
from convcorr_jax.annotation.shape import points_of as points_of_
from convcorr_jax.annotation.stages import Draw, render
from convcorr_jax.annotation.template import match_template
from convcorr_jax.annotation.windows import DIRECTIONS, Extractor, View
from convcorr_jax.backbone.weights import load, loading
from convcorr_jax.errors import InputError
from convcorr_jax.io import load_fitted, read_image, save_fitted, write_image
from convcorr_jax.keypoints import FACE, KeypointModel
from convcorr_jax.labels import LabelledObject, LabelledPhotograph, Labels, read_labels
from tests.builders.command_line import assert_refused, needs_weights, run
from tests.builders.fitted_models import annotation_model, keypoint_model
from tests.builders.pasted_objects import NAMES, learning_little, paste_objects, write_labels

pytestmark = needs_weights
# The room has a function of the module's name.
annotating = import_module("convcorr_jax.annotation.annotate")
ANGLES = (0, 50, -75, 140, 20, -160, 95, -30)


@pytest.fixture(scope="module")
def little():
    with learning_little():
        yield


def points_of(table):
    """The points of each object by the name of its photograph; absent ones are NaN."""
    found = {}
    with table.open(newline="") as stream:
        for row in csv.DictReader(stream):
            objects = found.setdefault(row["photograph"].rpartition("/")[2], {})
            objects.setdefault(row["object"], []).append([float(row[axis] or "nan") for axis in "xy"])
    return {name: np.array(list(objects.values())) for name, objects in found.items()}


def annotate(folder, truth, examples, *options):
    """Run the command with the labels of the first photographs; return its object, and what was found."""
    labels = write_labels(folder / "examples.csv", dict(list(truth.items())[:examples]))
    ended = run("annotate", folder, "--examples", labels, "--out", folder / "out", "--json", *options)
    assert (ended.status, ended.err) == (0, "")
    return json.loads(ended.out), points_of(folder / "out" / "points.csv")


def errors(found, truth):
    """The distances of the points of the only object of each photograph."""
    return {path.name: np.linalg.norm(found[path.name][0] - truth[path][0], axis=-1) for path in truth}


@pytest.fixture(scope="module")
def one_example(tmp_path_factory, little):
    folder = tmp_path_factory.mktemp("one")
    truth = paste_objects(folder, [[angle] for angle in ANGLES])
    return folder, truth, *annotate(folder, truth, 1)


def test_one_example_finds_turned_objects_to_a_few_pixels(one_example):
    folder, truth, values, found = one_example
    distances = errors(found, truth)
    # Files state thousandths of a pixel.
    assert distances["0.png"].max() < 1e-3
    assert np.mean(list(distances.values())) < 2.5
    assert np.max(list(distances.values())) < 8
    verdicts = {one["photograph"].rpartition("/")[2]: one["verdict"] for one in values["photographs"]}
    assert verdicts["0.png"] == "labelled"
    assert (values["examples"], values["held_out"]) == (1, [])
    assert sorted(path.name for path in (folder / "out").iterdir() if path.suffix != ".h5") == [
        *("CollectedData_convcorr.csv", "features", "label_studio.json", "model.json", "model.npz"),
        *("points.csv", "points.json", "review.html", "sheet.png"),
    ]
    assert read_image(folder / "out" / "sheet.png").size


def test_the_saved_model_finds_the_same_points_in_a_folder_and_in_a_photograph(one_example, tmp_path):
    folder, _, _, found = one_example
    model = folder / "out" / "model.npz"
    ended = run("keypoints", f"{folder}/[1-3].png", "--model", model, "--out", tmp_path / "out", "--json")
    assert (ended.status, ended.err) == (0, "")
    again = points_of(tmp_path / "out" / "points.csv")
    assert sorted(again) == ["1.png", "2.png", "3.png"]
    for name, objects in again.items():
        np.testing.assert_allclose(objects, found[name], atol=0.5)
    ended = run("keypoints", folder / "2.png", "--model", model, "--out", tmp_path / "one.png")
    assert (ended.status, ended.err) == (0, "")
    assert "--box" not in ended.out
    with (tmp_path / "one.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(row["name"] for row in rows) == NAMES
    alone = [[float(row["x"]), float(row["y"])] for row in rows]
    np.testing.assert_allclose(alone, found["2.png"][0], atol=0.5)


def test_models_of_other_kinds_are_refused(one_example, tmp_path):
    folder, _, _, _ = one_example
    model, photograph = folder / "out" / "model.npz", folder / "1.png"
    for options in (("--box", 1, 1, 90, 90), ("--refine",)):
        ended = run("keypoints", photograph, "--model", model, *options, "--out", tmp_path / "a.png")
        assert_refused(ended, "model.npz is a model of convcorr annotate, which finds objects itself")
    sentence = "it is of the kind 'annotation model'; landmark probe is expected"
    assert_refused(run("landmarks", photograph, "--model", model, "--out", tmp_path / "a.png"), sentence)
    save_fitted(tmp_path / "keypoints", keypoint_model())
    with pytest.raises(InputError, match="it is of the kind 'keypoint model'; annotation model is expected"):
        load_fitted(tmp_path / "keypoints", AnnotationModel)
    assert isinstance(load_fitted(FACE, KeypointModel, AnnotationModel), KeypointModel)


@pytest.mark.parametrize("lost", ["", ".npz", ".json"])
def test_a_model_in_the_folder_that_is_no_annotation_model_is_not_overwritten(tmp_path, lost):
    truth, out = paste_objects(tmp_path, [[0]]), tmp_path / "out"
    save_fitted(out / "model", keypoint_model())
    if lost:
        (out / f"model{lost}").unlink()
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    labels = write_labels(tmp_path / "examples.csv", truth)
    ended = run("annotate", tmp_path, "--examples", labels, "--out", out)
    assert_refused(ended, "; choose another --out, or move model.npz and model.json away")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("names", ["nose", "tail", "fin", "nose"]), ("skeleton", [[0, 4]]), ("swaps", [0, 1, 3, 3])),
        *(("swaps", [0, 1, 2]), ("swaps", [9, 1, 2, 0]), ("swaps", [1, 2, 0, 3]), ("frame", [64, 80])),
        *(("frame", [32, 2**30]), ("sizes_px", [9.0, 3.0]), ("whole", 1.5)),
        *(("angle_range", 4.0), ("aspect", -1.0), ("spread", 0.0), ("objects", 0)),
        ("calibration", {"probability": [0, 1], "spread": [0, 0], "quantiles": [1.0], "absent": 0.5}),
        ("calibration", {"probability": [0, 1], "spread": [0, 0], "quantiles": [], "absent": "0.5"}),
        *(("labelled", ["1.png"]), ("found", "1")),
    ],
)
def test_models_with_impossible_values_are_refused(one_example, tmp_path, field, value):
    for ending in (".json", ".npz"):
        content = (one_example[0] / "out" / f"model{ending}").read_bytes()
        (tmp_path / f"model{ending}").write_bytes(content)
    facts = json.loads((tmp_path / "model.json").read_bytes())
    (tmp_path / "model.json").write_text(json.dumps(facts | {field: value}))
    with pytest.raises(InputError, match=f"model.json.*{field}|held_out"):
        load_fitted(tmp_path / "model", AnnotationModel)


@pytest.mark.parametrize(("whole", "count"), [(0.2, 2), (1.0, 1)])
def test_a_saved_model_of_one_stage_has_the_heads_that_were_fitted(tmp_path, rng, whole, count):
    model = annotation_model()
    method = OneStage(model.method.task, (96, 128), 9, whole=whole, shapes=np.zeros((SHAPES, 4), complex))
    shapes = (heads.shapes(design, DIRECTIONS, 4) for design in method.fitted_designs)
    params = tuple(
        {name: jnp.float32(rng.normal(0, 0.1, (MEMBERS, *shape))) for name, shape in own.items()}
        for own in shapes
    )
    save_fitted(tmp_path / "model", replace(model, method=replace(method, params=params)))
    read = load_fitted(tmp_path / "model", AnnotationModel).method
    assert (read.whole, len(read.params)) == (whole, count)


def test_a_photograph_is_opened_upright(tmp_path):
    stored = PillowImage.new("RGB", (40, 30))
    stored.getexif()[ExifTags.Base.Orientation] = 6
    stored.save(tmp_path / "turned.jpg", exif=stored.getexif())
    opened = annotating._open(tmp_path / "turned.jpg")
    assert opened.size == opened.photograph.load().shape[:2] == (40, 30)


def test_a_template_carries_the_points_of_its_own_object(little, tmp_path):
    pair, single = paste_objects(tmp_path, [[15, 0], [60]]).items()
    labels = Labels(NAMES, (LabelledPhotograph(pair[0], tuple(map(LabelledObject, pair[1]))),))
    examples, shape, swaps = annotating._examples(labels, may_be_mirrored=False)
    (example,) = examples
    # The second object has no horn, which tells the two apart.
    objects = (example.objects[0], np.where(np.arange(4) == 3, np.nan, example.objects[1]))
    photographs = [annotating._open(single[0]).photograph]
    weights, align = load("vgg16"), load("alexnet")
    task, _ = annotating._task(NAMES, examples, shape, swaps, photographs, weights, rotate="auto", mirror=None)
    (found,) = match_template(
        [example._replace(objects=objects)], photographs, task=task, search=weights, align=align
    )
    assert np.isfinite(found.score)
    known = ~np.isnan(found.points[:, 0])
    assert known[:3].all()
    assert np.linalg.norm(found.points - single[1][0], axis=1)[known].max() < 10
    np.testing.assert_array_equal(found.absent, ~known)


def test_only_the_cells_of_a_mask_count():
    mask = np.zeros((120, 160), bool)
    mask[41:77, 50:] = True
    # The template shows the photograph's pixels from (60, 20) on.
    shown = template._own_cells(Similarity(1 + 0j, -60 - 20j), mask)
    rows, columns = np.mgrid[:14, :14] * 8 + 3.5
    expected = (rows + 20 >= 41) & (rows + 20 < 77) & (columns + 60 < 160)
    np.testing.assert_array_equal(shown, expected)
    assert template._own_cells(Similarity(1 + 0j, 0j), mask & False).all()
    half = annotating._mask_of_copy(mask, (60, 80))
    assert half.mean() == pytest.approx(mask.mean(), abs=0.02)


def test_the_template_of_a_small_object_has_cells():
    points = np.array([0, 2 + 1j, 5j]) + 200 + 150j
    for angle in np.linspace(-np.pi, np.pi, 13):
        turn = Similarity(0.5 * np.exp(1j * angle), 3 + 2j)
        around = turn.move(template.dilate(points, template._DILATION * 5.0))
        mask = template.within_hull(around, template._CELLS)
        assert mask.any()


def labels_of(folder, objects, names=NAMES):
    """Labels of blank photographs, each of which shows one object."""
    labelled = []
    for number, points in enumerate(objects):
        write_image(folder / f"{number}.png", np.zeros((300, 300, 3), np.uint8))
        labelled.append(LabelledPhotograph(folder / f"{number}.png", (LabelledObject(points_of_(points)),)))
    return Labels(names, tuple(labelled))


def test_an_object_of_one_known_point_has_the_usual_size(tmp_path):
    shape = np.array([0, 60, 20 + 50j, 30j])
    objects = [size * shape + 20 + 20j for size in (0.9, 1, 1.1)]
    alone = np.where(np.arange(4) == 2, objects[1], np.nan)
    examples, mean, _ = annotating._examples(labels_of(tmp_path, [*objects, alone]), may_be_mirrored=False)
    *sizes, last = [abs(example.fits[0].a) for example in examples]
    assert last == pytest.approx(np.median(sizes))
    assert examples[3].fits[0].move(mean.points)[2] == pytest.approx(alone[2])


def test_points_that_the_template_lacks_are_unknown(tmp_path):
    shape = np.array([0, 60, 20 + 50j, 30j]) + 40 + 40j
    labels = labels_of(tmp_path, [shape, np.where(np.arange(4) == 3, np.nan, shape)])
    examples, mean, swaps = annotating._examples(labels, may_be_mirrored=False)
    copies = [one.photograph for one in examples] * 4
    task, _ = annotating._task(NAMES, examples, mean, swaps, copies, load("vgg16"), rotate="auto", mirror=None)
    lacking = np.array([0.0, 0, 0, 1])
    first = [
        FoundShape(points_of_(shape), np.array([sure, sure, sure, 0 if k < 4 else sure]), lacking * (k < 4))
        for k, sure in enumerate([0.9, 0.3, 0.8, 0.1, 0.95, 0.2, 0.3, 0.2])
    ]
    seen = annotating._trusted(task, copies, first)
    assert sorted(map(str, (np.sign(one.weight) for one in seen))) == ["[1. 1. 1. 0.]"] * 2 + ["[1. 1. 1. 1.]"]
    draw, example = Draw(0, View(Similarity(1, 0), (64, 64), True)), seen[-1]
    weighted = example._replace(weight=np.array([0.5, 0.5, 0.25, 0]))
    rng = np.random.default_rng(0)
    windows = render([weighted], [draw], task.extract, swaps=(0, 2, 1, 3), rng=rng)
    np.testing.assert_array_equal(windows.targets.known, [[0.5, 0.25, 0.5, 0]])


def test_heads_learn_on_from_what_they_found(one_example, monkeypatch):
    folder, truth, *_ = one_example
    method = load_fitted(folder / "out" / "model", AnnotationModel).method
    examples, *_ = annotating._examples(read_labels(folder / "examples.csv"), may_be_mirrored=False)
    copies = [annotating._open(path).photograph for path in truth]
    assert annotating._self_trained(method, examples, [], seed=0) is method
    gone = FoundShape(np.ones((4, 2)), np.full(4, 0.9), np.array([0.9, 0.9, 0.9, 0]))
    monkeypatch.setattr(annotating, "find", lambda *_: [[gone]] * 8)
    assert annotating._self_trained(method, examples, copies, seed=0) is method
    monkeypatch.undo()
    after = annotating._self_trained(replace(method, steps=4), examples, copies, seed=0)
    assert all(np.any(a["out"] != b["out"]) for a, b in zip(after.params, method.params, strict=True))
    for (shape,), (points,) in zip(find(copies, after), truth.values(), strict=True):
        assert np.linalg.norm(shape.points - points, axis=1).max() < 12


def test_one_stage_finds_the_mirrored_object_of_a_mirrored_photograph(tmp_path):
    truth = paste_objects(tmp_path, [[angle] for angle in ANGLES[:3]])
    labels = read_labels(write_labels(tmp_path / "examples.csv", truth))
    swaps, (examples, mean, _) = (0, 2, 1, 3), annotating._examples(labels, may_be_mirrored=False)
    copies = [annotating._open(path).photograph for path in truth]
    task, _ = annotating._task(NAMES, examples, mean, swaps, copies, load("vgg16"), rotate="auto", mirror=True)
    method = OneStage.plan(task, examples, steps=60)
    method = method.fit(method.windows(examples, count=24, rng=np.random.default_rng(0)), members=1)
    height, width = copies[0].size
    mirrored = annotating.Photograph(lambda: copies[0].load()[:, ::-1], (height, width))
    (plain,), (other,) = find([copies[0], mirrored], method)
    other = other.mirror(width, swaps)
    sure = plain.confidence > 0.7
    assert sure.any()
    np.testing.assert_allclose(other.points[sure], plain.points[sure], atol=0.5)
    # A head of no weight says nothing, and the weights depend on the number of examples.
    silent = {name: 0 * values for name, values in method.params[0].items()}
    for whole, params in ((0.0, (silent, method.params[1])), (1.0, method.params[:1])):
        both, one = replace(method, whole=whole), replace(method, whole=whole, params=params)
        (of_both,), (of_one,) = find(copies[:1], both) + find(copies[:1], one)
        np.testing.assert_array_equal(of_both.points, of_one.points)
    plans = [OneStage.plan(task, examples * n, steps=9) for n in (1, 2, 3, 4)]
    assert [(plan.whole, len(plan.fitted_designs)) for plan in plans] == [(0.5, 2), (0.2, 2), (0.2, 2), (1, 1)]


def test_the_spread_is_about_the_mean_shape_that_is_used(tmp_path):
    # All look to one side, so that the symmetric mean is none of them.
    aside = np.array([30, -25 + 60j, 55 + 60j, 5 + 120j]) + 90 + 20j
    names = ("nose", "l_ear", "r_ear", "chin")
    examples, mean, swaps = annotating._examples(
        labels_of(tmp_path, [aside, aside + 5, aside * 1.01], names), may_be_mirrored=True
    )
    copies = [one.photograph for one in examples]
    task, residual = annotating._task(
        names, examples, mean, swaps, copies, load("vgg16"), rotate="auto", mirror=None
    )
    distance = shape_distance(mean.points, aside)
    assert residual < 0.01 < distance
    assert task.spread == pytest.approx(max(2.5 * distance, 0.06))


def test_absent_points_are_not_in_the_box_nor_in_the_radius():
    calibration = Calibration(spread=(np.log(0.1), 0.0), quantiles=(1.0,) * 4)
    model = replace(annotation_model(), calibration=calibration)
    points = np.array([[100.0, 100], [140, 130], [110, 120], [700, 500]])
    shape = FoundShape(points, np.full(4, 0.9), np.array([0, 0, 0, 0.98]))
    found = model.object_of(shape, coords.resize((600, 800), (600, 800)))
    assert tuple(found.box) == (100, 100, 140, 130)
    np.testing.assert_allclose(found.radius_px, 5)


def test_an_object_of_one_known_point_has_an_error(tmp_path, monkeypatch):
    shape = np.array([0, 60, 20 + 50j, 30j]) + 20 + 20j
    alone = np.where(np.arange(4) == 2, shape, np.nan)
    examples, *_ = annotating._examples(labels_of(tmp_path, [shape, alone]), may_be_mirrored=False)
    found = FoundShape(points_of_(shape + 6), np.full(4, 0.5), np.zeros(4))
    monkeypatch.setattr(sys.modules["convcorr_jax.annotation.model"], "find", lambda *_: [[found], []])
    held = compare(examples, annotation_model().method)
    size = abs(examples[0].fits[0].a)
    np.testing.assert_allclose(held.errors, [[6 / size] * 4, [np.nan, np.nan, 1, np.nan]], rtol=1e-6)


@pytest.mark.parametrize("flag", [False, True])
def test_fits_of_a_turned_mean_are_at_the_same_places(tmp_path, flag):
    shape, swaps = np.array([0, 60, 20 + 50j, 30j]) + 20 + 20j, (0, 2, 1, 3)
    mean = mean_shape([shape]).points
    photograph = annotating.Photograph(lambda: None, (200, 200))
    before = annotating._example(photograph, [(shape, flag)], mean, swaps, usual=1.0)
    after = annotating._turned(before, np.exp(0.9j))
    means = [mirror_shape(one, swaps) if flag else one for one in (mean, mean * np.exp(0.9j))]
    moved = [one.fits[0].move(own) for one, own in zip((before, after), means, strict=True)]
    np.testing.assert_allclose(*moved)


def flipped(path, points):
    """Write the mirrored photograph, and return its path and points."""
    picture = read_image(path)
    target = path.with_name(f"flipped_{path.name}")
    write_image(target, np.ascontiguousarray(picture[:, ::-1]))
    swaps = list(swap_sides(NAMES, np.arange(4) * 1j))
    return target, (points * (-1, 1) + (picture.shape[1] - 1, 0))[:, swaps]


def test_a_template_finds_a_mirrored_object(little, tmp_path):
    example, plain, other = paste_objects(tmp_path, [[0], [40], [-70]]).items()
    labels = Labels(NAMES, (LabelledPhotograph(example[0], tuple(map(LabelledObject, example[1]))),))
    truth = [plain, flipped(*plain), flipped(*other)]
    examples, shape, swaps = annotating._examples(labels, may_be_mirrored=True)
    photographs = [annotating._open(path).photograph for path, _ in truth]
    weights, align = load("vgg16"), load("alexnet")
    task, _ = annotating._task(NAMES, examples, shape, swaps, photographs, weights, rotate="auto", mirror=None)
    assert task.mirrored
    found = match_template(examples, photographs, task=task, search=weights, align=align)
    assert [one.mirrored for one in found] == [False, True, True]
    for one, (_, (points,)) in zip(found, truth, strict=True):
        assert np.median(np.linalg.norm(one.points - points, axis=1)) < 8


@pytest.mark.slow
def test_examples_of_both_sides_find_objects_of_both(tmp_path):
    drawn = list(paste_objects(tmp_path, [[angle] for angle in ANGLES]).items())
    truth = dict(one if number % 2 else flipped(*one) for number, one in enumerate(drawn))
    labels = write_labels(tmp_path / "examples.csv", dict(list(truth.items())[:5]))
    paths = [str(path) for path in truth]
    ended = run("annotate", *paths, "--examples", labels, "--out", tmp_path / "out", "--json")
    assert ended.status == 0
    assert json.loads(ended.out)["method"] == "two stages"
    far = errors(points_of(tmp_path / "out" / "points.csv"), dict(list(truth.items())[5:]))
    assert max(each.max() for each in far.values()) < 4


@pytest.mark.slow
def test_five_examples_are_held_out_and_an_absent_point_is_absent(tmp_path):
    truth = paste_objects(tmp_path, [[angle] for angle in ANGLES], hidden={1, 3, 5, 7})
    values, found = annotate(tmp_path, truth, 5)
    assert [one["chosen"] for one in values["held_out"]] == [True]
    assert values["held_out"][0]["right"] > 0.8
    for path in truth:
        np.testing.assert_allclose(found[path.name], truth[path], atol=4)


def test_heads_learn_on_from_further_examples(tmp_path, little, monkeypatch):
    truth = paste_objects(tmp_path, [[angle] for angle in ANGLES], hidden={1})
    first, _ = annotate(tmp_path, truth, 5)
    before = load_fitted(tmp_path / "out" / "model", AnnotationModel)
    assert first["learned"] is None
    assert sorted(before.held_out.photographs) == [f"{k}.png" for k in range(5)]
    frame = "{}x{}".format(*before.method.frame)
    kept = {
        path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "features").glob(f"*-whole-{frame}.npz")
    }
    assert len(kept) == len(truth) - 5
    loaded = Mock(wraps=loading.read_params)
    monkeypatch.setattr(loading, "read_params", loaded)
    again, found = annotate(tmp_path, truth, 7)
    assert sorted(call.kwargs["network"].name for call in loaded.mock_calls) == ["alexnet", "vgg16"]
    assert (again["learned"], again["method"]) == (2, first["method"])
    assert errors(found, truth)["7.png"].max() < 8
    assert kept == {path: path.stat().st_mtime_ns for path in kept}
    after = load_fitted(tmp_path / "out" / "model", AnnotationModel)
    assert after.held_out.photographs == (*before.held_out.photographs, "5.png", "6.png")
    np.testing.assert_array_equal(after.held_out.errors[:5], before.held_out.errors)
    # The two are compared with their labels as the model before found them.
    seven, *_ = annotating._examples(read_labels(tmp_path / "examples.csv"), may_be_mirrored=True)
    expected = compare(seven[5:], before.method)
    np.testing.assert_allclose(after.held_out.errors[5:], expected.errors, atol=1e-3)
    # Without further examples, the same command finds the same again.
    assert annotating._unseen(seven, before) == seven[5:]
    assert annotating._unseen(seven, after) == annotating._unseen(seven[1:], before) == []
    moved = seven[0]._replace(objects=(seven[0].objects[0] + 1,))
    assert annotating._unseen([moved, *seven[1:]], before) == []
    assert annotating._goes_on(after.method, after.method.task, [after.method.name])
    for change in ({"mirror": not after.method.task.mirror}, {"angle_range": 0.1}, {"objects": 2}):
        assert not annotating._goes_on(after.method, replace(after.method.task, **change), [after.method.name])
    assert not annotating._goes_on(after.method, after.method.task, ["one stage"])


@pytest.mark.slow
def test_several_objects_are_found_once_each(tmp_path):
    truth = paste_objects(tmp_path, [[angle, -angle - 60] for angle in ANGLES])
    _, found = annotate(tmp_path, truth, 5)
    for path in truth:
        left_to_right = sorted(found[path.name], key=lambda points: points[:, 0].mean())
        np.testing.assert_allclose(left_to_right, truth[path], atol=4)


@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        (np.full((0, 4, 2), np.nan), "has no labelled photograph|no example has two points"),
        ([[[40, 50]] + [[np.nan, np.nan]] * 3], "no example has two points at different places"),
        ([[[40, 50]] * 4], "no example has two points at different places"),
        (
            [[[40, 50], [90, 60], [60, 80], [np.nan, np.nan]]],
            "no example shows the point 'horn'; label it once",
        ),
        ([[[40, 50], [900, 60], [1, 2], [3, 4]]], "point tail of .*, is outside the photograph of 160 x 120"),
    ],
)
def test_examples_that_show_nothing_are_one_sentence(tmp_path, points, sentence):
    truth = dict.fromkeys(paste_objects(tmp_path, [[0]]), np.array(points, float))
    labels = write_labels(tmp_path / "examples.csv", truth)
    assert_refused(run("annotate", tmp_path, "--examples", labels, "--out", tmp_path / "out"), sentence)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--method", "one stage"), "the method is 'one stage', and 'person' is to start; only one of them"),
        ((), "the person cascade has no joint 'nose'; it has r_ankle"),
    ],
)
def test_what_the_person_cascade_cannot_do_is_refused_at_once(tmp_path, options, sentence):
    labels = write_labels(tmp_path / "examples.csv", paste_objects(tmp_path, [[0]]))
    ended = run(
        "annotate", tmp_path, "--examples", labels, "--out", tmp_path / "out", "--start", "person", *options
    )
    assert_refused(ended, sentence)


def test_a_file_in_the_place_of_kept_features_is_refused(tmp_path):
    labels = write_labels(tmp_path / "examples.csv", paste_objects(tmp_path, [[0]]))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "features").touch()
    ended = run("annotate", tmp_path, "--examples", labels, "--out", tmp_path / "out")
    assert_refused(ended, "features is a file; the features of photographs are kept in a folder of this name")


def test_few_examples_have_one_stage_where_parts_move(tmp_path, rng):
    scenes = np.kron(rng.integers(30, 220, (8, 6, 8, 3)), np.ones((1, 10, 10, 1))).astype(np.uint8)
    one_view, others = (
        [annotating.Photograph(partial(np.copy, scenes[k]), (60, 80)) for k in numbers]
        for numbers in ([0] * 8, range(8))
    )
    shape = np.array([0, 60, 20 + 50j, 30j])
    bent = [shape * (1, 1, 1, 1j**k) for k in range(3)]
    extract = Extractor.fit(scenes[:2, :32, :64], load("vgg16"))

    def method(shapes, copies, **change):
        labels = labels_of(tmp_path, [each + 40 + 40j for each in shapes])
        examples, mean, swaps = annotating._examples(labels, may_be_mirrored=False)
        task, residual = annotating._task(
            NAMES, examples, mean, swaps, copies, extract, rotate="auto", mirror=None
        )
        return annotating._method_of_few(replace(task, **change), residual, examples)

    assert method(bent, others) == "one stage"
    assert method(bent, others, objects=2) == method([shape] * 3, one_view) == "two stages"
    # Of a single example, size and view decide.
    assert method([2 * shape], one_view) == "one stage"
    assert method([shape], one_view) == method([2 * shape], others) == "two stages"


def test_photographs_of_one_camera_are_recognized(rng):
    def photographs(scenes):
        noisy = [(scene + rng.normal(0, 12, scene.shape)).clip(0, 255).astype(np.uint8) for scene in scenes]
        return [annotating.Photograph(lambda image=image: image, image.shape[:2]) for image in noisy]

    scenes = np.kron(rng.uniform(30, 220, (40, 6, 8, 3)), np.ones((1, 10, 10, 1)))
    assert annotating._show_one_view(photographs(scenes[[0] * 40]))
    assert not annotating._show_one_view(photographs(scenes))
    assert not annotating._show_one_view(photographs(scenes[:1]))
    assert not annotating._show_one_view(photographs(np.full((3, 20, 30, 3), 127.0) * 0))
