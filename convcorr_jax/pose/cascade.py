"""The whole cascade: coarse heat-maps, the spatial model's selection among their peaks, and the fine net.

Parameters are a dictionary with one entry for each part: ``coarse``, ``spatial`` and ``fine``, and ``front`` if
the architecture has a pretrained front. An untrained spatial model changes nothing.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float, Key, UInt8

from convcorr_jax import backbone, coords
from convcorr_jax.pose import augmentation, framing, front, layers
from convcorr_jax.pose.architecture import Architecture
from convcorr_jax.pose.augmentation import rotation_of
from convcorr_jax.pose.heatmaps import gaussians, peaks, values_at_peaks
from convcorr_jax.pose.nets import Coarse, Fine, Head, StandardFine
from convcorr_jax.pose.spatial_model import SpatialModel, initial_priors

# Heat-maps below this value are no detection; the greatest value of a target is 1.
_NO_DETECTION = 1e-4

Params = dict[str, Any]
"""Parameters of ``coarse``, ``spatial``, ``fine`` and, with a front, ``front``; float32."""

Maps = tuple[Float[Array, "b ..."], ...]
"""Maps, or windows of maps, of one batch in several resolutions."""


class Prediction(NamedTuple):
    """Joints of each image's person, in pixels of the image (the input frame)."""

    points: Float[Array, "b j 2"]
    """From the fine net."""
    coarse: Float[Array, "b j 2"]
    """Before the fine net: the maxima of the combined heat-maps, or of the spatial model's."""
    scores: Float[Array, "b j"]
    """The value of the coarse heat-map at these cells: about 1 where the coarse net is certain, about 0 where
    it detects nothing."""
    coarse_alone: Float[Array, "b j 2"]
    """Before the spatial model: the maxima of the coarse heat-maps. They do not depend on the torso."""
    presence: Float[Array, " b"]
    """How certain it is that there is a person: the mean of the highest values of the joints' coarse heat-maps,
    of the image alone, without copies."""


class Detection(NamedTuple):
    """Heat-maps of the coarse net and the spatial model, and the input of the fine net."""

    heatmaps: Float[Array, "b h w j"]
    selected: Float[Array, "b h w j"]
    """From the spatial model."""
    maps: Maps
    """The maps from which the fine net's windows are cut: features of the coarse net or of the front, or the
    pyramid."""


def init(key: Key[Array, ""], architecture: Architecture) -> Params:
    """Return random parameters of the nets, and a spatial model that changes nothing."""
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
    """Initialize the priors of the spatial model from the displacements of joints in a training set."""
    spatial = params["spatial"]["params"]
    prior = initial_priors(points, torso, architecture=architecture)
    return params | {"spatial": {"params": spatial | {"prior": jnp.asarray(prior)}}}


def with_front(params: Params, trained: backbone.Params) -> Params:
    """Return parameters whose front has the convolutions of a trained network."""
    return params | {"front": front.with_filters(params["front"], trained)}


def detect(
    params: Params,
    images: UInt8[Array, "b h w 3"] | UInt8[np.ndarray, "b h w 3"],
    torso: Float[Array, "b 2"] | Float[np.ndarray, "b 2"],
    *,
    architecture: Architecture,
    dropout_keys: Key[Array, " b"] | None = None,
) -> Detection:
    """Run the front, if there is one, the coarse net and the spatial model.

    There are ``dropout_keys`` of SpatialDropout, one for each image; without them nothing is dropped.

    Raises:
        InputError: the images do not fit (see `Architecture.check_fits`).
    """
    heatmaps, maps = _coarse(params, images, architecture, dropout_keys)
    return Detection(heatmaps, select(params, heatmaps, torso, architecture=architecture), maps)


def detect_from_features(
    params: Params,
    features: tuple[Any, ...],
    *,
    architecture: Architecture,
    dropout_keys: Key[Array, " b"] | None = None,
) -> Float[Array, "b h w j"]:
    """Run the coarse net on the coarse maps of its front, such as cached ones.

    ``features`` are ``coarse`` of `convcorr_jax.pose.front.FrontMaps`; the front's parameters are not used.
    """
    return _run(Head(architecture), params["coarse"], features, dropout_keys=dropout_keys)


def select(
    params: Params,
    heatmaps: Float[Array, "b h w j"],
    torso: Float[Array, "b 2"] | Float[np.ndarray, "b 2"],
    *,
    architecture: Architecture,
) -> Float[Array, "b h w j"]:
    """Run the spatial model on coarse heat-maps."""
    size = coords.Size(*heatmaps.shape[1:3])
    of_torso = gaussians(torso[:, None], size, architecture.cells, sigma_px=architecture.sigma_px)[..., 0]
    return _run(SpatialModel(architecture), params["spatial"], heatmaps, jnp.nan_to_num(of_torso))


def corners(points: Float[Array, "b j 2"], *, architecture: Architecture) -> framing.Corners:
    """Return the first pixels of the fine net's windows around points.

    The window of a NaN point has an arbitrary position.
    """
    return framing.corners(
        jnp.nan_to_num(points), window_px=architecture.fine_window, stride_px=architecture.window_stride
    )


def refine(
    params: Params, maps: Maps, corners: framing.Corners, *, architecture: Architecture
) -> Float[Array, "b n n j"]:
    """Run the fine net on windows with these `corners`; its maps have cells of `Architecture.fine_cells`."""
    windows = _windows(maps, corners, architecture)
    return _run(_fine_net(architecture), params["fine"], windows)


@partial(jax.jit, static_argnames=("architecture", "mirrored", "rotated", "subcell"))
def predict(
    params: Params,
    images: UInt8[Array, "b h w 3"] | UInt8[np.ndarray, "b h w 3"],
    torso: Float[Array, "b 2"] | Float[np.ndarray, "b 2"],
    *,
    architecture: Architecture,
    mirrored: bool = True,
    rotated: bool = True,
    subcell: bool = True,
) -> Prediction:
    """Predict the joints of one person in each image.

    Args:
        torso: middle of the person's torso (x, y), in pixels; where it is NaN, the most likely person is
            predicted.
        mirrored: average the heat-maps of coarse and fine net with those of the mirrored image.
        rotated: average the heat-maps of the coarse net with those of the image rotated by
            `Architecture.rotated_degrees` to either side, where the rotated image shows the cell.
        subcell: estimate positions between the cells of heat-maps (see `convcorr_jax.pose.peaks`).

    Raises:
        InputError: the images do not fit (see `Architecture.check_fits`), or ``mirrored`` is set and the cells
            of the mirrored image would not be those of the image.

    Differs from the paper: the paper predicts from the image alone, without copies, and positions are centres
    of cells; the heat-maps of coarse net and spatial model are combined with `Architecture.spatial_weight`;
    with `Architecture.fine_prior_px`, fine heat-maps are multiplied by a Gaussian around the coarse positions.
    """
    size = coords.Size(*images.shape[1:3])
    mirror = augmentation.mirror_of(architecture, size) if mirrored else None
    plain, heatmaps, maps = _with_mirrored(params, images, mirror, architecture)
    if rotated and architecture.rotated_degrees:
        heatmaps = _with_rotated(params, images, mirror, architecture, heatmaps)
    selected = select(params, heatmaps, torso, architecture=architecture)
    if architecture.spatial_weight < 1:
        coarse_scores, spatial_scores = (jnp.maximum(each, _NO_DETECTION) for each in (heatmaps, selected))
        weight = architecture.spatial_weight
        selected = coarse_scores ** (1 - weight) * spatial_scores**weight
    coarse = peaks(selected, architecture.cells, subcell=subcell).points
    starts = corners(coarse, architecture=architecture)
    fine_heatmaps = refine(params, maps[0], starts, architecture=architecture)
    if mirror is not None:
        mirrored_starts = mirror.corners(starts)
        of_mirrored = refine(params, maps[1], mirrored_starts, architecture=architecture)
        fine_heatmaps = (fine_heatmaps + mirror.maps(of_mirrored)) / 2
    if architecture.fine_prior_px is not None:
        # Where the fine net detects nothing, the coarse position is the maximum.
        fine_heatmaps = jnp.maximum(fine_heatmaps, _NO_DETECTION) * gaussians(
            coarse - starts,
            coords.Size(*fine_heatmaps.shape[1:3]),
            architecture.fine_cells,
            sigma_px=architecture.fine_prior_px,
        )
    fine = peaks(fine_heatmaps, architecture.fine_cells, subcell=subcell).points
    scores = values_at_peaks(heatmaps, selected)
    alone = peaks(heatmaps, architecture.cells, subcell=subcell).points
    return Prediction(starts + fine, coarse, scores, alone, plain.max(axis=(1, 2)).mean(axis=-1))


# The image is an argument because the compiler would evaluate the networks on a constant; no parameter depends
# on it.
def _init(key: Array, images: Array, *, architecture: Architecture) -> Params:
    front_key, coarse_key, spatial_key, fine_key = jax.random.split(key, 4)
    params: Params = {}
    if architecture.front == "none":
        pyramid = layers.pyramid(images, levels=architecture.levels)
        output, params["coarse"] = Coarse(architecture).init_with_output(coarse_key, pyramid)
        heatmaps = output.heatmaps
        maps = output.shared if architecture.cascade == "shared" else pyramid
    else:
        features = architecture.front_features
        params["front"] = front.init(front_key, architecture.front, features=features)
        # Parameters depend on the shapes of the maps alone; tracing the layers would take a second.
        found = front.blank_maps(params["front"], coords.Size(*images.shape[1:3]), front=architecture.front)
        heatmaps, params["coarse"] = Head(architecture).init_with_output(coarse_key, found.coarse)
        maps = found.fine
    params["spatial"] = SpatialModel(architecture).init(spatial_key, heatmaps, heatmaps[..., 0])
    starts = corners(peaks(heatmaps, architecture.cells).points, architecture=architecture)
    params["fine"] = _fine_net(architecture).init(fine_key, _windows(maps, starts, architecture))
    return params


# The program runs once and takes milliseconds: optimizing its code would take four times as long as all else.
_compiled_init = jax.jit(
    _init, static_argnames="architecture", compiler_options={"xla_backend_optimization_level": 0}
)


def _coarse(
    params: Params, images: Any, architecture: Architecture, dropout_keys: Any = None
) -> tuple[Float[Array, "b h w j"], Maps]:
    """Return the coarse net's heat-maps, and the maps from which the fine net's windows are cut."""
    if architecture.front != "none":
        architecture.check_fits(coords.Size(*images.shape[1:3]))
        found = front.front_maps(params["front"], images, front=architecture.front)
        heatmaps = detect_from_features(
            params, found.coarse, architecture=architecture, dropout_keys=dropout_keys
        )
        return heatmaps, found.fine
    pyramid = layers.pyramid(images, levels=architecture.levels)
    output = _run(Coarse(architecture), params["coarse"], pyramid, dropout_keys=dropout_keys)
    return output.heatmaps, output.shared if architecture.cascade == "shared" else pyramid


def _with_mirrored(
    params: Params, images: Any, mirror: augmentation.Mirror | None, architecture: Architecture
) -> tuple[Float[Array, "b h w j"], Float[Array, "b h w j"], list[Maps]]:
    """Return coarse heat-maps of images, their mean with those of mirrored images, and the maps of each."""
    if mirror is None:
        heatmaps, maps = _coarse(params, images, architecture)
        return heatmaps, heatmaps, [maps]
    # One program for both takes half the time to compile.
    both = jnp.concatenate([images, images[:, :, ::-1]])
    heatmaps, maps = _coarse(params, both, architecture)
    of_images, of_mirrored = jnp.split(heatmaps, 2)
    halves = [tuple(each) for each in zip(*(jnp.split(level, 2) for level in maps), strict=True)]
    return of_images, (of_images + mirror.maps(of_mirrored)) / 2, halves


def _with_rotated(
    params: Params,
    images: Any,
    mirror: augmentation.Mirror | None,
    architecture: Architecture,
    heatmaps: Float[Array, "b h w j"],
) -> Float[Array, "b h w j"]:
    """Return the mean of the heat-maps of images and of their rotated copies that show the cell."""
    size, degrees = coords.Size(*images.shape[1:3]), architecture.rotated_degrees

    def of_copy(angle: Float[Array, ""]) -> Float[Array, "b h w c"]:
        rotation = rotation_of(size, angle)
        _, turned, _ = _with_mirrored(params, rotation.images(images), mirror, architecture)
        shown = jnp.ones_like(turned[..., :1])
        return rotation.maps_of_images(jnp.concatenate([turned, shown], -1), architecture.cells)

    copies = jax.lax.map(of_copy, jnp.array([degrees, -degrees])).sum(axis=0)
    return (heatmaps + copies[..., :-1]) / (1 + copies[..., -1:])


def _run(net: nn.Module, params: Params, *inputs: Any, **options: Any) -> Any:
    """Return a module's output; Any, since callers know its type."""
    return net.apply(params, *inputs, **options)


def _fine_net(architecture: Architecture) -> Fine | StandardFine:
    return (Fine if architecture.cascade == "shared" else StandardFine)(architecture)


def _windows(maps: Maps, corners: framing.Corners, architecture: Architecture) -> Maps:
    return tuple(
        framing.windows(of_level, corners, window_px=architecture.fine_window, stride_px=stride)
        for of_level, stride in zip(maps, architecture.fine_strides, strict=True)
    )
