"""An untrained cascade, evaluated end to end on a few rendered people."""

import dataclasses
import itertools
import json

import jax
import numpy as np
import pytest

from convcorr_jax.datasets import load_image
from convcorr_jax.datasets.poses import ORDERS, Interpretation
from convcorr_jax.errors import InputError
from convcorr_jax.io import load_fitted, save_fitted
from convcorr_jax.metrics import FLIC_PCK, MPII_PCKH
from convcorr_jax.pose import PERSON, TrainedCascade, cascade, predict_photograph
from convcorr_jax.report.sections import pose as pose_sections
from convcorr_jax.runtime import plain
from convcorr_jax.tasks import Output
from convcorr_jax.tasks.pose import (
    PoseData,
    PredictedJoints,
    PredictionOptions,
    evaluation,
    prepare,
    read_people,
)
from convcorr_jax.tasks.scoring import percentages
from eval import pose, score_predictions
from tests.builders.flic_tree import FACING, example, write_release
from tests.builders.genuine import genuine
from tests.builders.people import write_people
from tests.builders.pose_architectures import TINY_LSP as TINY
from tests.builders.shown import assert_shown

TRAINED = 24


def save_untrained(folder, architecture=TINY, facts=None):
    model = TrainedCascade(cascade.init(jax.random.key(3), architecture), architecture, facts or {})
    save_fitted(folder / "model", model)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The script's folder, with the model in it."""
    folder = save_untrained(tmp_path_factory.mktemp("pose"), facts={"dataset": "rendered", "people": 3})
    options = {"prediction": PredictionOptions(4), "output": Output(folder / "out")}
    config = pose.Config(folder / "model.npz", PoseData(rendered_train=TRAINED), **options)
    assert pose.main(config) == folder / "out" / "result.json"
    return folder


def shares(errors) -> dict[str, float]:
    """PCK of normalized errors, with NaN for joints that do not count."""
    known = errors[~np.isnan(errors)]
    return {f"{alpha:g}": float((known <= alpha).mean()) for alpha in (0.05, 0.1, 0.2)}


def by_hand(folder) -> dict[str, dict[str, float]]:
    """PCK of each person and joint by loops."""
    model = load_fitted(folder / "model", TrainedCascade)
    people = prepare(read_people("rendered", part="test", rendered=TRAINED), TINY)
    off = {"coarse": [], "cascade": [], "coarse_alone": []}
    for row, record in enumerate(people.records):
        found = cascade.predict(
            model.params, people.images[row : row + 1], people.torso[row : row + 1], architecture=TINY
        )
        back = people.to_frame[row].inverse
        for errors, points in zip(off.values(), (found.coarse, found.points, found.coarse_alone), strict=True):
            for place, truth in zip(back(np.asarray(points[0], float)), record.points, strict=True):
                errors.append(np.hypot(*(place - truth)) / record.normalizer_px)
    return {name: shares(np.array(errors)) for name, errors in off.items()}


def test_the_shares_of_correct_joints_agree_with_loops(run):
    files = "result.json run.json pck.png errors.png people.jpg joints.json predictions.npz"
    assert {path.name for path in (run / "out").iterdir()} == set(files.split())
    result = json.loads((run / "out" / "result.json").read_text())
    assert result["people"] == TRAINED // 4
    assert set(result["pck"]) == {"coarse_alone", "coarse", "cascade"}
    for name, expected in by_hand(run).items():
        assert result["pck"][name] == pytest.approx(expected, abs=0.02)
        assert result["per_joint"][name]["total"] == result["pck"][name]
    assert list(result["per_joint"]["cascade"]) == [
        *("head", "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "ubody", "total")
    ]
    assert result["sides"] == "the person's own"
    assert result["training"] == {"dataset": "rendered", "people": 3}
    at = result["curves"]["alphas"].index(0.1)
    for net, columns in result["per_joint"].items():
        for name, correct in columns.items():
            assert result["curves"][net][name][at] == correct["0.1"]
    spread = result["spread_px"]["coarse"]["wrist"]
    assert spread["counted"] + spread["outliers"] <= 2 * TRAINED // 4


def test_the_page_shows_a_row_a_net_and_threshold_beside_the_paper(run):
    result = json.loads((run / "out" / "result.json").read_text())
    torsos, joints, published, spreads, _ = assert_shown(pose_sections.person, result, run / "out").tables
    nets = ("cascade", "coarse", "coarse_alone")
    assert [row[0] for row in joints.rows] == [
        f"{net} at {alpha}" for net in nets for alpha in ("0.05", "0.1", "0.2")
    ]
    assert joints.rows[2][-1] == result["pck"]["cascade"]["0.2"]
    # Rendered people are not MPII: the paper's rows stand apart.
    assert published.title.startswith("The paper's figures")
    assert [row[0] for row in published.rows] == [
        *("scale normalized", "scale normalized (test only)", "unnormalized")
    ]
    assert spreads.rows[0][0] == "cascade"
    assert [row[:2] for row in torsos.rows] == [(torso, net) for torso in ("annotated", "none") for net in nets]


def test_a_row_of_mpii_stands_beside_the_row_of_its_setting(run):
    result = json.loads((run / "out" / "result.json").read_text())
    result |= {"protocol": plain(MPII_PCKH), "training": result["training"] | {"scale": False}}
    for scale, row in ((True, "scale normalized (test only)"), (False, "unnormalized")):
        shown = assert_shown(pose_sections.person, result | {"scale": scale}, run / "out")
        assert shown.tables[1].rows[-1][0] == f"{row} at 0.5, paper, 11,701 test people"
        assert not [each for each in shown.tables if "(Table 4)" in each.title]
    normalized = result | {"training": result["training"] | {"scale": True}, "scale": False}
    tables = assert_shown(pose_sections.person, normalized, run / "out").tables
    # Trained with normalized and tested with unnormalized scale: the paper has no such row.
    assert [each for each in tables if "(Table 4)" in each.title]


FOUR_AT_ONCE = PredictionOptions(4)


def evaluated(folder, dataset, *, prediction=FOUR_AT_ONCE, **options):
    config = pose.Config(
        folder / "model.npz", dataset, prediction=prediction, output=Output(folder / "out"), **options
    )
    return json.loads(pose.main(config).read_text())


@pytest.fixture
def tiny(tmp_path):
    """The folder of an untrained model."""
    return save_untrained(tmp_path)


@pytest.fixture
def predicted(monkeypatch):
    """The torsos in the photographs, and the options, of every prediction, which is the truth."""
    calls = []

    def predict(params, people, *, architecture, batch, **options):
        calls.append((people.to_photographs(people.torso[:, None])[:, 0], options))
        return PredictedJoints(*[np.stack([each.points for each in people.records])] * 3)

    monkeypatch.setattr(evaluation, "predict_joints", predict)
    return calls


def test_the_torso_is_the_one_that_was_chosen(tiny, predicted):
    """The box of compact people, the middle of their photographs, or nothing."""
    path = write_people(tiny / "people", train=0, test=3, side=40)
    result = evaluated(tiny, PoseData((path,)), torso="box", other_torsos=("annotated", "middle", "none"))
    assert result["torso"] == "box"
    assert list(result["pck_by_torso"]) == ["box", "annotated", "middle", "none"]
    for number, record in enumerate(read_people(path, part="test")):
        named = dict(zip(record.names, record.points, strict=True))
        joints = [named[f"{side}_{joint}"] for side in "lr" for joint in ("shoulder", "hip")]
        box = (record.points.min(axis=0) + record.points.max(axis=0)) / 2
        expected = [box, np.mean(joints, axis=0), [19.5, 19.5], [np.nan, np.nan]]
        np.testing.assert_allclose([torsos[number] for torsos, _ in predicted], expected, atol=1e-3)


def test_options_that_the_data_set_does_not_have_are_refused(run):
    with pytest.raises(InputError, match=r"these people have no scale in the data set.*--no-scale is .*mpii"):
        evaluated(run, PoseData(rendered_train=TRAINED, scale=False))
    with pytest.raises(InputError, match="sides is for FLIC only; those of rendered are as its files"):
        read_people("rendered", part="test", rendered=4, sides="observer")


@pytest.fixture
def flic_run(tmp_path, monkeypatch):
    """A tiny FLIC whose third test person is seen from behind, and predictions near the observer's truth."""
    behind = (False, False, True, False)
    examples = [
        example(f"film-{number}.jpg", train=0, test=1, behind=each) for number, each in enumerate(behind)
    ]
    write_release(tmp_path / "flic", example("film-9.jpg"), *examples)
    joints = ORDERS["flic-7"]
    shape = dataclasses.replace(TINY, joints=joints, left_right_pairs=((0, 3), (1, 4), (2, 5)))
    save_untrained(tmp_path, shape)
    truth = np.array([FACING[joint] for joint in joints], float) - 1
    noise = np.random.default_rng(5).normal(0, 0.9, (3, len(behind), len(joints), 2))
    monkeypatch.setattr(evaluation, "predict_joints", lambda *_, **__: PredictedJoints(*(truth + noise)))
    return tmp_path


@pytest.mark.parametrize("sides", [None, "observer", "person"])
def test_flic_is_scored_as_the_official_scorer_does(flic_run, sides):
    """The same predictions through both scripts have the same figures, to the last digit."""
    result = evaluated(flic_run, PoseData((str(flic_run / "flic"),), sides=sides))
    assert result["protocol"]["name"] == FLIC_PCK.name
    files = (flic_run / "flic" / "examples.mat", flic_run / "out" / "predictions.npz")
    options = {"interpretation": Interpretation(sides=sides, first_pixel=0)}
    config = score_predictions.Config("flic_pck", *files, output=Output(flic_run / "scored"), **options)
    official = json.loads(score_predictions.main(config).read_text())
    assert result["sides"] == official["sides"] == f"{sides or 'observer'}-centric"
    columns = result["curves"]["cascade"]
    alphas = result["curves"]["alphas"]
    for alpha, shares in official["curves"].items():
        place = alphas.index(float(alpha))
        assert percentages({name: columns[name][place] for name in shares}) == shares
    # The predictions are the observer's: by the person's own sides, one person of four is exchanged.
    assert (result["per_joint"]["cascade"]["wrist"]["0.2"] == 1) == (sides != "person")


@pytest.mark.parametrize("options", [{}, {"mirrored": False}, {"subcell": False}])
def test_the_options_of_predictions_are_passed_on(tiny, predicted, options):
    path = write_people(tiny / "people", train=0, test=2, side=40)
    result = evaluated(tiny, PoseData((path,)), prediction=PredictionOptions(4, **options))
    expected = {"mirrored": True, "rotated": True, "subcell": True} | options
    assert [passed for _, passed in predicted] == [expected] * 2
    assert result["prediction"] == {"batch": 4} | expected


def test_people_of_unknown_torso_are_looked_at_twice(tmp_path):
    """Without a torso, the script scores what `predict_photograph` finds in the photographs."""
    path = write_people(tmp_path / "people", train=0, test=3, side=40)
    save_untrained(tmp_path, dataclasses.replace(TINY, frame_px=30.0))
    result = evaluated(tmp_path, PoseData((path,)), torso="none", other_torsos=("annotated",))
    records = read_people(path, part="test")
    loaded = load_fitted(tmp_path / "model", TrainedCascade)
    found = np.stack([predict_photograph(loaded, load_image(one)).points for one in records])
    np.testing.assert_allclose(np.load(tmp_path / "out" / "predictions.npz")["preds"], found, atol=1e-3)
    errors = np.hypot(*np.moveaxis(found - np.stack([one.points for one in records]), -1, 0)) / 40
    for alpha, share in result["pck_by_torso"]["none"]["cascade"].items():
        assert share == pytest.approx((errors <= float(alpha)).mean(), abs=0.03)
    # Second frames are 20 to 40 pixels wide, of 128 pixels of the input.
    assert 128 / 40 <= result["input_px_per_px"] <= 128 / 20


def test_two_data_sets_are_tested_together(tiny):
    paths = [write_people(tiny / name, train=0, test=2, side=40) for name in ("a", "b")]
    result = evaluated(tiny, PoseData(tuple(paths)))
    assert (result["people"], result["dataset"]) == (4, " + ".join(paths))


def test_another_method_is_scored_on_the_joints_of_both(tmp_path, monkeypatch):
    """A peer without neck and head, in another order of joints, on upright and other people."""

    def change(arrays):
        # Rendered people are upright; half of these are, too, by a torso that is not too long for their height.
        arrays["torso"][::2] = 10.0

    path = write_people(tmp_path / "people", train=1, test=6, side=40, change=change)
    save_untrained(tmp_path, facts={"dataset": "rendered", "people": 3})
    records = read_people(path, part="test")
    names, truth = records[0].names, np.stack([record.points for record in records])
    ours, theirs = truth + np.random.default_rng(0).normal(0, 3, (2, *truth.shape))
    theirs[0, 3] = np.nan
    lacking = [names.index(name) for name in ("neck", "head_top")]
    order = np.roll(np.arange(14), 5)
    written = np.where(np.isin(np.arange(14), lacking)[:, None], np.nan, theirs)[:, order]
    np.savez(tmp_path / "other.npz", preds=written, joint_names=np.array(names)[order])
    monkeypatch.setattr(evaluation, "predict_joints", lambda *_, **__: PredictedJoints(*[ours] * 3))
    monkeypatch.setattr(evaluation, "rows_of_shared_scenes", lambda *_: [1, 4])
    data = PoseData((path,))
    result = evaluated(tmp_path, data, peers=(tmp_path / "other.npz",), trained_on=(str(path),))
    compared = result["peers"]["other"]
    both = [k for k in range(14) if k not in lacking]
    assert compared["joints"] == [names[k] for k in both]
    lengths = np.array([record.normalizer_px for record in records])[:, None]
    errors = {
        name: np.hypot(*np.moveaxis(points - truth, -1, 0))[:, both] / lengths
        for name, points in (("peer", theirs), ("annotated", ours))
    }
    errors["peer"][0, both.index(3)] = np.inf
    shoulders, hips = (
        truth[:, [names.index(f"{side}_{part}") for side in "lr"], 1].mean(axis=1)
        for part in ("shoulder", "hip")
    )
    upright = hips - shoulders >= 0.7 * lengths[:, 0]
    assert 0 < upright.sum() < 6
    shared = np.isin(np.arange(6), [1, 4])
    groups = {"all": shared | ~shared, "upright": upright, "others": ~upright}
    groups |= {"shared_scenes": shared, "other_scenes": ~shared}
    assert list(compared["groups"]) == list(result["groups"]) == list(groups)
    for group, members in groups.items():
        scores, alone = compared["groups"][group], result["groups"][group]
        assert (alone["people"], alone["counted"]) == (members.sum(), 14 * members.sum())
        assert (scores["people"], scores["counted"]) == (members.sum(), 12 * members.sum())
        for method, of_method in errors.items():
            expected = shares(of_method[members])
            assert scores[method]["pck"] == pytest.approx(expected)
            assert scores["minus_peer"]["annotated"]["pck"]["0.1"] == pytest.approx(
                shares(errors["annotated"][members])["0.1"] - shares(errors["peer"][members])["0.1"]
            )
            for alpha, share in expected.items():
                low, high = scores[method]["interval"][alpha]
                assert low - 1e-6 <= share <= high + 1e-6
    tables = assert_shown(pose_sections.person, result, tmp_path / "out").tables
    assert [row[:2] for row in tables[1].rows[:3]] == [
        *(("all, 6", "other"), ("all, 6", "cascade, torso annotated"), ("all, 6", "difference"))
    ]


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"preds": np.zeros((4, 14, 2))}, r"other\.npz"),
        ({"preds": np.full((5, 14, 2), np.nan)}, "predicts none of"),
    ],
)
def test_predictions_of_others_are_read_before_people_are_predicted(tiny, arrays, words):
    path = write_people(tiny / "people", train=0, test=5, side=40)
    np.savez(tiny / "other.npz", **arrays)
    with pytest.raises(InputError, match=words):
        evaluated(tiny, PoseData((path,)), peers=(tiny / "other.npz",))


@pytest.mark.slow
def test_the_card_has_the_figures_of_genuine_people(tmp_path):
    """All test people, with and without the torso.

    The card rounds each figure to three digits. Positions may differ by .02 pixels on another processor, and
    PCK rises by at most .015 with every pixel of the threshold: three of 10,000 joints may change side.
    """
    config = pose.Config(data=PoseData((str(genuine("lspet")),)), output=Output(tmp_path / "out"))
    result = json.loads(pose.main(config).read_text())
    card = PERSON.with_suffix(".md").read_text(encoding="utf-8")
    nets = {"coarse net alone, before the spatial model": "coarse_alone"}
    nets |= {"coarse net and spatial model": "coarse", "cascade": "cascade"}
    for (name, net), torso in itertools.product(nets.items(), ("annotated", "none")):
        row = f"{name} | {torso}"
        [stated] = [line for line in card.splitlines() if f"| {row} |" in line]
        figures = [float(figure) for figure in stated.split("|")[3:-1]]
        shares = list(result["pck_by_torso"][torso][net].values())
        np.testing.assert_allclose(figures, shares, rtol=0, atol=5e-4 + 0.02 * 0.015, err_msg=row)
