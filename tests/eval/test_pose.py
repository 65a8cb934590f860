"""A cascade that knows nothing, scored end to end on a few rendered people."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.datasets.official import lsp
from convcorr_jax.pose import cascade
from convcorr_jax.pose.architecture import small
from convcorr_jax.pose.saved import load_cascade, save_cascade
from eval import pose
from train.pose_examples import prepare, read_people

TINY = dataclasses.replace(
    small(lsp.NAMES, lsp.LEFT_RIGHT_PAIRS),
    features=(4, 4, 4),
    group_norm=False,
    hidden=(8, 4, 4),
    fine_features=4,
)
TRAINED = 24


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The script's folder, with the model in it."""
    folder = tmp_path_factory.mktemp("pose")
    params = cascade.init(jax.random.key(3), TINY)
    save_cascade(folder / "model", params, TINY, training={"steps": 0})
    config = pose.Config(folder / "model.npz", rendered_train=TRAINED, batch=4, out=folder / "out")
    assert pose.main(config) == folder / "out" / "result.json"
    return folder


def by_hand(folder) -> dict[str, dict[str, float]]:
    """PCK of each person and joint by loops."""
    model = load_cascade(folder / "model")
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
    assert result["training"] == {"steps": 0}
    spread = result["spread_px"]["coarse"]["wrist"]
    assert spread["counted"] + spread["outliers"] <= 2 * TRAINED // 4


def test_pictures_are_there(run):
    assert {path.name for path in (run / "out").iterdir()} == {
        *("result.json", "run.json", "pck.png", "errors.png", "people.jpg"),
    }
