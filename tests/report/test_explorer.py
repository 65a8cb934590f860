"""The match explorer's data are the arrays that it was given, compactly; its page needs no other file."""

import base64
import json
import re

import numpy as np
import pytest

from convcorr_jax import report
from convcorr_jax.errors import InputError
from tests.builders.pages import CELLS, known_pair


@pytest.fixture(scope="module")
def pair():
    return known_pair(1)


def decoded(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype)


def test_flows_confidences_and_places_survive_embedding(pair):
    (data,) = report.matches_data([pair])["pairs"]
    method, shown = pair.methods[0], data["methods"][0]
    cells = (len(method.smoothness), CELLS, CELLS)
    flow, confidence = (decoded(shown[name], "<f4") for name in ("flow", "confidence"))
    np.testing.assert_array_equal(flow.reshape(*cells, 2), method.flow.astype(np.float32))
    np.testing.assert_array_equal(confidence.reshape(cells), method.confidence.astype(np.float32))
    # Positions are those of the photographs, whatever the size of the copies that are embedded.
    assert data["size_a"] == [*pair.a.shape[1::-1]]
    np.testing.assert_allclose(data["points"]["a"], pair.points_a, atol=1e-3)
    np.testing.assert_allclose(shown["a_to_px"], [*method.a_to_px.scale, *method.a_to_px.shift], atol=1e-3)
    assert data["methods"][1]["name"] == "copy"
    assert data["methods"][1]["heat"] is None


def test_heat_runs_from_the_greatest_cost_to_the_least(pair):
    method = pair.methods[0]
    heat = report.matches_data([pair])["pairs"][0]["methods"][0]["heat"]
    values = decoded(heat["values"], np.uint8).reshape(CELLS**2, -1)
    cost = method.data_cost.reshape(CELLS**2, -1)
    rows = np.arange(len(cost))
    assert (values[rows, cost.argmin(axis=1)] == 255).all()
    assert (values[rows, cost.argmax(axis=1)] == 0).all()
    assert (np.diff(values[5, np.argsort(cost[5])].astype(int)) <= 0).all()


def test_source_cells_of_large_grids_share_their_heat(pair):
    method = pair.methods[0]
    large = np.tile(method.data_cost, (4, 4, 2, 2))
    side = 4 * CELLS
    flow = np.zeros((1, side, side, 2))
    grown = method._replace(smoothness=(1.0,), flow=flow, confidence=None, data_cost=large)
    data = report.matches_data([pair._replace(methods=(grown,))])["pairs"][0]["methods"][0]
    heat = data["heat"]
    assert decoded(heat["values"], np.uint8).size <= 2**20
    assert (heat["size"], heat["size_b"]) == ([-(-side // heat["every"])] * 2, [2 * CELLS] * 2)
    assert data["confidence"] is None


def test_the_smoothness_that_is_nearest_is_shown_first(pair):
    shown = [
        report.matches_data([pair], smoothness=value)["pairs"][0]["methods"][0]["shown"]
        for value in (0.0, 0.12, 7.0, None)
    ]
    assert shown == [0, 1, 2, 1]


def test_a_page_of_matches_is_one_file(pair):
    page = report.match_page("Matches of <a> & b", report.matches_data([pair]), facts={"Network": "alexnet"})
    assert "Matches of &lt;a&gt; &amp; b" in page
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    assert not re.search(r"https?://(?!www\.w3\.org)", page)
    text = re.search(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    assert text is not None
    assert len(json.loads(text.group(1))["pairs"]) == 1


def test_arrays_that_do_not_agree_are_refused(pair):
    wrong = pair._replace(methods=(pair.methods[0]._replace(smoothness=(0.1,)),))
    with pytest.raises(InputError, match=r"method 'truth' of pair .* do not agree"):
        report.matches_data([wrong])
    with pytest.raises(InputError, match="has no method"):
        report.matches_data([pair._replace(methods=())])
    with pytest.raises(InputError, match="at least one pair"):
        report.matches_data([])
    with pytest.raises(InputError, match="at least one alignment"):
        report.matched_pair("name", pair.a, pair.b, {}, method="conv4")
