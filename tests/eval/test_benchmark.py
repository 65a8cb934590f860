import json
import math
import re
import sys
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax.errors import InputError
from eval.benchmark import __main__ as benchmark
from eval.benchmark import ridge_stream, search_memory
from eval.benchmark.cases import (
    belief_propagation,
    distance_transform,
    features,
    nearest_neighbors,
    pose_cascade,
    ridge,
    sift,
)
from eval.benchmark.comparison import MIN_RUNS, Case, Comparison, Quality, compare
from eval.benchmark.peer import Peer, PeerError
from eval.benchmark.timing import Sample, ratio, summary
from eval.benchmark.workers import torch_cascade
from tests.builders.pose_architectures import tiny
from tests.reference import distance_transform as reference

PYTHON = Path(sys.executable)
FAKE, ABSENT = "tests.eval.fake_peer", "tests.eval.absent_peer"
NUMBERS = np.arange(6.0).reshape(2, 3)


def doubling(*, factor: float = 2.0, calls: list | None = None, **inputs: np.ndarray) -> Comparison:
    def ours():
        if calls is not None:
            calls.append(1)
        return {"doubled": factor * jnp.asarray(NUMBERS)}

    def check(mine, theirs):
        difference = float(np.abs(mine["doubled"] - theirs["doubled"]).max())
        return Quality(difference == 0, "the same numbers", {"difference": difference})

    units = {"unit": "number", "our_units": 6, "peer_units": 6, "required_ratio": 1.0}
    inputs["numbers"] = NUMBERS
    return Comparison(name="doubling [of numbers]", inputs=inputs, ours=ours, check=check, **units)


FALTERING = doubling(falters=np.array(1))


def test_both_sides_are_timed_when_the_quality_is_equal():
    with Peer(PYTHON, FAKE) as peer:
        assert peer.versions == {"numpy": np.__version__}
        found = compare(doubling(), peer, seconds=0.0)
    assert found["quality"]["equal"] is True
    assert found["quality"]["figures"] == {"difference": 0.0}
    for side in ("ours", "peer"):
        times = found[side]
        assert (times["runs"], times["units"]) == (MIN_RUNS, 6)
        low, high = times["quartiles_ms"]
        assert 0 < times["min_ms"] <= low <= times["median_ms"] <= high
        assert times["first_call_s"] > 0
    assert found["peer"]["peak_memory_mb"] > 0
    expected = found["peer"]["median_ms"] / found["ours"]["median_ms"]
    assert found["ratio"]["of_medians"] == pytest.approx(expected)
    assert found["met"]["ratio"] is (found["ratio"]["of_medians"] >= 1)
    json.dumps(found, allow_nan=False)


def test_without_equal_quality_nothing_is_timed():
    calls: list[int] = []
    with Peer(PYTHON, FAKE) as peer:
        found = compare(doubling(factor=2.5, calls=calls), peer, seconds=1.0)
    assert found["quality"]["equal"] is False
    assert found["quality"]["figures"] == {"difference": 2.5}
    assert not found.keys() & {"ours", "peer", "ratio", "met"}
    assert len(calls) == 1


def without_weights():
    raise InputError("there are no weights")


@pytest.mark.parametrize(
    ("peer", "module", "comparisons", "finished", "skipped"),
    [
        ("nobody", ABSENT, lambda: [doubling()], 0, "nobody: ModuleNotFoundError.*a_package_that_nobody_has"),
        ("fake", FAKE, lambda: [doubling(), FALTERING, doubling()], 1, "fake: RuntimeError: out of steam$"),
        ("fake", FAKE, without_weights, 0, "ours: there are no weights$"),
    ],
)
def test_a_case_that_breaks_off_says_why_and_keeps_what_was_measured(
    peer, module, comparisons, finished, skipped
):
    found = benchmark.run_case(Case(peer, module, comparisons), PYTHON, seconds=0.0)
    assert len(found["comparisons"]) == finished
    assert re.match(skipped, found["skipped"])


def test_a_program_that_is_no_worker_is_refused():
    with pytest.raises(PeerError, match="No module named"), Peer(PYTHON, "tests.eval.nowhere"):
        pass


def test_the_command_writes_its_results_and_prints_them(tmp_path, monkeypatch, capsys):
    cases = {
        "features": Case("fake", FAKE, lambda: [doubling(), doubling(factor=3.0)]),
        "sift": Case("nobody", ABSENT, lambda: []),
    }
    monkeypatch.setattr(benchmark, "CASES", cases)
    config = benchmark.Config(
        cases=("features", "sift"), peers_python=PYTHON, seconds=0.0, out=tmp_path / "new"
    )
    result = json.loads(benchmark.main(config).read_text())
    assert result["cores"] >= 1
    assert result["processor"]
    assert len(result["load_average"]["before"]) == 3
    assert result["quiet"] is (result["load_average"]["before"][0] <= 0.5)
    assert list(result["cases"]) == ["features", "sift"]
    assert result["cases"]["features"]["versions"] == {"numpy": np.__version__}
    equal = [one["quality"]["equal"] for one in result["cases"]["features"]["comparisons"]]
    assert equal == [True, False]
    assert json.loads((tmp_path / "new" / "run.json").read_text())["config"]["seconds"] == 0.0
    printed = capsys.readouterr().out
    assert (printed.count("doubling [of numbers]"), printed.count("not equal")) == (2, 1)
    assert "skipped; nobody" in printed


def test_without_a_python_for_the_peers_the_way_to_make_one_is_told(tmp_path):
    config = benchmark.Config(peers_python=tmp_path / "python", out=tmp_path / "out")
    with pytest.raises(InputError, match=r"there is no Python for the peers at .*--peers-python"):
        benchmark.main(config)
    assert not (tmp_path / "out").exists()


def test_samples_come_to_milliseconds_a_unit_and_ratios_are_of_those():
    found = summary([Sample(wall, 2 * wall) for wall in (0.5, 0.1, 0.2, 0.4, 0.3)], units=10)
    assert found.pop("quartiles_ms") == pytest.approx([20.0, 40.0])
    assert found == pytest.approx(
        {"runs": 5, "median_ms": 30.0, "min_ms": 10.0, "cpu_median_ms": 60.0, "cpu_min_ms": 20.0}
    )
    ours = [Sample(1.0, 2.0), Sample(2.0, 4.0), Sample(4.0, 8.0)]
    found = ratio(ours, [Sample(4.0, 4.0), Sample(4.0, 4.0), Sample(8.0, 8.0)], our_units=10, peer_units=2)
    assert found.pop("quartiles") == pytest.approx([10.0, 15.0])
    assert found == pytest.approx({"of_medians": 10.0, "of_minima": 20.0, "of_cpu_medians": 5.0})


def first_run(case):
    comparison = next(iter(case.comparisons()))
    return comparison, {name: np.asarray(value) for name, value in comparison.ours().items()}


def test_features_are_compared_with_the_largest_activation(monkeypatch):
    monkeypatch.setattr(features, "SIZES", (("alexnet", "conv1", 2, 47),))
    comparison, ours = first_run(features.CASE)
    assert comparison.inputs["images"].shape == (2, 47, 47, 3)
    assert comparison.inputs["kernel0"].shape == (64, 3, 11, 11)
    assert comparison.check(ours, ours).equal
    off = ours["features"].copy()
    off.flat[0] += 2e-4 * off.max()
    assert not comparison.check(ours, {"features": off}).equal


def test_the_pose_cascade_its_gradient_and_what_it_sees_are_torchs(monkeypatch):
    shape = tiny(features=(8, 8, 16), levels=3, group_norm=True)
    monkeypatch.setattr(pose_cascade, "small", lambda *_, pooling: replace(shape, pooling=pooling))
    for name, value in {"POOLINGS": (8,), "BATCH": 2, "IMAGES": 6, "SIDE_PX": 20}.items():
        monkeypatch.setattr(pose_cascade, name, value)
    for comparison in pose_cascade.CASE.comparisons():
        ours = {name: np.asarray(value) for name, value in comparison.ours().items()}
        task = torch_cascade.prepare(comparison.inputs)
        theirs = task.arrays(task.run())
        assert comparison.check(ours, theirs).equal
        for name, values in theirs.items():
            assert not comparison.check(ours, {**theirs, name: values + 2e-3 * np.abs(values).max()}).equal


def test_energy_is_data_cost_and_squared_differences_of_flow(rng):
    costs = rng.uniform(size=(2, 2, 3, 4))
    labels = np.array([[[0, 0], [3, 0]], [[0, 2], [1, 1]]])
    data = costs[0, 0, 0, 0] + costs[0, 1, 0, 3] + costs[1, 0, 2, 0] + costs[1, 1, 1, 1]
    # The flow is (0, 0) (2, 0) / (0, 1) (0, 0): 4 and 1 across, 1 and 4 down.
    assert belief_propagation.energy(costs, labels, 0.1) == pytest.approx(data + 0.1 * 10)


def test_belief_propagation_may_not_cost_more_energy(monkeypatch, rng):
    costs = rng.uniform(size=(3, 1, 4, 1, 4)).astype(np.float32)
    monkeypatch.setattr(belief_propagation, "photograph_costs", lambda count: costs)
    comparison, ours = first_run(belief_propagation.CASE)
    assert ours["labels"].shape == (3, 1, 4, 2)
    elsewhere = np.zeros_like(ours["labels"])
    peer = {"labels": ours["labels"][:2], "iterations": np.array(5)}
    assert comparison.check(ours, peer).equal
    assert comparison.check(ours, peer | {"labels": elsewhere[:2]}).equal
    assert not comparison.check({"labels": elsewhere}, peer).equal


def test_distance_transforms_are_compared_with_all_samples(monkeypatch):
    monkeypatch.setattr(distance_transform, "SIZES", ((2, 6, 1.0),))
    comparison, ours = first_run(distance_transform.CASE)
    truth = reference.distance_transform(
        comparison.inputs["fields"], weight=(1, 1), axes=(1, 2), penalty="squared", shift=(0, 0)
    )
    assert comparison.check(ours, {"values": truth}).equal
    off = truth + 1e-4 * truth.max()
    assert not comparison.check({"values": off}, {"values": truth}).equal
    assert not comparison.check(ours, {"values": off}).equal


def test_sift_must_be_that_of_the_definition(monkeypatch, rng):
    monkeypatch.setattr(sift, "CENTERS", 2)
    comparison, ours = first_run(sift.CASE)
    noise = {"descriptors": rng.uniform(size=(*ours["descriptors"].shape[:2], 128))}
    quality = comparison.check(ours, noise)
    assert quality.equal
    assert quality.figures["our cosine"] > 0.999
    assert not comparison.check(noise, noise).equal


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux counts")
def test_memory_of_a_search_is_told_for_both_ways_to_store(tmp_path):
    path = search_memory.main(search_memory.Config(rows=3000, length=8, out=tmp_path))
    result = json.loads(path.read_text())
    for kind, width in (("float16", 2), ("float32", 4)):
        found = result[kind]
        assert found["database_mb"] == pytest.approx(3000 * 8 * width / 2**20)
        assert 0 <= found["peak_mb"] - found["before_mb"] < 300
        beyond = found["peak_mb"] - found["before_mb"] - found["database_mb"]
        assert found["beyond_database_mb"] == pytest.approx(beyond)
    assert not list(tmp_path.glob("*.bin"))


def test_neighbours_may_differ_in_ties_only(monkeypatch):
    monkeypatch.setattr(nearest_neighbors, "QUERIES", 5)
    monkeypatch.setattr(nearest_neighbors, "SEARCHES", ((70, 256, 3),))
    comparison, ours = first_run(nearest_neighbors.CASE)
    queries, database = comparison.inputs["queries"], comparison.inputs["database"]
    brute = np.argsort(-(queries @ database.T), axis=1)[:, :4]
    assert comparison.check(ours, {"indices": brute[:, :3]}).figures["ties"] == 0
    assert not comparison.check(ours, {"indices": brute[:, 1:]}).equal
    database[brute[0, 3]] = database[brute[0, 2]]  # now a tie
    tied = brute[:, :3].copy()
    tied[0, 2] = brute[0, 3]
    quality = comparison.check(ours, {"indices": tied})
    assert quality.equal
    assert quality.figures["ties"] == 1
    assert math.isclose(quality.figures["largest gap of a tie"], 0.0)


def small_ridge(monkeypatch):
    monkeypatch.setattr(ridge, "LARGE", (90, 12))
    monkeypatch.setattr(ridge, "SMALL", (30, 40))
    monkeypatch.setattr(ridge, "LANDMARKS", 2)


def test_ridge_is_compared_by_scikit_learn_itself(monkeypatch):
    """By leave-one-out and by folds."""
    small_ridge(monkeypatch)
    found = benchmark.run_case(ridge.SKLEARN, PYTHON, seconds=0.0)
    assert "skipped" not in found
    assert [one["name"].partition(",")[0] for one in found["comparisons"]] == ["leave-one-out", "4 folds"]
    assert [one["wanted"]["ratio"] for one in found["comparisons"]] == [8.0, 15.0]
    for one in found["comparisons"]:
        assert one["quality"]["equal"]
        assert one["quality"]["figures"]["weights apart"] < 1e-3


def test_ridge_must_choose_alike_and_be_equal_to_the_peers(monkeypatch):
    small_ridge(monkeypatch)
    comparison, ours = first_run(ridge.FRACRIDGE)
    assert comparison.inputs["features"].shape == (30, 40)
    assert np.bincount(comparison.inputs["folds"]).tolist() == [6] * 5
    assert comparison.check(ours, ours).equal
    for name, factor in (("penalty", 10), ("error", 1.01), ("weights", 1.1)):
        assert not comparison.check(ours, ours | {name: factor * ours[name]}).equal
    # A peer with another path is judged by its error alone.
    assert comparison.check(ours, {"error": ours["error"]}).equal
    assert comparison.check(ours, {"error": 1.5 * ours["error"]}).equal
    assert not comparison.check(ours, {"error": 0.9 * ours["error"]}).equal


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux counts")
def test_time_and_memory_of_streamed_ridge_are_told(tmp_path):
    config = ridge_stream.Config(rows=1200, length=8, targets=3, block=100, out=tmp_path)
    result = json.loads(ridge_stream.main(config).read_text())
    assert (result["rows"], result["length"], result["targets"]) == (1200, 8, 3)
    assert result["block_mb"] == pytest.approx(100 * (8 + 3) * 4 / 2**20)
    assert result["over_products"] == pytest.approx(result["seconds"] / result["products_s"])
    assert 0 <= result["beyond_blocks_mb"] == result["peak_mb"] - result["before_mb"]
    with pytest.raises(InputError, match="rows is 1150 and block 100; whole blocks"):
        ridge_stream.main(ridge_stream.Config(rows=1150, block=100, out=tmp_path))
