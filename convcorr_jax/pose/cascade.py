"""The whole cascade: coarse heat-maps, the spatial model's choice among them, and a finer look at each joint.

Parameters are a dictionary with one entry a part: ``coarse``, ``spatial`` and ``fine``. An untrained spatial
model changes nothing.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float, Key, UInt8

from convcorr_jax import coords
from convcorr_jax.pose import crop, normalization
from convcorr_jax.pose.architecture import Architecture
from convcorr_jax.pose.coarse import Coarse, CoarseOutput
from convcorr_jax.pose.fine import Fine, StandardFine
from convcorr_jax.pose.heatmaps import gaussians, peaks
from convcorr_jax.pose.spatial_model import SpatialModel, initial_priors

Params = dict[str, Any]
"""Parameters of ``coarse``, ``spatial`` and ``fine``, float32."""

Maps = tuple[Float[Array, "b ..."], ...]
"""Maps, or windows of maps, of one batch in several resolutions."""

# A fine heat-map has a cell for each pixel of its window.
PIXELS = coords.grid(1, 0)


class Prediction(NamedTuple):
    """Joints of each image's person, in pixels of the image (the input frame)."""

    points: Float[Array, "b j 2"]
    """After the finer look."""
    coarse: Float[Array, "b j 2"]
    """Before it: middles of heat-map cells, which the spatial model chose."""
    scores: Float[Array, "b j"]
    """The coarse heat-map there; about 1 where the net is sure, about 0 where it saw nothing."""


class Detection(NamedTuple):
    """What the coarse net says, and what the fine net will look at."""

    heatmaps: Float[Array, "b h w j"]
    """Of the coarse net."""
    selected: Float[Array, "b h w j"]
    """Of the spatial model."""
    maps: Maps
    """For the fine net: features of the coarse net, or the pyramid."""


def init(key: Key[Array, ""], architecture: Architecture) -> Params:
    """Random parameters of the nets, and a spatial model that changes nothing."""
    images = jnp.zeros((1, *architecture.input_size, 3), jnp.uint8)
    return _init(key, images, architecture=architecture)


def with_priors(
    params: Params,
    points: Float[np.ndarray, "n j 2"],
    torso: Float[np.ndarray, "n 2"],
    *,
    architecture: Architecture,
) -> Params:
    """The parameters with a spatial model that knows a training set's displacements; NaN where missing.

    Points are in the input frame, as those of the batches that training sees.
    """
    spatial = params["spatial"]["params"]
    prior = initial_priors(points, torso, architecture=architecture)
    return params | {"spatial": {"params": spatial | {"prior": jnp.asarray(prior)}}}


def detect(
    params: Params,
    images: UInt8[Array, "b h w 3"] | UInt8[np.ndarray, "b h w 3"],
    torso: Float[Array, "b 2"] | Float[np.ndarray, "b 2"],
    *,
    architecture: Architecture,
    dropout_keys: Key[Array, " b"] | None = None,
) -> Detection:
    """Run the coarse net and the spatial model.

    Args:
        params: of the cascade.
        images: 8-bit RGB.
        torso: middle of the person's torso, in pixels; NaN where it is not given.
        architecture: of the cascade.
        dropout_keys: for SpatialDropout, one an image; without them nothing is dropped.

    Raises:
        InputError: the images are smaller than the patch.
    """
    pyramid = normalization.pyramid(images, levels=architecture.levels)
    found = _run(Coarse(architecture), params["coarse"], pyramid, dropout_keys=dropout_keys)
    size = coords.Size(*found.heatmaps.shape[1:3])
    torso_map = jnp.nan_to_num(gaussians(torso[:, None], size, architecture.cells)[..., 0])
    selected = _run(SpatialModel(architecture), params["spatial"], found.heatmaps, torso_map)
    return Detection(found.heatmaps, selected, _looked_at(pyramid, found, architecture))


def corners(points: Float[Array, "b j 2"], *, architecture: Architecture) -> crop.Corners:
    """Where the fine net's windows around points start; around an absent point, anywhere."""
    return crop.corners(
        jnp.nan_to_num(points),
        window_px=architecture.fine_window,
        stride_px=architecture.window_stride,
    )


def refine(
    params: Params,
    maps: Maps,
    corners: crop.Corners,
    *,
    architecture: Architecture,
) -> Float[Array, "b n n j"]:
    """Run the fine net: heat-maps of windows, a cell for each pixel."""
    windows = _windows(maps, corners, architecture)
    return _run(_fine_net(architecture), params["fine"], windows)


@partial(jax.jit, static_argnames="architecture")
def predict(
    params: Params,
    images: UInt8[Array, "b h w 3"] | UInt8[np.ndarray, "b h w 3"],
    torso: Float[Array, "b 2"] | Float[np.ndarray, "b 2"],
    *,
    architecture: Architecture,
) -> Prediction:
    """The joints of the person whose torso is given, or of the likeliest where it is NaN.

    Raises:
        InputError: the images are smaller than the patch.
    """
    seen = detect(params, images, torso, architecture=architecture)
    coarse = peaks(seen.selected, architecture.cells).points
    starts = corners(coarse, architecture=architecture)
    fine = peaks(refine(params, seen.maps, starts, architecture=architecture), PIXELS).points
    best = seen.selected == seen.selected.max(axis=(1, 2), keepdims=True)
    scores = jnp.where(best, seen.heatmaps, -jnp.inf).max(axis=(1, 2))
    return Prediction(starts + fine, coarse, scores)


# The image is an argument, and not a constant that the compiler would compute with: nothing depends on it.
@partial(jax.jit, static_argnames="architecture")
def _init(key: Array, images: Array, *, architecture: Architecture) -> Params:
    coarse_key, spatial_key, fine_key = jax.random.split(key, 3)
    pyramid = normalization.pyramid(images, levels=architecture.levels)
    found, coarse = Coarse(architecture).init_with_output(coarse_key, pyramid)
    spatial = SpatialModel(architecture).init(spatial_key, found.heatmaps, found.heatmaps[..., 0])
    starts = corners(peaks(found.heatmaps, architecture.cells).points, architecture=architecture)
    windows = _windows(_looked_at(pyramid, found, architecture), starts, architecture)
    fine = _fine_net(architecture).init(fine_key, windows)
    return {"coarse": coarse, "spatial": spatial, "fine": fine}


def _run(net: nn.Module, params: Params, *inputs: Any, **options: Any) -> Any:
    """A module's output; its type is known where it is used."""
    return net.apply(params, *inputs, **options)


def _fine_net(architecture: Architecture) -> Fine | StandardFine:
    return (Fine if architecture.cascade == "shared" else StandardFine)(architecture)


def _looked_at(pyramid: Maps, found: CoarseOutput, architecture: Architecture) -> Maps:
    return found.shared if architecture.cascade == "shared" else pyramid


def _windows(maps: Maps, corners: crop.Corners, architecture: Architecture) -> Maps:
    return tuple(
        crop.windows(one, corners, window_px=architecture.fine_window, stride_px=stride)
        for one, stride in zip(maps, architecture.fine_strides, strict=True)
    )
