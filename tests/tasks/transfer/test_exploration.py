"""Errors of explored pairs are those of the points that a flow carries."""

import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.tasks.transfer import exploration_report, keypoint_errors, pairs_to_explore
from tests.builders.compact_folders import write_pf_willow
from tests.builders.pages import known_pair


@pytest.fixture(scope="module")
def pairs():
    return [known_pair(1), known_pair(3)]


def test_errors_are_those_of_the_carried_points(pairs):
    pair = pairs[0]
    errors = keypoint_errors(pair)
    # The flow of a cell is exact at its centre; between centres it differs by a fraction of a cell.
    cell = max(pair.methods[0].b_to_px.scale) / max(pair.b.shape[:2])
    assert errors["truth"].shape == (3, len(pair.points_a))
    assert np.median(errors["truth"][0]) < 0.2 * cell
    unmoved = coords.resize(pair.a.shape[:2], pair.b.shape[:2])(pair.points_a)
    expected = np.linalg.norm(unmoved - pair.points_b, axis=1) / max(pair.b.shape[:2])
    np.testing.assert_allclose(errors["copy"][0], expected, atol=1e-6)
    np.testing.assert_allclose(errors["truth"][2], expected, atol=1e-6)


def test_shares_have_an_interval_over_pairs(pairs):
    report = exploration_report(pairs, alphas=(0.05, 0.1))
    single = [exploration_report([pair], alphas=(0.05, 0.1)) for pair in pairs]
    for name, scores in report.items():
        for alpha, shares in scores["pck"].items():
            alone = [[each[name]["pck"][alpha][level] for each in single] for level in range(len(shares))]
            for share, of_pairs in zip(shares, alone, strict=True):
                # Two draws of two pairs: each pair twice, or both.
                means = [each["mean"] for each in of_pairs]
                assert share["interval"] == pytest.approx([min(means), max(means)], abs=1e-6)
                assert share["mean"] == pytest.approx(np.mean(means))
                assert [each["interval"] for each in of_pairs] == [None, None]
    assert list(report) == ["truth", "copy"]
    truth, copy = report["truth"], report["copy"]
    assert truth["mean_error"][0] < copy["mean_error"][0]
    assert truth["pck"]["0.05"][0]["mean"] >= truth["pck"]["0.05"][2]["mean"]


def test_pairs_of_photographs_are_known_and_those_of_data_sets_differ(tmp_path):
    pairs = pairs_to_explore("photographs", data_root=None, count=2)
    assert pairs.groups == ("astronaut", "chelsea")
    for source, target in pairs.indices:
        assert pairs.records[source].names == pairs.records[target].names
        assert len(pairs.records[source].points) > 3
    write_pf_willow(tmp_path / "pf_willow")
    names = pairs_to_explore("pf_willow", data_root=tmp_path, count=9).groups
    assert list(names) == sorted(set(names))
    assert len(pairs_to_explore("pf_willow", data_root=tmp_path, count=1).indices) == 1
