import json

import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.errors import InputError
from convcorr_jax.io import read_image
from convcorr_jax.labels import FoundObject, FoundPhotograph, LabelledObject, LabelledPhotograph
from convcorr_jax.tasks.annotation import lengths, score
from eval import annotation
from tests.builders.pasted_objects import learning_little, paste_objects, write_labels


def _found(path, *objects):
    made = (
        FoundObject(
            points, np.full(len(points), 0.9), coords.Box(0, 0, 9, 9), 1.0, np.full(len(points), 3.0), off
        )
        for points, off in objects
    )
    return FoundPhotograph(path, (50, 50), tuple(made))


def test_scores_are_those_of_the_nearest_objects(tmp_path):
    absent = np.array([[10.0, 10.0], [np.nan, np.nan]])
    truth = [
        LabelledPhotograph(tmp_path / "a", (LabelledObject(absent), LabelledObject(absent + 20))),
        LabelledPhotograph(tmp_path / "b", (LabelledObject(absent),)),
    ]
    there, gone = np.array([[32.0, 30.0], [5.0, 5.0]]), np.array([False, True])
    found = [
        _found(tmp_path / "a", (there, gone), (np.array([[10.0, 14.0], [1.0, 1.0]]), ~gone & False)),
        _found(tmp_path / "b"),
    ]
    scores = score(found, truth, within=3.0, length=lengths(["px"], ["a", "b"]))
    assert scores["objects"] == 3
    assert scores["object_recall"] == pytest.approx(1 / 3)
    assert scores["object_precision"] == pytest.approx(1 / 2)
    # Of three points, one is 2 pixels away, one 4, and one was not found at all.
    assert scores["within"] == pytest.approx(1 / 3)
    assert scores["coverage"] == pytest.approx(1 / 2)
    assert scores["rmse"] is None
    assert scores["absent_precision"] == 1
    assert scores["absent_recall"] == pytest.approx(1 / 3)
    assert scores["interval"]["within"] == pytest.approx([0, 0.5], abs=1e-6)


def test_distances_have_the_unit_that_is_asked_for(tmp_path):
    points = np.array([[10.0, 10.0], [40.0, 10.0], [10.0, 50.0], [np.nan, np.nan]])
    assert lengths(["px"], "abcd")(points) == 1
    assert lengths(["extent"], "abcd")(points) == 40
    assert lengths(["a", "b"], "abcd")(points) == 30
    assert np.isnan(lengths(["a", "d"], "abcd")(points))
    with pytest.raises(InputError, match="px, extent or two of a, b, c, d are expected"):
        lengths(["a", "e"], "abcd")
    truth = [LabelledPhotograph(tmp_path / "a", (LabelledObject(points),))]
    found = [_found(tmp_path / "a", (points + 4, np.isnan(points[:, 0])))]
    scores = score(found, truth, within=0.15, length=lengths(["extent"], "abcd"))
    assert scores["within"] == 1
    assert scores["mean"] == pytest.approx(np.sqrt(32) / 40)
    assert scores["coverage"] == 0


def test_the_script_annotates_all_but_the_examples(tmp_path):
    truth = paste_objects(tmp_path, [[0], [40], [80], [120], [160], [200], [240], [280]])
    labels = write_labels(tmp_path / "labels.csv", truth)
    out = tmp_path / "out"
    with learning_little():
        config = annotation.Config(
            labels, examples=(5,), methods=("auto", "one stage"), output=annotation.Output(out), tested=6,
            review=1,
        )  # fmt: skip
        result = json.loads(annotation.main(config).read_text())
    copied, nearest, detected, linear, row, forced, *reviewed = result["runs"].values()
    assert [name.removeprefix("5 examples, draw 0") for name in result["runs"]] == [
        *(", copying", ", nearest cell", ", ridge detectors", ", ridge", "", ", one stage"),
        *(", 1 reviewed in order", ", 1 reviewed at random"),
    ]
    for again in reviewed:
        assert (again["learned"], again["examples"], again["objects"]) == (1, 6, row["objects"] - 1)
    assert (row["method"], forced["method"]) == ("two stages", "one stage")
    assert sum(count for *_, count in row["reliability"]) == 4 * row["objects"]
    assert copied["objects"] == row["objects"]
    assert copied["within"] < row["within"]
    assert max(one["within"] for one in (nearest, detected, linear)) < row["within"]
    assert row["compared"].keys() == {"two stages"}
    assert row["examples"] == 5
    assert 1 <= row["objects"] <= 6
    assert row["object_precision"] == row["object_recall"]
    assert result["over_draws"]["5 examples"]["worst_within"] == row["within"]
    assert result["over_draws"]["5 examples, copying"]["best_within"] == copied["within"]
    assert read_image(out / "curves.png").std() > 5
    with pytest.raises(InputError, match="9 examples are wanted; 1 to 8 photographs may be examples"):
        annotation.main(annotation.Config(labels, examples=(9,), output=annotation.Output(out)))
    with pytest.raises(InputError, match="2 rounds of 4 leave none of 8 photographs"):
        annotation.main(annotation.Config(labels, review=4, rounds=2, output=annotation.Output(out)))
