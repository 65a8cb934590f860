"""Ridge regression of 136 targets (68 landmarks) with a bias; one of ten penalties is chosen for all of them.

- scikit-learn's RidgeCV, 20000 x 4096: exact leave-one-out against its own, and four folds against its ``cv``.
- himalaya's RidgeCV and fracridge, 4000 x 4096, five folds. fracridge has fractions of the unpenalised
  solution's length in place of penalties, ten too; it takes all of them from one decomposition a fold.

Every side chooses, then fits all rows with what was chosen. It has the rows beforehand in the form that it
takes, in single precision: as arrays of NumPy, or, ours, on the device. Rows have a spectrum that falls off, as
those of networks have, and targets are a noisy linear function of them.

Quality: the same penalty, the chosen penalty's mean squared error on held-out rows to within a thousandth, and
weights that are equal to within a hundredth of their root mean square. Of fracridge, whose path is another one:
an error above its own by a hundredth of it at most.
"""

from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from convcorr_jax.linear.folds import grouped_folds
from convcorr_jax.linear.ridge.penalty import fit_best
from eval.benchmark.comparison import Arrays, Case, Comparison, Quality

LANDMARKS = 68
# Rows and length of a feature.
LARGE = (20000, 4096)
SMALL = (4000, 4096)
LARGE_FOLDS, SMALL_FOLDS = 4, 5
PENALTIES = np.logspace(1, 5.5, 10)
FRACTIONS = np.arange(1, 11) / 10
SCORE_MARGIN, WEIGHT_MARGIN, OTHER_PATH_MARGIN = 1e-3, 1e-2, 1e-2


def rows(n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Features and targets."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((n, d), np.float32) * np.float32(np.arange(1, d + 1) ** -0.5 * 8)
    weights = rng.standard_normal((d, 2 * LANDMARKS), np.float32) / np.float32(d**0.5)
    noise = rng.standard_normal((n, 2 * LANDMARKS), np.float32)
    return features + 1, features @ weights + noise + 3


def sklearn_comparisons() -> Iterator[Comparison]:
    """Leave-one-out, then folds."""
    features, targets = rows(*LARGE)
    for k, wanted in ((0, 8.0), (LARGE_FOLDS, 15.0)):
        way = f"{k} folds" if k else "leave-one-out"
        yield _comparison(way, features, targets, k=k, wanted=wanted)


def small_comparisons() -> Iterator[Comparison]:
    """Folds, with fewer rows than features."""
    features, targets = rows(*SMALL)
    yield _comparison(f"{SMALL_FOLDS} folds", features, targets, k=SMALL_FOLDS, wanted=6.0)


def _comparison(
    way: str, features: np.ndarray, targets: np.ndarray, *, k: int, wanted: float
) -> Comparison:
    n, d = features.shape
    folds = grouped_folds(np.arange(n), k=k) if k else np.arange(n)
    x, y = jnp.asarray(features), jnp.asarray(targets)

    def run():
        found, curve = fit_best(x, y, penalties=PENALTIES, folds=folds if k else None, k=k)
        return {
            "error": curve.errors.mean(axis=1).min(),
            "penalty": curve.best(),
            "weights": found.weights,
        }

    return Comparison(
        name=f"{way}, {n} x {d}, {targets.shape[1]} targets, {len(PENALTIES)} penalties",
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
        wanted_ratio=wanted,
    )


def same_path(ours: Arrays, peer: Arrays) -> Quality:
    """Of a peer that takes the same penalties, where it says which it chose; of another, the error alone."""
    mine, theirs = float(ours["error"]), float(peer["error"])
    figures = {"our error": mine, "the peer's": theirs}
    if "penalty" not in peer:
        return Quality(
            mine <= (1 + OTHER_PATH_MARGIN) * theirs,
            f"a held-out error above the peer's by {OTHER_PATH_MARGIN:g} of it at most",
            figures,
        )
    weights = peer["weights"].astype(np.float64)
    apart = float(np.abs(ours["weights"] - weights).max() / np.sqrt((weights**2).mean()))
    return Quality(
        bool(
            np.isclose(ours["penalty"], peer["penalty"])
            and abs(mine - theirs) <= SCORE_MARGIN * theirs
            and apart <= WEIGHT_MARGIN
        ),
        f"the same penalty, errors equal within {SCORE_MARGIN:g} and weights within {WEIGHT_MARGIN:g}",
        figures | {"penalty": float(ours["penalty"]), "weights apart": apart},
    )


SKLEARN = Case("scikit-learn", "eval.benchmark.workers.sklearn_ridge", sklearn_comparisons)
HIMALAYA = Case("himalaya", "eval.benchmark.workers.himalaya_ridge", small_comparisons)
FRACRIDGE = Case("fracridge", "eval.benchmark.workers.fracridge_ridge", small_comparisons)
