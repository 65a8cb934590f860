"""Keypoints by ridge regression end to end on a few rendered people, with the real weights."""

import dataclasses

import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.io import read_image
from convcorr_jax.tasks import CategoryData, Output
from convcorr_jax.tasks.keypoints import RIDGE_METHODS, ridge
from eval.ridge_keypoints import ALPHAS, Config, main
from tests.builders.people import write_people
from tests.builders.shown import result_of

pytestmark = pytest.mark.usefixtures("small_network")
TRAIN, TEST, SIDE = 9, 3, 96


@pytest.fixture
def people(tmp_path):
    return write_people(tmp_path / "people", train=TRAIN, test=TEST, side=SIDE)


def test_the_table_has_every_method(people, tmp_path, monkeypatch):
    config = Config(data=CategoryData(people), output=Output(tmp_path / "out"))
    result = result_of(main, config)
    assert result["objects"] == {"person": {"train": TRAIN, "test": TEST}}
    assert (result["layer"], result["alpha"]) == ("pool5", 0.1)
    curve = result["curve"]
    assert curve["alphas"] == list(ALPHAS)
    for method in RIDGE_METHODS:
        assert (curve[method], curve[method][0]) == (sorted(curve[method]), 0)
        assert result["pck"][method] == curve[method][10]
        assert result["per_category"][method] == {"person": result["pck"][method]}
    # The mean position cannot reach this PCK by chance.
    assert curve["mean"][-1] > 0.8
    assert read_image(config.output.out / "figure_2b.png").shape[1] > 800
    assert read_image(config.output.out / "predictions.jpg").shape[1] > 4 * 220
    # A later run loads everything that a killed one cached.
    (config.output.out / "result.json").unlink()
    monkeypatch.setattr(ridge, "global_features", pytest.fail)
    monkeypatch.setattr(ridge, "fit_keypoints", pytest.fail)
    assert result_of(main, config) == result
    monkeypatch.undo()
    copies = result_of(main, dataclasses.replace(config, mirrored=True))
    assert copies["pck"]["mean"] != result["pck"]["mean"]


def test_without_a_split_every_object_is_predicted_without_it(tmp_path, monkeypatch):
    people = write_people(tmp_path / "people", train=0, test=5, side=SIDE)
    trained_on = []
    whole = ridge.fit_keypoints

    def watched(features, points, objects, *, names):
        trained_on.append(objects.tolist())
        return whole(features, points, objects, names=names)

    monkeypatch.setattr(ridge, "fit_keypoints", watched)
    result = result_of(main, Config(data=CategoryData(people), output=Output(tmp_path / "out")))
    assert trained_on == [[j for j in range(5) if j != i] for i in range(5)] * 2
    assert result["objects"] == {"person": {"train": 4, "test": 5}}


def test_a_joint_that_no_person_shows_is_named(tmp_path):
    def hide(arrays):
        arrays["visible"][:TRAIN, 3] = False

    people = write_people(tmp_path / "people", train=TRAIN, test=TEST, side=SIDE, change=hide)
    with pytest.raises(
        InputError, match="category 'person': keypoint 'l_hip' is annotated in 0 training objects"
    ):
        main(Config(data=CategoryData(people), output=Output(tmp_path / "out")))
