"""Ridge regression of 136 targets (68 landmarks) with a bias; one of ten penalties is chosen for all of them.

- scikit-learn's RidgeCV, 20000 x 4096: exact leave-one-out against its own, and four folds against its ``cv``.
- himalaya's RidgeCV and fracridge, 4000 x 4096, five folds. fracridge uses ten fractions of the unpenalized
  solution's length in place of penalties; it solves for all of them from one decomposition for each fold.

Each side chooses a penalty, then fits all rows with it. It receives the rows in advance in its own format, in
single
precision: as NumPy arrays, or, ours, on the device. The spectrum of the rows decays like that of network
features, and the targets are a noisy linear function of them.

Quality: the same penalty, its mean squared error on held-out rows equal to within a thousandth, and weights
equal to within a hundredth of their root mean square. For fracridge, whose path differs: our error exceeds its
error by at most a hundredth.
"""

from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from convcorr_jax.linear import grouped_folds
from convcorr_jax.linear.ridge import fit_best
from eval.benchmark.comparison import Arrays, Case, Comparison, Quality

LANDMARKS = 68
# Number of rows, and of features.
LARGE = (20000, 4096)
SMALL = (4000, 4096)
LARGE_FOLDS, SMALL_FOLDS = 4, 5
PENALTIES = np.logspace(1, 5.5, 10)
FRACTIONS = np.arange(1, 11) / 10
SCORE_MARGIN, WEIGHT_MARGIN, OTHER_PATH_MARGIN = 1e-3, 1e-2, 1e-2


def rows(n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw features and targets."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((n, d), np.float32) * np.float32(np.arange(1, d + 1) ** -0.5 * 8)
    weights = rng.standard_normal((d, 2 * LANDMARKS), np.float32) / np.float32(d**0.5)
    noise = rng.standard_normal((n, 2 * LANDMARKS), np.float32)
    return features + 1, features @ weights + noise + 3


def sklearn_comparisons() -> Iterator[Comparison]:
    """Yield leave-one-out, then folds."""
    features, targets = rows(*LARGE)
    for k, required_ratio in ((0, 8.0), (LARGE_FOLDS, 15.0)):
        method = f"{k} folds" if k else "leave-one-out"
        yield _comparison(method, features, targets, k=k, required_ratio=required_ratio)


def small_comparisons() -> Iterator[Comparison]:
    """Yield folds of fewer rows than features."""
    features, targets = rows(*SMALL)
    yield _comparison(f"{SMALL_FOLDS} folds", features, targets, k=SMALL_FOLDS, required_ratio=6.0)


def _comparison(
    method: str, features: np.ndarray, targets: np.ndarray, *, k: int, required_ratio: float
) -> Comparison:
    n, d = features.shape
    folds = grouped_folds(np.arange(n), k=k) if k else np.arange(n)
    x, y = jnp.asarray(features), jnp.asarray(targets)

    def run():
        model, curve = fit_best(x, y, penalties=PENALTIES, folds=folds if k else None, k=k or None)
        return {"error": curve.errors.mean(axis=1).min(), "penalty": curve.best(), "weights": model.weights}

    return Comparison(
        name=f"{method}, {n} x {d}, {targets.shape[1]} targets, {len(PENALTIES)} penalties",
        unit="fit",
        inputs={
            "features": features,
            "targets": targets,
            "penalties": PENALTIES,
            "fractions": FRACTIONS,
            "folds": folds,
            "k": np.array(k),
        },
        ours=run,
        check=same_path,
        required_ratio=required_ratio,
    )


def same_path(ours: Arrays, peer: Arrays) -> Quality:
    """Compare penalty, error and weights; the error alone if the peer has no penalties."""
    our_error, peer_error = float(ours["error"]), float(peer["error"])
    figures = {"our error": our_error, "the peer's": peer_error}
    if "penalty" not in peer:
        return Quality(
            our_error <= (1 + OTHER_PATH_MARGIN) * peer_error,
            f"a held-out error above the peer's by {OTHER_PATH_MARGIN:g} of it at most",
            figures,
        )
    weights = peer["weights"].astype(np.float64)
    difference = float(np.abs(ours["weights"] - weights).max() / np.sqrt((weights**2).mean()))
    return Quality(
        bool(
            np.isclose(ours["penalty"], peer["penalty"])
            and abs(our_error - peer_error) <= SCORE_MARGIN * peer_error
            and difference <= WEIGHT_MARGIN
        ),
        f"the same penalty, errors equal within {SCORE_MARGIN:g} and weights within {WEIGHT_MARGIN:g}",
        figures | {"penalty": float(ours["penalty"]), "weights apart": difference},
    )


SKLEARN = Case("scikit-learn", "eval.benchmark.workers.sklearn_ridge", sklearn_comparisons)
HIMALAYA = Case("himalaya", "eval.benchmark.workers.himalaya_ridge", small_comparisons)
FRACRIDGE = Case("fracridge", "eval.benchmark.workers.fracridge_ridge", small_comparisons)
