"""Linear support vector machines: 8000 samples of 256 numbers, 20 classes against the rest.

The classes overlap, and the vectors have unit length. Both sides regularise the bias as liblinear does (``-B
1``), at cost 1, and have the features beforehand in the form they take: liblinear as its own list of sparse
rows, we as an array on the device. liblinear has a thread or one a core, whichever is faster. For the squared
hinge it is given its primal solver (``-s 2``), the only fast one there; for the hinge the dual one (``-s 3``),
all it has. The peer stops by its own default tolerance. We stop at ours for the squared hinge, and at thirty
times ours for the hinge, where the peer's objective is about a thousandth above the least.

Quality: the sum of the classes' objectives, computed from both sides' weights in double precision, is above
the peer's by 1e-4 of it at most.
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
    """One a loss."""
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
            wanted_ratio=4.0,
        )


def _fit(features, labels, loss):
    on_device = jnp.asarray(features)
    positive = svm.one_vs_all(jnp.asarray(labels), classes=CLASSES)

    def run():
        machine = svm.fit(
            on_device,
            positive,
            cost=1.0,
            loss=loss,
            bias_scale=1.0,
            tolerance=TOLERANCES[loss],
        )
        return {"weights": machine.weights, "bias": machine.bias}

    return run


def _same_objective(features, labels, loss):
    rows = features.astype(np.float64)
    signs = np.where(labels[:, None] == np.arange(CLASSES), 1, -1)

    def objective(found):
        weights, bias = (found[name].astype(np.float64) for name in ("weights", "bias"))
        losses = np.maximum(0, 1 - signs * (rows @ weights.T + bias))
        if loss == "squared_hinge":
            losses = losses**2
        return ((weights**2).sum() + (bias**2).sum()) / 2 + losses.sum()

    def check(ours: Arrays, peer: Arrays) -> Quality:
        mine, theirs = objective(ours), objective(peer)
        return Quality(
            bool(mine <= (1 + MARGIN) * theirs),
            f"an objective above the peer's by {MARGIN:g} of it at most",
            {"our objective": mine, "the peer's": theirs},
        )

    return check


CASE = Case("liblinear-multicore", "eval.benchmark.workers.liblinear_svm", comparisons)
