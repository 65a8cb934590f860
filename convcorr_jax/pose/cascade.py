"""The whole cascade: coarse heat-maps, the spatial model's selection among their peaks, and the fine net.

Parameters are a dictionary with one entry for each part: ``coarse``, ``spatial`` and ``fine``. An untrained
spatial model changes nothing.
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

PIXELS = coords.grid(1, 0)
"""Cells of a fine heat-map to pixels of its window: each pixel is a cell."""


class Prediction(NamedTuple):
    """Joints of each image's person, in pixels of the image (the input frame)."""

    points: Float[Array, "b j 2"]
    """The positions (x, y) that the fine net predicts."""
    coarse: Float[Array, "b j 2"]
    """The positions before the fine net: centres of the heat-map cells that the spatial model selects."""
    scores: Float[Array, "b j"]
    """The value of the coarse heat-map at these cells: about 1 where the coarse net is certain, about 0 where
    it detects nothing."""
    coarse_alone: Float[Array, "b j 2"]
    """The positions before the spatial model: centres of the highest cells of the coarse heat-maps. They do not
    depend on the torso."""


class Detection(NamedTuple):
    """Heat-maps of the coarse net and the spatial model, and the input of the fine net."""

    heatmaps: Float[Array, "b h w j"]
    """Heat-maps of the coarse net."""
    selected: Float[Array, "b h w j"]
    """Heat-maps of the spatial model."""
    maps: Maps
    """The maps from which the fine net's windows are cut: features of the coarse net, or the pyramid."""


def init(key: Key[Array, ""], architecture: Architecture) -> Params:
    """Return random parameters of the nets, and a spatial model that changes nothing.

    Args:
        key: PRNG key.
        architecture: of the cascade.
    """
    images = jnp.zeros((1, *architecture.input_size, 3), jnp.uint8)
    if isinstance(key, jax.core.Tracer):
        return _init(key, images, architecture=architecture)
    return _compiled_init(key, images, architecture=architecture)


def with_priors(
    params: Params,
    points: Float[np.ndarray, "n j 2"],
    torso: Float[np.ndarray, "n 2"],
    *,
    architecture: Architecture,
) -> Params:
    """Return parameters whose spatial model has the displacements of a training set as its priors.

    Args:
        params: parameters of the cascade.
        points: joints (x, y) of the training set, in the input frame; NaN where missing.
        torso: middles of the torsos (x, y), in the input frame; NaN where unknown.
        architecture: of the cascade.
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
        params: parameters of the cascade.
        images: 8-bit RGB.
        torso: middle of the person's torso (x, y), in pixels; NaN where unknown.
        architecture: of the cascade.
        dropout_keys: PRNG keys of SpatialDropout, one for each image; without them nothing is dropped.

    Raises:
        InputError: the images are smaller than the patch.
    """
    pyramid = normalization.pyramid(images, levels=architecture.levels)
    output = _run(Coarse(architecture), params["coarse"], pyramid, dropout_keys=dropout_keys)
    size = coords.Size(*output.heatmaps.shape[1:3])
    torso_map = jnp.nan_to_num(gaussians(torso[:, None], size, architecture.cells)[..., 0])
    selected = _run(SpatialModel(architecture), params["spatial"], output.heatmaps, torso_map)
    return Detection(output.heatmaps, selected, _fine_input(pyramid, output, architecture))


def corners(points: Float[Array, "b j 2"], *, architecture: Architecture) -> crop.Corners:
    """Return the first pixels of the fine net's windows around points.

    Args:
        points: joints (x, y), in pixels of the input frame. The window of a NaN point has an arbitrary
            position.
        architecture: of the cascade.
    """
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
    """Run the fine net on windows around joints.

    Args:
        params: parameters of the cascade.
        maps: the input maps of the fine net, as `detect` returns them.
        corners: the first pixel of each window, as `corners` returns them.
        architecture: of the cascade.

    Returns:
        The heat-map of each joint in its window, with one cell for each pixel.
    """
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
    """Predict the joints of one person in each image.

    Args:
        params: parameters of the cascade.
        images: 8-bit RGB.
        torso: middle of the person's torso (x, y), in pixels; where it is NaN, the most likely person is
            predicted.
        architecture: of the cascade.

    Raises:
        InputError: the images are smaller than the patch.
    """
    detection = detect(params, images, torso, architecture=architecture)
    coarse = peaks(detection.selected, architecture.cells).points
    starts = corners(coarse, architecture=architecture)
    fine = peaks(refine(params, detection.maps, starts, architecture=architecture), PIXELS).points
    best = detection.selected == detection.selected.max(axis=(1, 2), keepdims=True)
    scores = jnp.where(best, detection.heatmaps, -jnp.inf).max(axis=(1, 2))
    alone = peaks(detection.heatmaps, architecture.cells).points
    return Prediction(starts + fine, coarse, scores, alone)


# The image is an argument because the compiler would evaluate the networks on a constant; no parameter depends
# on it.
def _init(key: Array, images: Array, *, architecture: Architecture) -> Params:
    coarse_key, spatial_key, fine_key = jax.random.split(key, 3)
    pyramid = normalization.pyramid(images, levels=architecture.levels)
    output, coarse = Coarse(architecture).init_with_output(coarse_key, pyramid)
    heatmaps = output.heatmaps
    spatial = SpatialModel(architecture).init(spatial_key, heatmaps, heatmaps[..., 0])
    starts = corners(peaks(heatmaps, architecture.cells).points, architecture=architecture)
    windows = _windows(_fine_input(pyramid, output, architecture), starts, architecture)
    fine = _fine_net(architecture).init(fine_key, windows)
    return {"coarse": coarse, "spatial": spatial, "fine": fine}


# The program runs once and takes milliseconds: optimizing its code would take four times as long as all else.
_compiled_init = jax.jit(
    _init, static_argnames="architecture", compiler_options={"xla_backend_optimization_level": 0}
)


def _run(net: nn.Module, params: Params, *inputs: Any, **options: Any) -> Any:
    """Return a module's output; Any, since callers know its type."""
    return net.apply(params, *inputs, **options)


def _fine_net(architecture: Architecture) -> Fine | StandardFine:
    return (Fine if architecture.cascade == "shared" else StandardFine)(architecture)


def _fine_input(pyramid: Maps, output: CoarseOutput, architecture: Architecture) -> Maps:
    return output.shared if architecture.cascade == "shared" else pyramid


def _windows(maps: Maps, corners: crop.Corners, architecture: Architecture) -> Maps:
    return tuple(
        crop.windows(of_level, corners, window_px=architecture.fine_window, stride_px=stride)
        for of_level, stride in zip(maps, architecture.fine_strides, strict=True)
    )
