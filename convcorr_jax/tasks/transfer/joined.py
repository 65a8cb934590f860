"""Descriptors of several networks, joined on one grid, in the place of those of one network."""

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from convcorr_jax import coords
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.descriptors import (
    Grid,
    Recipe,
    convolutional_descriptors,
    descriptor_grid,
    recipe_for,
    unit_length,
)
from convcorr_jax.errors import InputError
from convcorr_jax.tasks.transfer.functions import FeatureFunction


@dataclass(frozen=True, eq=False)
class JoinedNetworks:
    """Networks whose descriptors are joined cell by cell, each by its recipe, by default that of `recipe_for`.

    The grid is that of the first network. The descriptors of the others are read bilinearly at its cells and
    scaled to unit length again. With a share of the cosine for each network, its part of a joined descriptor
    has the length ``sqrt(share)``, so that the cosine of joined descriptors is the mean of the networks'
    cosines with the shares as weights.
    """

    networks: tuple[Weights, ...]
    recipes: tuple[Recipe, ...] = ()

    def __post_init__(self) -> None:
        if len({weights.network.name for weights in self.networks}) < max(2, len(self.networks)):
            names = ", ".join(weights.network.name for weights in self.networks)
            raise InputError(
                f"the networks {names or 'of none'} are joined; two or more different are expected"
            )
        if len(self.recipes) not in (0, len(self.networks)):
            raise InputError(
                f"{len(self.recipes)} recipes are for {len(self.networks)} networks; one each is expected"
            )

    @functools.cached_property
    def _parts(self) -> tuple[tuple[Weights, Recipe, Grid], ...]:
        recipes = self.recipes or tuple(recipe_for(one.network) for one in self.networks)
        pairs = zip(self.networks, recipes, strict=True)
        return tuple((one, recipe, descriptor_grid(one.network, recipe)) for one, recipe in pairs)

    @property
    def name(self) -> str:
        """The names of the networks, joined by ``-``."""
        return "-".join(weights.network.name for weights in self.networks)

    @functools.cached_property
    def fingerprint(self) -> str:
        """A hash of all parameters and recipes."""
        keys = [f"{one.fingerprint} {recipe}" for one, recipe, _ in self._parts]
        return hashlib.blake2b("\n".join(keys).encode(), digest_size=16).hexdigest()

    @property
    def recipe(self) -> Recipe:
        """The sizes that views need, those of all recipes, and the names of the networks as layers."""
        sizes = {size for _, recipe, _ in self._parts for size in recipe.sizes_px}
        return Recipe(tuple(one.network.name for one in self.networks), tuple(sorted(sizes)))

    @property
    def shares(self) -> tuple[tuple[float, ...], ...]:
        """Shares to choose from: equal ones, more for the first network, and more for the others."""
        others = len(self.networks) - 1
        firsts = (1 / (1 + others), 0.4, 0.6, 0.8)
        return tuple((first, *((1 - first) / others,) * others) for first in firsts)

    @property
    def to_largest_px(self) -> coords.Transform:
        """Cells to pixels of the largest size of all recipes."""
        return self._to_largest_px(*self._parts[0][1:])

    def describe(
        self, pyramid: Sequence[np.ndarray], *, shares: Sequence[float]
    ) -> Float[Array, "squares h w d"]:
        """Describe squares, which the pyramid has at each of the sizes of `recipe`, in that order.

        Raises:
            InputError: the shares are not one number of at least 0 for each network, or their sum is not 1.
        """
        if len(shares) != len(self.networks) or min(shares) < 0 or not np.isclose(sum(shares), 1):
            raise InputError(f"the shares of {self.name} are {list(shares)}; one each, 1 in all, is expected")
        levels = dict(zip(self.recipe.sizes_px, pyramid, strict=True))
        places = self.to_largest_px(coords.cell_grid(self._parts[0][2].size).astype(np.float64))
        parts = []
        for (weights, recipe, grid), share in zip(self._parts, shares, strict=True):
            cells = self._to_largest_px(recipe, grid).inverse(places)
            squares = [levels[size] for size in recipe.sizes_px]
            maps = convolutional_descriptors(weights.params, squares, network=weights.network, recipe=recipe)
            parts.append(np.float32(share**0.5) * _read(maps, cells[0, :, 0], cells[:, 0, 1]))
        return jnp.concatenate(parts, axis=-1)

    def _to_largest_px(self, recipe: Recipe, grid: Grid) -> coords.Transform:
        side, largest = max(recipe.sizes_px), max(self.recipe.sizes_px)
        return coords.resize((side, side), (largest, largest)) @ grid.to_input_px


Features = Weights | FeatureFunction | JoinedNetworks
"""What describes the cells of photographs: a network, a function, or joined networks."""


@jax.jit
def _read(maps, x, y):
    """Read maps ``[squares, h, w, d]`` bilinearly at columns x and rows y, and scale them to unit length."""
    rows, columns = coords.linear_weights(y, maps.shape[1]), coords.linear_weights(x, maps.shape[2])
    return unit_length(jnp.einsum("yh,xw,bhwd->byxd", rows, columns, maps))
