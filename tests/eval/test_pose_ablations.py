"""The ablations without training and testing, and the time of an untrained model."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.io import write_image, write_json
from convcorr_jax.metrics import FLIC_PCK, LSP_PCK
from convcorr_jax.pose import TrainedCascade, cascade
from convcorr_jax.report import joints_data
from convcorr_jax.report.sections import pose as pose_sections
from convcorr_jax.runtime import plain, write_run
from convcorr_jax.tasks import Output
from convcorr_jax.tasks.pose import Training, TrainingConfig, evaluation, forward_ms
from eval import pose, pose_ablations
from tests.builders.pose_architectures import TINY_LSP
from tests.builders.shown import assert_shown

TIMES = {"coarse": 1.0, "fine": 0.5, "cascade": 1.5}


@pytest.fixture
def trained(monkeypatch) -> list[TrainingConfig]:
    """Return the configurations that were trained, in order."""
    configs = []

    def train(config: TrainingConfig) -> None:
        configs.append(config)
        config.output.out.mkdir(parents=True, exist_ok=True)
        write_run(config.output.out, config, seconds=0.0)

    def test(config: pose.Config) -> Path:
        shares = {"coarse": [0, 0, 1, 1], "cascade": [0, 1, 1, 1], "coarse_alone": [0, 0, 0, 1]}
        curves = {net: {"wrist": one, "total": one} for net, one in shares.items()}
        pck = {net: {"0.05": 0.25 if net == "cascade" else 0.0} for net in shares}
        column = {"wrist": {"0.05": 0.25}, "total": {"0.05": 0.25}}
        spread = {"wrist": {"x_px": 3.5, "y_px": None, "counted": 3, "outliers": 1}}
        out = config.output.out
        out.mkdir(exist_ok=True)
        plan = {"steps": [3, 2, 1], "batch": 4}
        result = {
            **{"pck": pck, "per_joint": dict.fromkeys(shares, column)},
            "spread_px": dict.fromkeys(shares, spread),
            "interval": {net: {alpha: [0.1, 0.9] for alpha in at} for net, at in pck.items()},
            **{"protocol": plain(LSP_PCK), "part": "test", "sides": "the person's own", "torso": config.torso},
            **{"scale": True, "input_px_per_px": 0.5, "curves": {"alphas": [0.0, 0.1, 0.2, 0.3], **curves}},
            "training": {"of": config.checkpoint.parent.name, "plan": plan, "people": 5},
        }
        photograph = np.zeros((16, 16, 3), np.uint8)
        write_image(out / "people.jpg", photograph)
        points = np.full((1, len(TINY_LSP.joints), 2), 4.0)
        people = joints_data([photograph], {"coarse": points}, TINY_LSP.joints, texts=["alone"])
        write_json(out / "joints.json", people)
        write_json(out / "result.json", result)
        return out / "result.json"

    monkeypatch.setattr(pose_ablations, "train", train)
    monkeypatch.setattr(pose, "main", test)
    monkeypatch.setattr(pose_ablations, "load_fitted", lambda path, _: path)
    monkeypatch.setattr(pose_ablations, "forward_ms", lambda model: TIMES)
    return configs


def result_of(out: Path, *, variants=None, **options) -> dict:
    chosen = {} if variants is None else {"variants": variants}
    config = pose_ablations.Config(training=Training(**options), output=Output(out), **chosen)
    return json.loads(pose_ablations.main(config).read_text(encoding="utf-8"))


def test_variants_differ_in_what_they_are_named_after(tmp_path, trained):
    result = result_of(tmp_path, seed=7)
    changed = {
        one.output.out.name: (one.training.pooling, one.training.cascade, one.training.spatial_dropout)
        for one in trained
    }
    expected = {f"{pooling}x": (pooling, "shared", None) for pooling in (4, 8, 16)}
    assert changed == expected | {"standard": (8, "standard", None), "no_dropout": (8, "shared", 0.0)}
    assert {one.training.seed for one in trained} == {7}
    for part in ("pck", "per_joint", "spread_px", "forward_ms", "training"):
        assert list(result[part]) == list(changed)
    assert result["training"]["16x"]["of"] == "16x"
    assert (tmp_path / "curves.png").is_file()
    correct, joints, _, spreads, _, times, _ = assert_shown(pose_sections.cascade, result, tmp_path).tables
    nets = ("coarse", "cascade", "coarse_alone")
    assert [row[:2] for row in correct.rows[:3]] == [("4x", net) for net in nets]
    assert joints.rows[0] == ("4x", 0.25, 0.25)
    assert spreads.rows[0] == ("4x", 3.5)
    assert times.rows[0] == ("4x", 1.0, 0.5, 1.5)


def test_published_rows_stand_beside_rows_of_their_setting_alone(tmp_path, trained):
    """Rendered people are not FLIC, and the preset small is not the paper's network."""
    result = result_of(tmp_path, variants=("8x",))
    tables = assert_shown(pose_sections.cascade, result, tmp_path).tables
    apart = [table for table in tables if table.title.startswith("The paper's figures")]
    assert [len(table.rows) for table in apart] == [3, 4, 3]
    assert [len(table.rows) for table in tables if table not in apart] == [3, 1, 1, 1]
    assert apart[0].rows[0] == ("4x", 0.926, 0.73, 0.571, 0.604)
    assert apart[1].rows[2] == ("8x", 1.46, None, 2.49, 3.41)
    assert apart[2].rows[0] == ("4x", 140.0, 17.2, 157.2)
    flic = {"protocol": plain(FLIC_PCK), "sides": "observer-centric", "preset": "paper-flic"}
    tables = assert_shown(pose_sections.cascade, result | flic, tmp_path).tables
    _, joints, spreads, times, published_times = tables
    assert [row[0] for row in joints.rows] == ["8x", "4x, paper", "8x, paper", "16x, paper"]
    assert len(spreads.rows) == 5
    # The paper's times are of another device.
    assert [row[0] for row in times.rows] == ["8x"]
    assert published_times.rows[0] == ("4x", 140.0, 17.2, 157.2)
    # Another rule of sides, or another size of the frames, is another setting.
    person_centric = result | flic | {"sides": "person-centric"}
    assert len(assert_shown(pose_sections.cascade, person_centric, tmp_path).tables) == 7
    larger = result | flic | {"input_px_per_px": 4 / 9}
    assert len(assert_shown(pose_sections.cascade, larger, tmp_path).tables) == 6


@pytest.mark.parametrize("option", [{"pooling": 4}, {"cascade": "standard"}, {"spatial_dropout": 0.0}])
def test_what_the_variants_change_is_not_chosen_besides(tmp_path, trained, option):
    with pytest.raises(InputError, match="are what the variants change"):
        result_of(tmp_path, **option)
    assert not trained


def test_what_was_trained_under_the_same_options_is_not_trained_again(tmp_path, trained):
    for seed in (0, 0, 1):
        result_of(tmp_path, variants=("16x",), seed=seed)
    assert [one.training.seed for one in trained] == [0, 1]
    (tmp_path / "16x" / "run.json").write_text("{ damaged")
    result_of(tmp_path, variants=("16x",), seed=1)
    assert [one.training.seed for one in trained] == [0, 1, 1]


def test_every_part_takes_its_time(monkeypatch):
    monkeypatch.setattr(evaluation, "TIMED_CALLS", 2)
    times = forward_ms(TrainedCascade(cascade.init(jax.random.key(0), TINY_LSP), TINY_LSP, {}))
    assert list(times) == ["coarse", "fine", "cascade"]
    assert min(times.values()) > 0
