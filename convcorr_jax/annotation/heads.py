"""Heads: small networks on frozen features that say for each cell of a window which point it shows.

The head projects each layer to a few channels, adds them on the cells of the first layer, and applies a 3x3
convolution, a dilated one with a skip connection, and one of 1x1, whose outputs are the points' logits. A head
of whole photographs also sees what is around a cell, by two convolutions of the last layer, and its 3x3
convolutions see cells of twice the size. The probabilities of a point are the softmax over all cells and one
more, of logit 0, which means that it is absent. Those of several heads are averaged (Lakshminarayanan et al.
2017, *Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles*).
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from convcorr_jax.annotation.windows import Features
from convcorr_jax.arrays import padded_batches

_SIGMA_CELLS = 1.0
_BATCH = 8
FEW = 5
"""With fewer examples, a template and flow find the first points, and heads learn from the best of them."""
MANY = 10
"""With fewer examples, a head would learn their backgrounds, light and places by heart."""
_RATE, _WARM_UP, _DECAY = 3e-3, 20, 1e-2
# The bias of logits against that of the absent cell.
_ABSENT_AT_FIRST = 4.0
# The cells around the best one whose centroid is the point: 2 on each side.
_REACH = 2

Params = dict[str, Array]
"""The parameters of a head, or of several ones along a first axis."""


class Design(NamedTuple):
    """The size of a head, and how it is trained."""

    channels: int
    context: bool
    """Whether it sees whole photographs."""
    dropped: tuple[float, float]
    """The share of the features' channels that are set to 0 in each window in training: of fewer than `MANY`
    examples, and of more."""


class Targets(NamedTuple):
    """What windows show."""

    cells: Float[np.ndarray, "b objects n 2"]
    """The cell (column, row) of each point of each object; NaN where it is absent or there is no object."""
    known: Float[np.ndarray, "b n"]
    """The weight of each point of a window; 0 where it is unknown."""


def shapes(design: Design, layers: Sequence[int], points: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a head's parameters, for the channels of each layer."""
    c = design.channels
    kernels: dict[str, tuple[int, ...]] = {f"in{k}": (width, c) for k, width in enumerate(layers)}
    if design.context:
        kernels |= {"around": (3, 3, layers[-1], c), "beyond": (3, 3, c, c), "context": (c, c)}
    kernels |= {"near": (3, 3, c, c), "far": (3, 3, c, c), "out": (c, points)}
    return kernels | {f"{name}_bias": shape[-1:] for name, shape in kernels.items()}


def init(key: Array, design: Design, layers: Sequence[int], points: int) -> Params:
    """Return a head's initial parameters (He et al. 2015); a point is probably absent at first."""
    params: Params = {}
    for number, (name, shape) in enumerate(shapes(design, layers, points).items()):
        deviation = 0.0 if len(shape) == 1 else float(np.sqrt(2 / np.prod(shape[:-1])))
        deviation *= 0.1 if name in ("context", "out") else 1.0
        params[name] = deviation * jax.random.normal(jax.random.fold_in(key, number), shape)
    return params | {"out_bias": params["out_bias"] - _ABSENT_AT_FIRST}


def _convolve(x: Array, params: Params, name: str, *, dilation: int = 1) -> Array:
    numbers = ("NHWC", "HWIO", "NHWC")
    y = jax.lax.conv_general_dilated(
        x, params[name], (1, 1), "SAME", rhs_dilation=(dilation, dilation), dimension_numbers=numbers
    )
    return y + params[f"{name}_bias"][None, None, None]


def logits(
    params: Params,
    features: tuple[Float[Array, "b _ _ _"], ...],
    *,
    dropout: tuple[Array, Array | float] | None = None,
) -> Float[Array, "b h w n"]:
    """Compute the logits of cells; ``dropout`` has the key and the share of channels that are set to 0."""
    features = tuple(x.astype(jnp.float32) for x in features)
    if dropout is not None:
        key, share = dropout
        features = tuple(_dropped(jax.random.fold_in(key, k), x, share) for k, x in enumerate(features))
    first, *rest = (
        x @ params[f"in{k}"] + params[f"in{k}_bias"][None, None, None] for k, x in enumerate(features)
    )
    if "context" in params:
        x = jax.nn.relu(_convolve(features[-1], params, "around"))
        x = x + jax.nn.relu(_convolve(x, params, "beyond", dilation=2))
        rest[-1] = rest[-1] + x @ params["context"] + params["context_bias"][None, None, None]
    total = first
    for y in rest:
        total = total + jax.image.resize(y, (*first.shape[:3], y.shape[3]), "linear")
    x = jax.nn.relu(total)
    b, h, w, c = x.shape
    y = x.reshape(b, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4)) if "context" in params else x
    y = jax.nn.relu(_convolve(y, params, "near"))
    y = y + jax.nn.relu(_convolve(y, params, "far", dilation=2))
    x = x + jax.image.resize(y, x.shape, "linear") if "context" in params else y
    return x @ params["out"] + params["out_bias"][None, None, None]


def _dropped(key: Array, maps: Array, share: Array | float) -> Array:
    kept = jax.random.bernoulli(key, 1 - share, (maps.shape[0], 1, 1, maps.shape[3]))
    return maps * kept / (1 - share)


def _with_absent(scores: Array) -> Array:
    """Return the logits of all cells in a row, and after them that of the absent one, ``[b, h w + 1, n]``."""
    b, h, w, n = scores.shape
    return jnp.concatenate([scores.reshape(b, h * w, n), jnp.zeros((b, 1, n))], axis=1)


def _loss(params, features, cells, known, dropout):
    scores = logits(params, features, dropout=dropout)
    b, h, w, n = scores.shape
    log_p = jax.nn.log_softmax(_with_absent(scores), axis=1)
    # The Gaussian of each object is separable; objects add, and sum to 1 together.
    there = jnp.isfinite(cells).all(-1)
    place = jnp.where(there[..., None], cells, -100.0)
    columns = jnp.exp(-((jnp.arange(w)[None, None, None] - place[..., 0, None]) ** 2) / (2 * _SIGMA_CELLS**2))
    rows = jnp.exp(-((jnp.arange(h)[None, None, None] - place[..., 1, None]) ** 2) / (2 * _SIGMA_CELLS**2))
    target = jnp.einsum("bonh,bonw->bhwn", rows, columns).reshape(b, h * w, n)
    total = target.sum(axis=1, keepdims=True)
    inside = total > 0.5
    target = jnp.where(inside, target / jnp.maximum(total, 1e-6), 0.0)
    target = jnp.concatenate([target, 1.0 - inside], axis=1)
    losses = -jnp.sum(target * log_p, axis=1)
    return jnp.sum(losses * known) / jnp.maximum(jnp.sum(known), 1.0)


def _optimizer(steps: int) -> optax.GradientTransformation:
    schedule = optax.warmup_cosine_decay_schedule(0.0, _RATE, min(_WARM_UP, steps // 3), steps)
    return optax.adamw(schedule, weight_decay=_DECAY)


@partial(jax.jit, static_argnames=("steps",), donate_argnums=(0, 1))
def _step(params, state, features, cells, known, dropout, *, steps):
    loss, gradient = jax.value_and_grad(_loss)(params, features, cells, known, dropout)
    updates, state = _optimizer(steps).update(gradient, state, params)
    return optax.apply_updates(params, updates), state, loss


def fit(
    design: Design, features: Features, targets: Targets, *, examples: int, steps: int, members: int = 1,
    seed: int = 0, start: Params | None = None,
) -> Params:  # fmt: skip
    """Fit heads to windows of a number of examples, each from other parameters and in another order.

    The parameters are random ones at first, or those of ``start``, which has as many members.
    """
    fitted = []
    for member in range(members):
        rng, key = np.random.default_rng([seed, member]), jax.random.fold_in(jax.random.key(seed), member)
        if start is None:
            params = init(key, design, tuple(layer.shape[-1] for layer in features), targets.cells.shape[2])
        else:
            params = {name: values[member] for name, values in start.items()}
        state = _optimizer(steps).init(params)
        for step in range(steps):
            rows = rng.integers(len(features[0]), size=_BATCH)
            params, state, _ = _step(
                params, state, tuple(layer[rows] for layer in features), targets.cells[rows],
                targets.known[rows], (jax.random.fold_in(key, step), design.dropped[examples >= MANY]),
                steps=steps,
            )  # fmt: skip
        fitted.append(params)
    return jax.tree.map(lambda *each: jnp.stack(each), *fitted)


class Heat(NamedTuple):
    """The probabilities of points in windows."""

    cells: Float[np.ndarray, "b h w n"]
    absent: Float[np.ndarray, "b n"]


@jax.jit
def _probabilities(params, features):
    def of_member(own):
        scores = logits(own, features)
        p = jax.nn.softmax(_with_absent(scores), axis=1)
        return p[:, :-1].reshape(scores.shape), p[:, -1]

    return jax.tree.map(lambda each: each.mean(axis=0), jax.lax.map(of_member, params))


def predict(params: Params, features: Features) -> Heat:
    """Return the mean probabilities of points in windows by several heads, in batches of one size."""
    count = len(features[0])
    parts = []
    for rows, own in padded_batches(count, size=min(_BATCH, count)):
        heat = _probabilities(params, tuple(layer[rows] for layer in features))
        parts.append([np.asarray(part)[:own] for part in heat])
    return Heat(*(np.concatenate(part) for part in zip(*parts, strict=True)))


class Peak(NamedTuple):
    """The centroid of the cells around one cell of each point, and their probability."""

    cells: Float[np.ndarray, "b n 2"]
    probability: Float[np.ndarray, "b n"]


def best(heat: Float[np.ndarray, "b h w n"], *, prior: Float[np.ndarray, "h w n"] | None = None) -> Peak:
    """Return the centroid of the cells around the most probable one, after a prior of places."""
    b, h, w, n = heat.shape
    flat = (heat if prior is None else heat * prior).reshape(b, h * w, n).argmax(axis=1)
    return around(heat, flat)


def around(heat: Float[np.ndarray, "b h w n"], flat: Int[np.ndarray, "b n"]) -> Peak:
    """Return the centroid of the cells around those of these numbers, which count along rows."""
    h, w, n = heat.shape[1:]
    rows, columns = np.divmod(flat, w)
    offsets = np.arange(-_REACH, _REACH + 1)
    dy, dx = (grid.ravel() for grid in np.meshgrid(offsets, offsets, indexing="ij"))
    y, x = rows[..., None] + dy, columns[..., None] + dx
    inside = (y >= 0) & (y < h) & (x >= 0) & (x < w)
    values = heat[
        np.arange(len(heat))[:, None, None], y.clip(0, h - 1), x.clip(0, w - 1), np.arange(n)[:, None]
    ]
    values = values * inside
    total = values.sum(-1)
    safe = np.maximum(total, 1e-30)
    cells = np.stack([(values * x).sum(-1) / safe, (values * y).sum(-1) / safe], axis=-1)
    return Peak(cells, total)
