"""A pretrained front: the layers of a network for image classification, as the first layers of a pose cascade.

The front computes two kinds of maps. *Coarse maps*, with cells of 8 and of 16 pixels, are the input of the
coarse net: the activations of a layer, projected linearly to a few features. *Fine maps* are the activations of
early layers, from which the fine net's windows are cut. All maps are on grids whose cell (column, row) of a
stride s has its centre at input pixel ``(column + 0.5) s - 0.5``; a network whose own cells are elsewhere, as
AlexNet's, is interpolated linearly.

Parameters are a dictionary: ``kernel`` and ``bias`` of every convolution by its name, and those of every
projection by ``project_`` and the name of its layer. Layers before those of `FrontLayers.tuned` get no
gradient.

Differs from the paper: its networks have no pretrained layers.
"""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, Num

from convcorr_jax import backbone, coords
from convcorr_jax.errors import InputError

Front = Literal["none", "alexnet", "vgg16"]

COARSE_STRIDES = (8, 16)
"""The strides of the coarse maps, in pixels."""


class FrontLayers(NamedTuple):
    """The layers of a front for coarse maps, and for fine maps with their strides in pixels."""

    coarse: tuple[str, str]
    """In the order of `COARSE_STRIDES`."""
    fine: tuple[str, ...]
    fine_strides: tuple[int, ...]
    tuned: tuple[str, ...]
    """The convolutions that the joint phase trains; earlier ones stay as they are."""


FRONTS: Mapping[Front, FrontLayers] = MappingProxyType(
    {
        "alexnet": FrontLayers(("conv2", "conv5"), ("conv1",), (4,), ("conv3", "conv4", "conv5")),
        "vgg16": FrontLayers(
            ("conv4_3", "conv5_3"),
            ("conv1_2", "conv2_2", "conv3_3"),
            (1, 2, 4),
            tuple(f"conv{block}_{layer}" for block in (4, 5) for layer in (1, 2, 3)),
        ),
    }
)
"""The fronts by the name of their network."""

Leaf = Array | np.ndarray
Filters = Mapping[str, Mapping[str, Leaf]]
"""``kernel`` and ``bias`` of convolutions and projections, by name."""


class FrontMaps(NamedTuple):
    """The maps of a batch of images."""

    coarse: tuple[Float[Array, "b _ _ f"], ...]
    """Projected features at each of `COARSE_STRIDES`."""
    fine: tuple[Float[Array, "b _ _ _"], ...]
    """Activations at each of `FrontLayers.fine_strides`."""


def layer_shapes(front: Front) -> dict[str, tuple[int, int, int, int]]:
    """Return the shape (height, width, inputs of a group, outputs) of every convolution of a front."""
    network = backbone.NETWORKS[front]
    last = network.position(FRONTS[front].coarse[1])
    names = network.layer_names[: last + 1]
    shapes = backbone.filter_shapes(network)
    return {name: shape for name, shape in shapes.items() if name in names}


def projection(layer: str) -> str:
    """Return the name of the projection of a layer's activations.

    >>> projection("conv5_3")
    'project_conv5_3'
    """
    return f"project_{layer}"


def init(key: Key[Array, ""], front: Front, *, features: int) -> dict[str, dict[str, Array]]:
    """Draw random filters and projections; `with_filters` replaces the former by trained ones.

    A projection has no more features than its layer has channels.
    """
    shapes = layer_shapes(front)
    for layer in FRONTS[front].coarse:
        channels = shapes[layer][-1]
        shapes[projection(layer)] = (1, 1, channels, min(features, channels))
    keys = jax.random.split(key, len(shapes))
    draw = jax.nn.initializers.he_uniform()
    return {
        name: {"kernel": draw(one, shape), "bias": jnp.zeros(shape[-1])}
        for one, (name, shape) in zip(keys, shapes.items(), strict=True)
    }


def with_filters(filters: Filters, trained: backbone.Params) -> dict[str, Mapping[str, Leaf]]:
    """Replace the filters by a trained network's convolutions of the same names; its other ones are not used.

    Raises:
        InputError: the trained network lacks a convolution of the front.
    """
    replaced: dict[str, Mapping[str, Leaf]] = {}
    for name, own in filters.items():
        if name.startswith(projection("")):
            replaced[name] = own
        elif name in trained:
            kernel, bias = map(jnp.asarray, trained[name])
            replaced[name] = {"kernel": kernel, "bias": bias}
        else:
            raise InputError(f"the trained network lacks {name}, which the front needs")
    return replaced


def front_maps(
    filters: Filters, images: Num[Array, "b h w 3"] | Num[np.ndarray, "b h w 3"], *, front: Front
) -> FrontMaps:
    """Compute the maps of images.

    RGB images have values from 0 to 255; height and width are multiples of 16.
    """
    chosen = FRONTS[front]
    strides = dict(zip((*chosen.coarse, *chosen.fine), (*COARSE_STRIDES, *chosen.fine_strides), strict=True))
    found = _activations(filters, images, front, strides)
    projected = [_project(found[layer], filters[projection(layer)]) for layer in chosen.coarse]
    return FrontMaps(tuple(projected), tuple(found[layer] for layer in chosen.fine))


def blank_maps(filters: Filters, size: coords.Size, *, front: Front) -> FrontMaps:
    """Return zeros of the shapes that `front_maps` has for one image of a size."""
    chosen = FRONTS[front]

    def blank(name: str, stride: int) -> Array:
        return jnp.zeros((1, size.height // stride, size.width // stride, filters[name]["kernel"].shape[-1]))

    coarse = map(blank, map(projection, chosen.coarse), COARSE_STRIDES)
    return FrontMaps(tuple(coarse), tuple(map(blank, chosen.fine, chosen.fine_strides)))


@partial(jax.jit, static_argnames="front")
def coarse_activations(
    filters: Filters, images: Num[Array, "b h w 3"] | Num[np.ndarray, "b h w 3"], *, front: Front
) -> dict[str, Float[Array, "b _ _ _"]]:
    """Compute the activations of the coarse maps' layers by name, before they are projected."""
    strides = dict(zip(FRONTS[front].coarse, COARSE_STRIDES, strict=True))
    return _activations(filters, images, front, strides)


class ColumnSums(NamedTuple):
    """Sums of columns of activations and of their outer products, for `principal_projection`."""

    count: int
    total: Float[np.ndarray, " c"]
    products: Float[np.ndarray, "c c"]

    def plus(self, other: "ColumnSums") -> "ColumnSums":
        """Return the sums over the cells of both."""
        return ColumnSums(self.count + other.count, self.total + other.total, self.products + other.products)


def column_sums(maps: Float[np.ndarray, "b h w c"]) -> ColumnSums:
    """Sum up the columns of maps."""
    columns = maps.reshape(-1, maps.shape[-1]).astype(np.float64)
    return ColumnSums(len(columns), columns.sum(axis=0), columns.T @ columns)


def principal_projection(sums: ColumnSums, *, features: int) -> dict[str, np.ndarray]:
    """Compute the projection on the principal components of columns, with unit mean variance.

    ``kernel`` is ``[1, 1, channels, features]``. The components of the summed columns are uncorrelated and have
    mean 0; the mean of their variances is 1. There are as many as channels if more features are asked for.
    """
    mean = sums.total / sums.count
    covariance = sums.products / sums.count - np.outer(mean, mean)
    variances, directions = np.linalg.eigh(covariance)
    components = directions[:, ::-1][:, :features]
    components /= np.sqrt(max(variances[::-1][:features].mean(), np.finfo(np.float32).tiny))
    return {
        "kernel": components[None, None].astype(np.float32),
        "bias": (-mean @ components).astype(np.float32),
    }


def upsample(maps: Float[Array, "b h w f"], *, times: int) -> Float[Array, "b h2 w2 f"]:
    """Interpolate maps linearly on a grid with more cells for the same pixels."""
    size = coords.Size(*(times * side for side in maps.shape[1:3]))
    return _resample(maps, coords.grid(times, (times - 1) / 2), 1, size)


def _activations(
    filters: Filters, images: Array | np.ndarray, front: Front, strides: Mapping[str, int]
) -> dict[str, Array]:
    """Compute the activations of layers on the grids of their strides."""
    chosen, network = FRONTS[front], backbone.NETWORKS[front]
    params = {
        name: backbone.Filters(**{key: _frozen(name, leaf, chosen) for key, leaf in own.items()})
        for name, own in filters.items()
        if not name.startswith(projection(""))
    }
    size = coords.Size(*images.shape[1:3])
    found = backbone.activations(
        params, backbone.preprocess(images, network=network), network=network, layers=tuple(strides)
    )
    return {
        layer: _resample(found[layer], backbone.cell_centers(network, layer), stride, size)
        for layer, stride in strides.items()
    }


def _frozen(name: str, leaf: Leaf, chosen: FrontLayers) -> Array:
    array = jnp.asarray(leaf)
    return array if name in chosen.tuned else jax.lax.stop_gradient(array)


def _project(maps: Array, own: Mapping[str, Leaf]) -> Array:
    return maps @ own["kernel"][0, 0] + own["bias"][None, None, None]


def _resample(maps: Array, centers: coords.Transform, stride: int, size: coords.Size) -> Array:
    """Interpolate maps, whose cells have these centres in pixels, at the cells of a stride."""
    to_cells = centers.inverse @ coords.grid(stride, (stride - 1) / 2)
    rows, columns = (
        coords.linear_weights(
            np.arange(side // stride) * to_cells.scale[axis] + to_cells.shift[axis], length
        ).astype(maps.dtype)
        for axis, side, length in zip((1, 0), size, maps.shape[1:3], strict=True)
    )
    if all(np.array_equal(weights, np.eye(len(weights))) for weights in (rows, columns)):
        return maps
    return jnp.einsum("rh,bhwf,cw->brcf", rows, maps, columns)
