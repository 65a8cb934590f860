"""What ridge regression with k folds needs of rows that arrive block by block, in bounded memory.

While there are fewer rows n than features d, the rows themselves are kept: with t targets they are
``n (d + t)`` numbers, fewer than the statistics, and the dual form, an n by n system, solves them in less time
than the primal. As soon as n is at least d, the rows are summed up to the statistics of each fold
(`convcorr_jax.linear.ridge.row_statistics`), ``k d (d + t)`` numbers whatever n, and later blocks are added to
these. The form is thus always the one that `convcorr_jax.linear.ridge.fit` and `cross_validate` choose for the
same rows in memory.

    sums = fold_sums(features, targets, folds=folds, k=4)     # one block, or
    sums = sums.add(features, targets, folds)                 # one more
    curve = sums.cross_validate(sums.penalty_grid())
    model = sums.solve(curve.best())

Each fold's statistics depend on the sizes of the blocks within rounding only.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from convcorr_jax.errors import InputError
from convcorr_jax.linear.ridge import solvers
from convcorr_jax.linear.ridge.cross_validation import (
    PenaltyCurve,
    cross_validate,
    cross_validate_statistics,
    penalties_of_spread,
    penalty_grid,
)
from convcorr_jax.linear.ridge.row_statistics import Statistics, accumulate, add, empty_statistics
from convcorr_jax.linear.ridge.solvers import Ridge

# Rows of a fold are padded to a multiple of this number, so that few programs are compiled.
_PADDED_TO = 128


class _Rows(NamedTuple):
    features: np.ndarray
    targets: np.ndarray
    folds: np.ndarray


@dataclass(frozen=True, eq=False)
class FoldSums:
    """Rows of k folds: the rows while they are fewer than the features, and else each fold's statistics.

    Either ``blocks``, the rows block by block, or ``parts``, the statistics of each fold, is empty.
    """

    features: int
    targets: int
    k: int
    blocks: tuple[_Rows, ...] = ()
    parts: tuple[Statistics, ...] = ()

    @property
    def count(self) -> int:
        """Number of rows."""
        return sum(int(part.count) for part in self.parts) + sum(len(block.folds) for block in self.blocks)

    def add(
        self,
        features: Float[np.ndarray, "_ _"],
        targets: Float[np.ndarray, "_ _"],
        folds: Int[np.ndarray, " _"],
    ) -> "FoldSums":
        """Return the sums with one more block of rows; these sums must not be used afterwards.

        Raises:
            InputError: the numbers of rows, of features or of targets do not match, or a fold does not exist.
        """
        shapes = np.shape(features), np.shape(targets), np.shape(folds)
        n = len(folds)
        if shapes != ((n, self.features), (n, self.targets), (n,)):
            raise InputError(
                f"features, targets and folds of a block have shapes {shapes}; as many rows of "
                f"{self.features} features and {self.targets} targets are expected"
            )
        if n and not (0 <= folds.min() and folds.max() < self.k):
            raise InputError(f"folds hold numbers other than 0 to {self.k - 1}")
        dtype = jnp.promote_types(jnp.result_type(features, targets), jnp.float32)
        # Copied: the caller may fill its buffers with the next block.
        block = _Rows(np.array(features, dtype), np.array(targets, dtype), np.array(folds))
        if self.parts:
            return replace(self, parts=_summed(self.parts, block))
        if self.count + n < self.features:
            return replace(self, blocks=(*self.blocks, block))
        start = tuple(empty_statistics(self.features, self.targets, dtype=dtype) for _ in range(self.k))
        return replace(self, blocks=(), parts=_summed(start, _joined((*self.blocks, block))))

    def penalty_grid(self) -> Float[np.ndarray, " p"]:
        """Return the penalties of `convcorr_jax.linear.ridge.penalty_grid` for these rows."""
        if not self.parts:
            return penalty_grid(self._rows().features)
        whole = functools.reduce(add, (_with_targets(part, np.arange(1)) for part in self.parts))
        return penalties_of_spread(float(jnp.trace(whole.scatter)), self.features)

    def select(self, targets: Int[np.ndarray, " chosen"]) -> "FoldSums":
        """Return the sums of the same rows with some of their targets."""
        return replace(
            self,
            targets=len(targets),
            blocks=tuple(b._replace(targets=b.targets[:, targets]) for b in self.blocks),
            parts=tuple(_with_targets(part, targets) for part in self.parts),
        )

    def cross_validate(self, penalties: Float[np.ndarray, " p"]) -> PenaltyCurve:
        """Compute the errors of each fold's rows by ridge regressions fitted without that fold.

        Raises:
            InputError: there are fewer than 2 rows, a fold has no row or leaves fewer than two, a value is NaN
                or infinite, all rows of features are equal, or a penalty is not a finite number above 0 or too
                small for the precision.
        """
        if not self.parts:
            x, y, folds = self._rows()
            return cross_validate(x, y, penalties=penalties, folds=folds, k=self.k)
        sizes = [int(part.count) for part in self.parts]
        if not all(sizes):
            raise InputError(f"the {self.k} folds hold {sizes} rows; each must hold one")
        return cross_validate_statistics(self.parts, penalties=penalties)

    def solve(self, penalty: float | Float[np.ndarray, " t"]) -> Ridge:
        """Fit a ridge regression for each target to all rows, with one penalty for all targets or one for each.

        Raises:
            InputError: there are fewer than 2 rows, a value is NaN or infinite, all rows of features are equal,
                or a penalty is not positive or too small for the precision.
        """
        if not self.parts:
            x, y, _ = self._rows()
            return _fit_rows(x, y, penalty)
        return _solve(functools.reduce(add, self.parts), penalty)

    def without(self, fold: int, penalty: float | Float[np.ndarray, " t"]) -> Ridge:
        """Fit a ridge regression for each target to the rows of all folds but one, as `solve` does."""
        if not self.parts:
            x, y, folds = self._rows()
            return _fit_rows(x[folds != fold], y[folds != fold], penalty)
        rest = (*self.parts[:fold], *self.parts[fold + 1 :])
        return _solve(functools.reduce(add, rest), penalty)

    def _rows(self) -> _Rows:
        if not self.blocks:
            raise InputError("there are no rows; at least 2 are expected")
        return _joined(self.blocks)

    def target_mean(self) -> Float[np.ndarray, " t"]:
        """Return the mean of every target over all rows."""
        if not self.parts:
            return self._rows().targets.mean(axis=0)
        weights = np.array([int(part.count) for part in self.parts], np.float64)
        means = np.stack([np.asarray(part.target_mean) for part in self.parts])
        return (weights @ means / weights.sum()).astype(means.dtype)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by name that determine the sums, bit for bit."""
        if not self.parts:
            rows = _joined(self.blocks) if self.blocks else _Rows(*np.zeros((3, 0)))
            return dict(rows._asdict())
        return {
            f"{name}_{fold}": np.asarray(value)
            for fold, part in enumerate(self.parts)
            for name, value in part._asdict().items()
        }

    def restored(self, arrays: Mapping[str, np.ndarray]) -> "FoldSums":
        """Return sums of as many features, targets and folds from what `arrays` of others returned."""
        if "folds" in arrays:
            rows = _Rows(*(arrays[name] for name in _Rows._fields))
            return replace(self, blocks=(rows,) if len(rows.folds) else (), parts=())
        parts = tuple(
            Statistics(*(jnp.asarray(arrays[f"{name}_{fold}"]) for name in Statistics._fields))
            for fold in range(self.k)
        )
        return replace(self, blocks=(), parts=parts)


def fold_sums(
    features: Float[np.ndarray, "_ d"],
    targets: Float[np.ndarray, "_ t"],
    *,
    folds: Int[np.ndarray, " _"],
    k: int,
) -> FoldSums:
    """Return the sums of one block of rows.

    Raises:
        InputError: k is below 2, the numbers of rows do not match, or a fold does not exist.
    """
    return empty_fold_sums(features.shape[1], targets.shape[1], k=k).add(features, targets, folds)


def empty_fold_sums(features: int, targets: int, *, k: int) -> FoldSums:
    """Return the sums of no rows, from which an accumulation starts.

    Raises:
        InputError: k is below 2, or there is no feature or no target.
    """
    if k < 2 or min(features, targets) < 1:
        raise InputError(
            f"there are {features} features, {targets} targets and {k} folds; at least 1, 1 and 2 are expected"
        )
    return FoldSums(features, targets, k)


def _with_targets(part: Statistics, targets: Int[np.ndarray, " chosen"] | slice) -> Statistics:
    """Return the statistics of the same rows with some of their targets."""
    return part._replace(
        target_mean=part.target_mean[targets], cross=part.cross[:, targets], spread=part.spread[targets]
    )


def _fit_rows(x: np.ndarray, y: np.ndarray, penalty: float | np.ndarray) -> Ridge:
    return _for_each_penalty(lambda targets, value: solvers.fit(x, y[:, targets], penalty=value), penalty)


def _solve(summed: Statistics, penalty: float | np.ndarray) -> Ridge:
    return _for_each_penalty(
        lambda targets, value: solvers.solve(_with_targets(summed, targets), penalty=value), penalty
    )


def _for_each_penalty(fit: Callable[[np.ndarray | slice, float], Ridge], penalty: float | np.ndarray) -> Ridge:
    """Fit targets of equal penalties together: few Cholesky factors cost less than an eigendecomposition."""
    if not np.ndim(penalty):
        return fit(slice(None), float(penalty))
    penalty = np.asarray(penalty)
    groups = [np.flatnonzero(penalty == value) for value in np.unique(penalty)]
    fits = [fit(group, float(penalty[group[0]])).for_each_target() for group in groups]
    order = np.argsort(np.concatenate(groups))
    return Ridge(*(jnp.concatenate(fields, axis=-1)[..., order] for fields in zip(*fits, strict=True)))


def _joined(blocks: Sequence[_Rows]) -> _Rows:
    if len(blocks) == 1:
        return blocks[0]
    return _Rows(*(np.concatenate(arrays) for arrays in zip(*blocks, strict=True)))


def _summed(parts: Sequence[Statistics], block: _Rows) -> tuple[Statistics, ...]:
    """Add the rows of a block to the statistics of their folds."""
    summed = list(parts)
    for fold in np.unique(block.folds):
        rows = np.flatnonzero(block.folds == fold)
        mask = np.arange(-(-len(rows) // _PADDED_TO) * _PADDED_TO) < len(rows)
        padded = np.concatenate([rows, np.zeros(len(mask) - len(rows), int)])
        x, y = jnp.asarray(block.features[padded]), jnp.asarray(block.targets[padded])
        summed[fold] = accumulate(summed[fold], x, y, mask=jnp.asarray(mask))
    return tuple(summed)
