"""Linear support vector machines: 8000 samples of 256 numbers, 20 classes against the rest.

The classes overlap, and the vectors have unit length. Both sides regularize the bias as liblinear does (``-B
1``), at cost 1, and receive the features in their own format: liblinear as its list of sparse rows, ours as an
array on the device. liblinear uses one thread or one for each core, whichever is faster. It uses its primal
solver (``-s 2``) for the squared hinge, its only fast one, and the dual solver (``-s 3``) for the hinge, its
only one. The peer stops at its default tolerance. Ours stops at our default tolerance for the squared hinge,
and at thirty times it for the hinge, where the peer's objective is about a thousandth above the minimum.

Quality: the sum of the classes' objectives, computed from the weights in double precision, exceeds the peer's
by at most 1e-4 of it.
"""

from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from convcorr_jax.linear import svm
from eval.benchmark.comparison import Arrays, Case, Comparison, Quality
from eval.benchmark.timing import cores

SAMPLES, LENGTH, CLASSES = 8000, 256, 20
NOISE = 6.0
MARGIN = 1e-4
SOLVERS: dict[svm.Loss, int] = {"squared_hinge": 2, "hinge": 3}
TOLERANCES: dict[svm.Loss, float] = {"squared_hinge": 1e-4, "hinge": 3e-3}


def comparisons() -> Iterator[Comparison]:
    """Yield one comparison for each loss."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, SAMPLES)
    features = rng.normal(size=(CLASSES, LENGTH))[labels]
    features += NOISE * rng.normal(size=features.shape)
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    for loss, solver in SOLVERS.items():
        yield Comparison(
            name=f"{loss}, {SAMPLES} x {LENGTH}, {CLASSES} classes",
            unit="fit",
            inputs={
                "features": features,
                "labels": labels,
                "solver": np.array(solver),
                "threads": np.array(cores()),
            },
            ours=_fit(features, labels, loss),
            check=_same_objective(features, labels, loss),
            required_ratio=4.0,
        )


def _fit(features, labels, loss):
    on_device = jnp.asarray(features)
    positive = svm.one_vs_all(jnp.asarray(labels), classes=CLASSES)

    def run():
        model = svm.fit(on_device, positive, cost=1.0, loss=loss, bias_scale=1.0, tolerance=TOLERANCES[loss])
        return {"weights": model.weights, "bias": model.bias}

    return run


def _same_objective(features, labels, loss):
    rows = features.astype(np.float64)
    signs = np.where(labels[:, None] == np.arange(CLASSES), 1, -1)

    def objective(arrays):
        weights, bias = (arrays[name].astype(np.float64) for name in ("weights", "bias"))
        losses = np.maximum(0, 1 - signs * (rows @ weights.T + bias))
        if loss == "squared_hinge":
            losses = losses**2
        return ((weights**2).sum() + (bias**2).sum()) / 2 + losses.sum()

    def check(ours: Arrays, peer: Arrays) -> Quality:
        our_objective, peer_objective = objective(ours), objective(peer)
        return Quality(
            bool(our_objective <= (1 + MARGIN) * peer_objective),
            f"an objective above the peer's by {MARGIN:g} of it at most",
            {"our objective": our_objective, "the peer's": peer_objective},
        )

    return check


CASE = Case("liblinear-multicore", "eval.benchmark.workers.liblinear_svm", comparisons)
