"""The person cascade as a method: joints by their names, what it has not, and how it learns on."""

from dataclasses import replace
from importlib import import_module

import jax
import numpy as np
import pytest

from convcorr_jax import images
from convcorr_jax.annotation import AnnotationModel, Calibration, people
from convcorr_jax.annotation.people import PersonCascade, TunedCascade, joints
from convcorr_jax.annotation.shape import Similarity, complex_of
from convcorr_jax.annotation.stages import Example
from convcorr_jax.annotation.windows import DIRECTIONS, LAYERS, Directions, Extractor
from convcorr_jax.backbone import NETWORKS, channels
from convcorr_jax.backbone.weights import load
from convcorr_jax.datasets.official import lsp
from convcorr_jax.errors import InputError
from convcorr_jax.io import load_fitted, save_fitted
from convcorr_jax.pose import Batch, FoundJoints, TrainedCascade, cascade, loss
from tests.builders.command_line import needs_weights
from tests.builders.pose_architectures import tiny_person

HEIGHT, WIDTH = 90, 120
# Joints lie 8 pixels apart at least; l_wrist is absent.
PERSON = np.array([(30 + 11 * (k % 4), 20 + 12 * (k // 4)) for k in range(14)], float)
PERSON[11] = np.nan


@pytest.mark.parametrize(
    "written", ["r_ankle", "right_ankle", "rightAnkle", "RAnkle", "Ankle right", "ankle_R"]
)
def test_joints_have_the_names_that_people_give_them(written):
    assert joints([written]) == joints(["r_ankle"])
    assert joints([written]) != joints(["left ankle"])


def test_a_point_that_is_no_joint_or_the_same_as_another_one_is_refused():
    with pytest.raises(InputError, match="the person cascade has no joint 'nose'; it has r_ankle, "):
        joints(["neck", "nose"])
    with pytest.raises(InputError, match="'leftAnkle' and another point are the joint 'l_ankle'"):
        joints(["l_ankle", "leftAnkle"])


NO_FEATURES = Extractor(None, ())


def task_of(names, extract=NO_FEATURES):
    return people.Task(
        names=names, mean=np.arange(len(names)) * (1 + 1j), swaps=tuple(range(len(names))), mirror=False,
        mirrored=False, angle_range=0.1, aspect=1.0, spread=0.1, objects=1, least_score=0.0, extract=extract,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("residual", "objects", "count", "share", "names"),
    [
        *((0.04, 1, 5, 0.4, "two stages"), (0.07, 1, 5, 0.2, "two stages, one stage")),
        *((0.07, 1, 5, 0.4, "one stage"), (0.2, 1, 5, 0.2, "one stage"), (np.nan, 1, 5, 0.4, "one stage")),
        *((0.2, 2, 5, 0.4, "two stages"), (np.nan, 3, 5, 0.2, "two stages")),
    ],
)
def test_entrants_suit_the_shape_and_the_number_of_examples(residual, objects, count, share, names):
    # The room has a function of the module's name.
    entrants = import_module("convcorr_jax.annotation.annotate")._entrants
    task = replace(task_of(("a", "b")), objects=objects, one_view=True)
    examples = [example_of(PERSON)._replace(fits=(Similarity(share * WIDTH + 0j, 0j),))] * count
    assert ", ".join(entrants(task, residual, examples, people=False)) == names
    both = "two stages, one stage"
    assert ", ".join(entrants(replace(task, one_view=False, objects=1), 0.07, examples, people=False)) == both
    assert entrants(task, residual, examples * 19, people=True)[-1] == "person cascade"
    assert entrants(task, residual, examples * 20, people=True)[-2:] == [
        "person cascade",
        "tuned person cascade",
    ]


def test_each_photograph_has_one_person_with_the_points_in_the_order_of_their_names(monkeypatch):
    shown = []

    def predicted(model, photographs, **options):
        shown.append(len(photographs))
        places = np.arange(14.0)[:, None] * [1, 2]
        return [FoundJoints(places + one.mean(), np.linspace(0, 1.3, 14), 0.9) for one in photographs]

    monkeypatch.setattr(people, "predict_photographs", predicted)
    names = ("neck", "leftWrist")
    method = PersonCascade.plan(task_of(names), [], steps=5)
    photographs = [
        people.Photograph(lambda k=k: np.full((20, 20, 3), k, np.uint8), (20, 20)) for k in range(10)
    ]
    found = method.predict(photographs, ())
    assert (shown, len(found)) == ([8, 8], 10)
    for number, (one,) in enumerate(found):
        order = np.array(joints(names))
        np.testing.assert_allclose(one.points, order[:, None] * [1, 2] + number)
        np.testing.assert_allclose(one.confidence, np.linspace(0, 1.3, 14)[order].clip(0, 1))
        assert not one.absent.any()


@pytest.fixture(scope="module")
def tuned():
    """A small cascade that is to learn in a few steps; points are in another order than its joints."""
    architecture = tiny_person(lsp.NAMES, lsp.LEFT_RIGHT_PAIRS)
    params = cascade.init(jax.random.key(0), architecture)
    method = TunedCascade.plan(task_of(lsp.NAMES[::-1]), [], steps=60)
    return replace(method, cascade=TrainedCascade(params, architecture, {}))


def example_of(*persons):
    """A dark photograph in which the joints of persons are bright."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for x, y in np.concatenate(persons)[~np.isnan(np.concatenate(persons)[:, 0])].astype(int):
        image[y - 1 : y + 2, x - 1 : x + 2] = 255
    shapes = tuple(complex_of(one[::-1]) for one in persons)
    photograph = people.Photograph(lambda: image, (HEIGHT, WIDTH))
    return Example(photograph, shapes, (None,) * len(shapes), (False,) * len(shapes), (None,) * len(shapes))


def test_joints_are_bright_in_the_frames_of_a_person(tuned):
    without_torso = PERSON.copy()
    without_torso[[2, 3, 8, 9]] = np.nan
    examples = [
        *(example_of(PERSON), example_of(without_torso), example_of(PERSON - 8, PERSON + 8)),
        example_of(without_torso - 8, without_torso + 8),
    ]
    (windows,) = tuned.windows(examples, count=9, rng=np.random.default_rng(0))
    (pixels, torsos), size = windows.features, tuned.cascade.architecture.input_size
    # One person is seen in the whole photograph, and whoever has a torso in a square.
    assert windows.examples.tolist() == [0, 0, 1, 2, 2, 3, 3]
    assert np.isnan(torsos).all(axis=1).tolist() == [True, False, True, False, False, True, True]
    margin = (np.array(pixels.shape[2:0:-1]) - (size.width, size.height)) / 2
    for image, (points,) in zip(pixels, windows.targets.cells, strict=True):
        seen = ~np.isnan(points[:, 0])
        assert not seen[11]
        assert seen.sum() >= 9
        values = images.sample(image, points[seen] + margin)
        assert values.min() > 100 > 15 > image.mean()
    # The square is around the middle of shoulders and hips.
    np.testing.assert_allclose(windows.targets.cells[1, 0, [2, 3, 8, 9]].mean(axis=0), torsos[1], atol=1e-3)


def test_the_nets_learn_from_people_and_the_front_stays(tuned):
    before = jax.tree.map(np.array, tuned.cascade.params)
    windows = tuned.windows([example_of(PERSON)], count=9, rng=np.random.default_rng(0))
    fitted = tuned.fit(windows, members=3, seed=1)
    (pixels, torsos), targets, _ = windows[0]
    height, width = tuned.cascade.architecture.input_size
    top, left = (pixels.shape[1] - height) // 2, (pixels.shape[2] - width) // 2
    batch = Batch(
        pixels[:, top : top + height, left : left + width], targets.cells[:, 0], torsos.astype(np.float32)
    )
    keys = jax.random.split(jax.random.key(2), len(torsos))

    def error(method):
        options = {"architecture": method.cascade.architecture, "phase": "joint"}
        return float(loss(keys, method.cascade.params, batch, **options)[0])

    assert error(fitted) < 0.9 * error(tuned)
    after = fitted.cascade.params
    jax.tree.map(np.testing.assert_array_equal, before, tuned.cascade.params)
    jax.tree.map(np.testing.assert_array_equal, before["front"], after["front"])
    for part in ("coarse", "fine"):
        changed = jax.tree.map(lambda a, b: not np.array_equal(a, b), before[part], after[part])
        assert all(jax.tree.leaves(changed))


@needs_weights
def test_a_saved_model_has_the_cascade_that_learned(tuned, tmp_path):
    widths = [channels(NETWORKS["vgg16"], layer) for layer in LAYERS]
    directions = [Directions(np.zeros(c), np.eye(c, k)) for c, k in zip(widths, DIRECTIONS, strict=True)]
    task = task_of(lsp.NAMES[::-1], Extractor(load("vgg16"), tuple(directions)))
    front = cascade.with_front(tuned.cascade.params, load("alexnet").params)["front"]
    learned = replace(tuned.cascade, params={**tuned.cascade.params, "front": front})
    model = AnnotationModel(
        task.names, "person", (), replace(tuned, task=task, cascade=learned), Calibration(), None
    )
    save_fitted(tmp_path / "model", model)
    read = load_fitted(tmp_path / "model", AnnotationModel)
    assert isinstance(read.method, TunedCascade)
    for name, rtol in {"coarse": 1e-3, "fine": 1e-3, "front": 0.02}.items():
        found, saved = read.method.cascade.params[name], learned.params[name]
        jax.tree.map(
            lambda a, b, rtol=rtol: np.testing.assert_allclose(a, b, rtol, rtol * np.abs(b).max()), found, saved
        )
