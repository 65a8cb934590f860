"""Probes of whole images, trained on a few rendered ones and loaded again."""

import dataclasses
import json

import numpy as np
import pytest

from convcorr_jax import synthetic
from convcorr_jax.descriptors import global_features, view
from convcorr_jax.io import load_fitted
from convcorr_jax.probes import ProbeModel, reconstruct, rgb_targets
from convcorr_jax.tasks import Output, probes
from convcorr_jax.tasks.keypoints import read_categories
from train import ridge_probes

PIXELS = {
    "colors": {"colors": 46 * 46 * 3},
    "classes": {"responses": 30 * 30 * 5, "mixing": 5},
    "keypoints": {"person": 2 * 14},
}


def people_seen_whole(*arguments, **options):
    """Make all keypoints visible: each set of objects with the same keypoints needs a fit of its own."""
    person = read_categories(*arguments, **options)[0]
    return (dataclasses.replace(person, visible=np.ones_like(person.visible)),)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, small_network):
    folder = tmp_path_factory.mktemp("probes")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(probes, "read_categories", people_seen_whole)
        for kind in ("colors", "classes", "keypoints", "attributes"):
            count = 24 if kind == "attributes" else 8
            ridge_probes.main(
                ridge_probes.Config(probe=kind, rendered_train=count, layer="pool5", output=Output(folder))
            )
    return folder


@pytest.mark.parametrize("kind", PIXELS)
def test_a_saved_probe_has_a_regressor_for_every_target(trained, kind):
    found = load_fitted(trained / kind, ProbeModel)
    assert {name: len(one.bias) for name, one in found.ridges.items()} == PIXELS[kind]
    assert (found.facts["layer"], found.facts["network"]) == ("pool5", "alexnet")


def test_a_saved_probe_reconstructs_its_training_images(trained, small_network):
    record = next(synthetic.instances("person", split="train", count=1))
    square = view(record.image, None, sizes_px=(small_network.network.image_side,)).pyramid[0]
    feature = global_features([square], weights=small_network, layer="pool5")
    reconstructed = reconstruct(load_fitted(trained / "colors", ProbeModel).ridges["colors"], feature)
    truth = rgb_targets([record.image]).reshape(reconstructed.shape)
    assert np.corrcoef(reconstructed.ravel(), truth.ravel())[0, 1] > 0.8


def test_attributes_have_names_and_thresholds(trained):
    found = load_fitted(trained / "attributes.npz", ProbeModel)
    names, thresholds = found.facts["names"], found.facts["thresholds"]
    assert len(found.ridges["attributes"].bias) == len(names) == len(thresholds)
    assert "glasses" in names
    assert thresholds[names.index("turn_degrees")] is None


def test_the_listing_names_the_training_data(trained):
    facts = json.loads((trained / "colors.json").read_text())
    assert (facts["datasets"], facts["pictures"]) == (["rendered"], 4 * 8)
