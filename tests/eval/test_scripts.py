"""Every script end to end on something tiny, with the real weights that the `weights` extra brings."""

import json
import shutil

import numpy as np
import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.io import read_image
from convcorr_jax.tasks import Backbone, CategoryData, Output
from convcorr_jax.tasks.transfer import methods, open_pairs
from eval import experiments, flow_accuracy, keypoint_transfer, reproduce
from tests.builders.compact_folders import write_rendered_pairs
from tests.builders.processes import end, start
from tests.builders.shown import result_of

WITHOUT_RESULT = shutil.ignore_patterns("*.json")
METHODS = {"conv_flow", "paper_conv4", "paper_sift", "sift_flow", "copy"}


@pytest.fixture(scope="module")
def alexnet():
    return Backbone().load()


@pytest.fixture(scope="module")
def willow(tmp_path_factory):
    """Four rendered cars in the layout of PF-WILLOW, two subsets of two."""
    return write_rendered_pairs(tmp_path_factory.mktemp("willow"), categories=("car",))


@pytest.fixture(scope="module")
def boxed(tmp_path_factory, willow):
    """The folder and the result of a run on the boxes of the cars."""
    out = tmp_path_factory.mktemp("boxed")
    return out, result_of(keypoint_transfer.main, transfer_config(willow, out, protocol="box"))


def transfer_config(folder, out, **options):
    return keypoint_transfer.Config(CategoryData(str(folder)), sizes_px=(131,), output=Output(out), **options)


def test_receptive_fields_are_the_papers(tmp_path):
    ended = end(start("-m", "eval.receptive_fields", "--out", str(tmp_path)))
    *lines, last = ended.out.splitlines()
    assert (ended.status, ended.err, last) == (0, "", str(tmp_path / "result.json"))
    assert ["pool5", "195", "32", "33.0"] in [line.split() for line in lines]
    result = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    for field in result["layers"].values():
        assert {key: field[key] for key in field["published"]} == field["published"]


def test_fixed_pairs(tmp_path, willow, boxed):
    by_image = result_of(keypoint_transfer.main, transfer_config(willow, tmp_path, protocol="image"))
    for out, result in (boxed, (tmp_path, by_image)):
        assert (set(result["methods"]), result["pairs"]) == (METHODS, 4)
        for score in result["methods"].values():
            assert list(score["pck"]) == ["0.05", "0.1", "0.2"]
            assert 0 <= score["pck"]["0.05"] <= score["pck"]["0.1"] <= score["pck"]["0.2"] <= 1
            assert score["per_category"]["car"] == pytest.approx(score["pck"])
        assert result["methods"]["conv_flow"]["seconds_per_pair"] > 0
        assert read_image(out / "examples.jpg").shape[1] > 300


def test_only_pairs_of_the_categories_are_transferred(willow, alexnet):
    car, duck = (CategoryData(str(willow), categories=(name,)) for name in ("car", "duck"))
    assert len(open_pairs(car, alexnet, transfer="box").indices) == 4
    with pytest.raises(InputError, match="has no pairs of duck"):
        open_pairs(duck, alexnet, transfer="box")


@pytest.mark.parametrize(("targets", "transfer"), [(0, "neighbors"), (3, "box")])
def test_a_number_of_targets_that_means_nothing_is_refused(targets, transfer, alexnet):
    with pytest.raises(InputError, match=f"targets is {targets} with the protocol {transfer}"):
        open_pairs(CategoryData(), alexnet, transfer=transfer, targets=targets)


def test_neighbours_of_some_targets_are_those_of_all(alexnet):
    faces = CategoryData(categories=("face",), rendered_train=25, rendered_test=5)
    every = open_pairs(faces, alexnet, transfer="neighbors")
    some = open_pairs(faces, alexnet, transfer="neighbors", targets=3)
    np.testing.assert_array_equal(some.targets, every.targets[[0, 2, 4]])
    np.testing.assert_array_equal(some.indices, every.indices.reshape(5, 25, 2)[[0, 2, 4]].reshape(-1, 2))


def test_a_finished_method_is_not_run_again(tmp_path, willow, boxed, monkeypatch):
    out, first = boxed
    # As after a kill: the last method and the result are not there yet.
    shutil.copytree(out, tmp_path, ignore=WITHOUT_RESULT, dirs_exist_ok=True)
    (tmp_path / "sift_flow.npz").unlink()
    ran = []
    describe = methods.describe

    def watched(records, method, *arguments, **options):
        ran.append(method.name)
        return describe(records, method, *arguments, **options)

    monkeypatch.setattr(methods, "describe", watched)
    second = result_of(keypoint_transfer.main, transfer_config(willow, tmp_path, protocol="box"))
    assert ran == ["sift_flow"]
    for name in METHODS:
        assert second["methods"][name]["pck"] == first["methods"][name]["pck"]
    keypoint_transfer.main(transfer_config(willow, tmp_path, protocol="box", smoothness=0.5))
    assert ran[1:] == ["conv_flow"]


def test_neighbours_vote(tmp_path):
    categories = ("person", "car")
    config = keypoint_transfer.Config(
        CategoryData(rendered_train=25, rendered_test=1, categories=categories),
        sizes_px=(131,),
        output=Output(tmp_path),
    )
    result = result_of(keypoint_transfer.main, config)
    assert (result["retrieval_layer"], result["pairs"]) == ("pool5", 25 * len(categories))
    assert set(result["methods"]["copy"]["per_category"]) == set(categories)
    assert list(result["methods"]["copy"]["pck"]) == ["0.1", "0.05", "0.025"]
    assert read_image(tmp_path / "figure_3.jpg").shape[0] > 500


def test_flow_beats_no_flow_on_warped_photographs(tmp_path):
    result = result_of(flow_accuracy.main, flow_accuracy.Config(seeds=1, output=Output(tmp_path)))
    methods = result["methods"]
    assert set(methods) == METHODS
    assert methods["conv_flow"]["endpoint_error_px"] < 0.7 * methods["copy"]["endpoint_error_px"]
    assert methods["conv_flow"]["pck"]["0.05"] > methods["copy"]["pck"]["0.05"] + 0.2


def test_the_page_shows_what_the_scripts_found(tmp_path, willow, boxed, monkeypatch, capsys):
    shutil.copytree(boxed[0], tmp_path / "cars", ignore=WITHOUT_RESULT)
    cars = experiments.transfer_experiment(
        tmp_path, CategoryData(str(willow)), "box", name="cars", sizes_px=(131,)
    )
    few = (experiments.experiments(tmp_path, None)[0], cars)
    monkeypatch.setattr(reproduce, "experiments", lambda *_, **__: few)
    page = reproduce.main(reproduce.Config(out=tmp_path)).read_text(encoding="utf-8")
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert set(results) == {"receptive_fields", "cars"}
    figure = results["cars"]["methods"]["conv_flow"]["pck"]["0.1"]
    assert f"{figure:.3f}" in page
    assert f"{figure:.3f}" in capsys.readouterr().out
    # The figures are in the page itself.
    assert (tmp_path / "cars" / "examples.jpg").exists()
    assert page.count('src="data:image/') == page.count("<img") > 0
    # A second run finds everything done.
    again = [experiment._replace(main=pytest.fail) for experiment in few]
    monkeypatch.setattr(reproduce, "experiments", lambda *_, **__: again)
    reproduce.main(reproduce.Config(out=tmp_path))


def test_reproduce_refuses_a_folder_without_data(tmp_path):
    with pytest.raises(InputError, match="pf_willow"):
        experiments.experiments(tmp_path, tmp_path)
