"""Sampling of patches, which are cells of views of photographs; their features and mean receptive fields.

The mean of the receptive fields of a feature's nearest neighbours (`views.mean_windows` with the side of the
field; Figure 2 of Long et al. 2014) is sharp where they agree and has little contrast elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float16

from convcorr_jax import coords
from convcorr_jax.backbone import Network
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.errors import InputError
from convcorr_jax.patches.views import Origins, all_origins, columns, view
from convcorr_jax.shapes import Image


@dataclass(frozen=True)
class Plan:
    """The choice of patches of a set of photographs; each layer's are sampled independently.

    Every photograph is described at each longer side, plain and mirrored. ``patches`` of every layer are
    sampled uniformly from all cells of all views; all cells if they are fewer.
    """

    layers: tuple[str, ...] = ("conv3", "conv4", "conv5")
    longest_px: tuple[int, ...] = (448, 320)
    patches: int = 1_000_000
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers of layers, views and patches.

        Raises:
            InputError: there is no layer, no view or no patch.
        """
        if not self.layers or not self.longest_px or self.patches < 1:
            raise InputError("a patch database needs at least one layer, one view and one patch")


def sample_origins(sizes: Sequence[coords.Size], *, network: Network, layer: str, plan: Plan) -> Origins:
    """Sample patches of a layer, sorted by photograph; layers of equal grids get the same cells.

    Raises:
        InputError: the network has no such layer, or a size of the plan is too small for it.
    """
    origins = all_origins(sizes, network=network, layer=layer, longest_px=plan.longest_px)
    count = len(origins.row)
    if count <= plan.patches:
        return origins
    rng = np.random.default_rng(plan.seed)
    return origins.at(np.sort(rng.choice(count, plan.patches, replace=False, shuffle=False)))


def patch_features(
    photograph: Image, origins: Mapping[str, Origins], weights: Weights, *, longest_px: Sequence[int]
) -> dict[str, Float16[np.ndarray, "_ _"]]:
    """Compute the features of one photograph's patches.

    The origins and the features by layer, in half precision at unit length, are in the order of ``longest_px``.
    """
    parts: dict[str, list[np.ndarray]] = {layer: [] for layer in origins}
    for longest in longest_px:
        views = [view(photograph, longest_px=longest, flipped=flipped) for flipped in (False, True)]
        maps = columns(np.stack(views), weights.params, network=weights.network, layers=tuple(origins))
        for layer, patches in origins.items():
            in_view = patches.at(np.flatnonzero(patches.longest_px == longest))
            chosen = np.asarray(maps[layer])[in_view.flipped, in_view.row, in_view.column]
            parts[layer].append(chosen.astype("<f2"))
    return {layer: np.concatenate(arrays) for layer, arrays in parts.items()}


def expand_contrast(mean: Float[np.ndarray, "side side 3"]) -> Image:
    """Map the smallest value of an image, over all channels, to 0 and the largest to 255.

    An image of a single value becomes black.

    Raises:
        InputError: a value is NaN or infinite.
    """
    if not np.isfinite(mean).all():
        raise InputError("the mean image holds NaN or infinity; finite numbers are expected")
    # The spread of great numbers exceeds single precision; a single value has none.
    above = mean.astype(np.float64) - float(mean.min())
    return np.round(above / (above.max() or 1.0) * 255).astype(np.uint8)


def middle_share(mean: Float[np.ndarray, "side side 3"]) -> float:
    """Compute the fraction of an image's gradient energy that is in the middle ninth of its area.

    The energy is the squared length of the gradient, summed over the channels. The fraction is 1/9 for evenly
    distributed detail, and NaN for an image without detail.

    >>> image = np.zeros((9, 9, 3))
    >>> image[4, 4] = 1.0
    >>> middle_share(image)
    1.0
    """
    side = mean.shape[0]
    vertical, horizontal = np.gradient(mean.astype(np.float64), axis=(0, 1))
    energy = (vertical**2 + horizontal**2).sum(-1)
    total = energy.sum()
    # If a third is not a whole number of pixels, a border pixel counts with the fraction of it that is inside.
    edges = np.arange(side)
    inside = np.clip(np.minimum(edges + 1, 2 * side / 3) - np.maximum(edges, side / 3), 0, 1)
    middle = (energy * inside[:, None] * inside[None]).sum()
    return float(middle / total) if total > 0 else float("nan")
