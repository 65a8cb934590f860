"""An untrained cascade, evaluated end to end on a few rendered people."""

import json

import jax
import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.errors import InputError
from convcorr_jax.io import load_fitted, save_fitted
from convcorr_jax.pose import TrainedCascade, cascade
from convcorr_jax.report.sections import pose as pose_sections
from convcorr_jax.tasks.options import Output
from convcorr_jax.tasks.pose import PoseData, prepare, read_people
from eval import pose
from tests.builders.pose_architectures import TINY_LSP as TINY
from tests.builders.shown import assert_shown

TRAINED = 24


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The script's folder, with the model in it."""
    folder = tmp_path_factory.mktemp("pose")
    params = cascade.init(jax.random.key(3), TINY)
    facts = {"dataset": "rendered", "people": 3}
    save_fitted(folder / "model", TrainedCascade(params, TINY, facts))
    config = pose.Config(
        folder / "model.npz",
        PoseData(rendered_train=TRAINED),
        batch=4,
        output=Output(folder / "out"),
    )
    assert pose.main(config) == folder / "out" / "result.json"
    return folder


def by_hand(folder) -> dict[str, dict[str, float]]:
    """PCK of each person and joint by loops."""
    model = load_fitted(folder / "model", TrainedCascade)
    people = prepare(read_people("rendered", part="test", rendered=TRAINED), TINY)
    right = {"coarse": [], "cascade": []}
    for row, record in enumerate(people.records):
        found = cascade.predict(
            model.params,
            people.images[row : row + 1],
            people.torso[row : row + 1],
            architecture=TINY,
        )
        back = coords.invert(people.to_frame[row])
        for name, points in (("coarse", found.coarse), ("cascade", found.points)):
            places = coords.apply(back, np.asarray(points[0], float))
            for joint, place in enumerate(places):
                off = np.hypot(*(place - record.points[joint])) / record.normalizer_px
                if not np.isnan(off):
                    right[name].append(off)
    return {
        name: {f"{alpha:g}": np.mean([off <= alpha for off in offs]) for alpha in (0.05, 0.1, 0.2)}
        for name, offs in right.items()
    }


def test_the_shares_of_correct_joints_agree_with_loops(run):
    result = json.loads((run / "out" / "result.json").read_text())
    assert result["people"] == TRAINED // 4
    for name, expected in by_hand(run).items():
        assert result["pck"][name] == pytest.approx(expected, abs=0.02)
        assert result["per_joint"][name]["total"] == result["pck"][name]
    assert list(result["per_joint"]["cascade"]) == [
        *("head", "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "ubody", "total")
    ]
    assert result["sides"] == "the person's own"
    assert result["training"] == {"dataset": "rendered", "people": 3}
    for net, columns in result["curves"].items():
        if net != "alphas":
            at = result["curves"]["alphas"].index(0.1)
            assert {name: shares[at] for name, shares in columns.items()} == {
                name: shares["0.1"] for name, shares in result["per_joint"][net].items()
            }
    spread = result["spread_px"]["coarse"]["wrist"]
    assert spread["counted"] + spread["outliers"] <= 2 * TRAINED // 4


def test_the_page_shows_a_row_a_net_and_threshold_beside_the_paper(run):
    result = json.loads((run / "out" / "result.json").read_text())
    joints, spreads = assert_shown(pose_sections.person, result, run / "out").tables
    assert [row[0] for row in joints.rows] == [
        *("cascade at 0.05, ours", "cascade at 0.1, ours", "cascade at 0.2, ours"),
        *("coarse at 0.05, ours", "coarse at 0.1, ours", "coarse at 0.2, ours"),
        "paper, MPII, PCKh at 0.5",
    ]
    assert joints.rows[2][-1] == result["pck"]["cascade"]["0.2"]
    assert spreads.rows[0][0] == "cascade, ours"


def test_an_empty_batch_is_refused(tmp_path):
    with pytest.raises(InputError, match="batch is 0; at least 1 is expected"):
        pose.main(pose.Config(batch=0, output=Output(tmp_path)))


def test_figures_are_written(run):
    assert {path.name for path in (run / "out").iterdir()} == {
        *("result.json", "run.json", "pck.png", "errors.png", "people.jpg", "joints.json"),
    }
