"""The changes of a front's filters by training, in 8 bits a weight.

A kernel w of a pretrained network that training changed to w' is stored as round((w' - w) / step), between -127
and 127, with one step for each output channel, ``max |w' - w| / 127``. The difference is small, so that the
rounded kernel as a whole is closer to w' than w' in half precision would be if the changes are less than a
sixteenth of the weights. Biases are stored as their change, projections as they are.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from convcorr_jax import backbone
from convcorr_jax.io import Expected
from convcorr_jax.pose.front import FRONTS, Filters, Front, Leaf, layer_shapes, projection, with_filters

_GREATEST = 127
_CHANGE, _STEP, _BIAS = "change", "step", "bias_change"


def fingerprint(trained: backbone.Params, *, front: Front) -> str:
    """Compute a hash of the pretrained filters that a front uses.

    Raises:
        InputError: the pretrained network lacks a convolution of the front.
    """
    digest = hashlib.blake2b(digest_size=16)
    for own in _pretrained(trained, front).values():
        for leaf in own.values():
            digest.update(np.ascontiguousarray(leaf, np.float32).tobytes())
    return digest.hexdigest()


def changes(filters: Filters, trained: backbone.Params, *, front: Front) -> dict[str, np.ndarray]:
    """Return the changes of a front.

    There are ``<layer>/change`` (8 bits), ``<layer>/step`` and ``<layer>/bias_change`` of every trained layer,
    and ``kernel`` and ``bias`` of every projection.
    """
    arrays = {}
    for layer in FRONTS[front].tuned:
        change = np.asarray(filters[layer]["kernel"]) - np.asarray(trained[layer].kernel)
        step = _steps(np.abs(change).max(axis=(0, 1, 2)) / _GREATEST)
        steps = np.round(change / step.astype(np.float32)).clip(-_GREATEST, _GREATEST)
        arrays[f"{layer}/{_CHANGE}"] = steps.astype(np.int8)
        arrays[f"{layer}/{_STEP}"] = step
        bias = np.asarray(filters[layer]["bias"]) - np.asarray(trained[layer].bias)
        arrays[f"{layer}/{_BIAS}"] = bias
    for layer in map(projection, FRONTS[front].coarse):
        arrays |= {f"{layer}/{name}": np.asarray(leaf) for name, leaf in filters[layer].items()}
    return arrays


def apply_changes(
    arrays: Mapping[str, np.ndarray], trained: backbone.Params, *, front: Front
) -> dict[str, Mapping[str, Leaf]]:
    """Return the filters and projections of a front from what `changes` returned."""
    own: dict[str, Mapping[str, Leaf]] = {
        layer: {name: jnp.float32(arrays[f"{layer}/{name}"]) for name in ("kernel", "bias")}
        for layer in map(projection, FRONTS[front].coarse)
    }
    filters = _pretrained(trained, front)
    for layer in FRONTS[front].tuned:
        steps = arrays[f"{layer}/{_CHANGE}"].astype(np.float32)
        kernel = filters[layer]["kernel"] + steps * arrays[f"{layer}/{_STEP}"].astype(np.float32)
        bias = filters[layer]["bias"] + arrays[f"{layer}/{_BIAS}"].astype(np.float32)
        filters[layer] = {"kernel": kernel, "bias": bias}
    return filters | own


def expected_arrays(shapes: Mapping[str, Mapping[str, Any]], *, front: Front) -> dict[str, Expected]:
    """Return type and shape of the arrays that `changes` returns."""
    arrays = {}
    for layer in FRONTS[front].tuned:
        kernel = shapes[layer]["kernel"].shape
        arrays[f"{layer}/{_CHANGE}"] = Expected(np.signedinteger, kernel)
        arrays[f"{layer}/{_STEP}"] = Expected(np.floating, kernel[-1:], finite=True)
        arrays[f"{layer}/{_BIAS}"] = Expected(np.floating, kernel[-1:], finite=True)
    for layer in map(projection, FRONTS[front].coarse):
        for name, leaf in shapes[layer].items():
            arrays[f"{layer}/{name}"] = Expected(np.floating, leaf.shape, finite=True)
    return arrays


def _pretrained(trained: backbone.Params, front: Front) -> dict[str, Mapping[str, Leaf]]:
    return with_filters({layer: {} for layer in layer_shapes(front)}, trained)


def _steps(least: Float[np.ndarray, " c"]) -> Float[np.ndarray, " c"]:
    """Return the smallest positive numbers in half precision that are not less than these."""
    # A number that half precision cannot hold becomes infinite, which is refused when the model is saved.
    with np.errstate(over="ignore"):
        steps = least.astype(np.float16)
    steps = np.where(steps < least, np.nextafter(steps, np.float16(np.inf)), steps)
    return np.maximum(steps, np.finfo(np.float16).smallest_subnormal)
