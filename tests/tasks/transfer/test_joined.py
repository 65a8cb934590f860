"""Joined networks against their own descriptors, read at the joined grid's cells by SciPy."""

import dataclasses

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from convcorr_jax import coords
from convcorr_jax.backbone import NETWORKS
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import box_lengths
from convcorr_jax.descriptors import Recipe, convolutional_descriptors, descriptor_grid
from convcorr_jax.errors import InputError
from convcorr_jax.metrics import PF_WILLOW
from convcorr_jax.tasks.transfer import JoinedNetworks, Method, Pairs, candidates, evaluate_features, methods
from convcorr_jax.tasks.transfer import leaderboard as board
from tests.builders.fitted_models import random_weights
from tests.builders.records import record_of

RECIPES = {"other": Recipe(("conv3", "conv4"), (131, 163), center=False), "alexnet": Recipe(("conv4",), (147,))}


def pairs_of(rng, categories):
    """Return one pair of noise for each category."""
    points = np.array([[10.0, 10.0], [40.0, 50.0]])
    records = [
        record_of(
            rng.integers(0, 256, (64, 64, 3), np.uint8),
            **{"category": name, "source_id": f"{name} {number}", "names": ("a", "b"), "points": points},
            box=coords.tight_box(points),
        )
        for name in categories
        for number in range(2)
    ]
    return Pairs(
        records, np.arange(len(records)).reshape(-1, 2), categories, (box_lengths(records, PF_WILLOW),)
    )


@pytest.fixture
def networks():
    first = random_weights()
    other = dataclasses.replace(first, network=first.network._replace(name="other", winograd=False))
    return JoinedNetworks((other, random_weights(seed=1)), tuple(RECIPES.values()))


def test_cosines_are_weighted_means_of_those_of_the_networks_at_the_same_places(rng, networks):
    assert networks.recipe == Recipe(("other", "alexnet"), (131, 147, 163))
    pyramid = [rng.integers(0, 256, (2, side, side, 3), np.uint8) for side in networks.recipe.sizes_px]
    found = np.asarray(networks.describe(pyramid, shares=(0.7, 0.3)), np.float64)
    first, second = (
        np.asarray(
            convolutional_descriptors(one.params, squares, network=one.network, recipe=RECIPES[name]),
            np.float64,
        )
        for one, squares, name in zip(
            networks.networks, (pyramid[::2], pyramid[1:2]), ("other", "alexnet"), strict=True
        )
    )
    size = descriptor_grid(networks.networks[0].network, RECIPES["other"]).size
    places = networks.to_largest_px(coords.cell_grid(size).astype(float))
    at = (places + 0.5) * 147 / 163 - 0.5
    grid = descriptor_grid(networks.networks[1].network, RECIPES["alexnet"]).to_input_px
    x, y = np.moveaxis((at - grid.shift) / grid.scale, -1, 0)
    read = np.stack(
        [
            [map_coordinates(channel, [y, x], order=1, mode="nearest") for channel in one.transpose(2, 0, 1)]
            for one in second
        ]
    ).transpose(0, 2, 3, 1)
    read /= np.linalg.norm(read, axis=-1, keepdims=True)
    cosines = [np.einsum("hwd,yxd->hwyx", *parts) for parts in (found, first, read)]
    np.testing.assert_allclose(cosines[0], 0.7 * cosines[1] + 0.3 * cosines[2], atol=1e-4)


def test_shares_are_chosen_by_other_categories(rng, networks):
    pairs = pairs_of(rng, ("a", "b"))
    space = candidates(networks)
    assert space.shares[0] == (0.5, 0.5)
    assert all(sum(shares) == pytest.approx(1) for shares in space.shares)
    few = {"space": space.__class__(shares=space.shares[:2]), "methods": ("nearest",)}
    settings = evaluate_features(networks, pairs, **few).settings["nearest"]
    assert set(settings) == {"a", "b"}
    assert all(one.shares in space.shares[:2] and one.recipe == networks.recipe for one in settings.values())
    assert board.seen(networks)[0] == "unknown"
    vit = Weights({}, NETWORKS["vit_s14"], "none", ())
    by_default = JoinedNetworks((networks.networks[1], vit))
    assert board.seen(by_default)[0] == "yes"
    assert by_default.recipe == Recipe(("alexnet", "vit_s14"), (227, 340, 350))
    assert by_default.fingerprint != networks.fingerprint
    row = board.costs(networks, networks.recipe, pairs.records, shares=(0.5, 0.5))
    assert row["bytes_per_cell"] == 2 * (2 * (384 + 256) + 256)
    with pytest.raises(InputError, match="joined networks have those of their recipes"):
        evaluate_features(networks, pairs, layers=("conv4",))


def test_networks_and_shares_that_cannot_be_joined_are_refused(rng, networks):
    for some in ((), networks.networks[:1], networks.networks[:1] * 2):
        with pytest.raises(InputError, match="two or more different are expected"):
            JoinedNetworks(some)
    with pytest.raises(InputError, match="1 recipes are for 2 networks"):
        JoinedNetworks(networks.networks, (networks.recipe,))
    pyramid = [np.zeros((1, side, side, 3), np.uint8) for side in networks.recipe.sizes_px]
    for shares in ((1.0,), (1.5, -0.5), (0.5, 0.6)):
        with pytest.raises(InputError, match="one each, 1 in all, is expected"):
            networks.describe(pyramid, shares=shares)
    sift = Method("sift", networks.recipe, True, "mutual", 0.1)
    with pytest.raises(InputError, match="by SIFT; the joined networks have"):
        methods.describe(pairs_of(rng, ("a",)).records, sift, networks, boxed=False)
