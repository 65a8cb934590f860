"""Ridge regression from rows or from streamed statistics, with cross-validation.

    model = ridge.fit(features, targets, penalty=1.0)
    model, curve = ridge.fit_best(features, targets, folds=folds, k=4)
    predicted = model.predict(new_features)

Rows that do not fit into memory are summed up block by block (`empty_statistics`, `accumulate`, or `statistics`
and `add`) and solved from the sums with `solve`; `cross_validate_statistics` cross-validates from the sums of
each fold. `FoldSums` does all of this for rows of k folds, and keeps the rows themselves while they are few.
"""

from convcorr_jax.arrays import promote_arrays as _promote_arrays
from convcorr_jax.linear.ridge.cross_validation import PenaltyCurve as PenaltyCurve
from convcorr_jax.linear.ridge.cross_validation import argmin_error as argmin_error
from convcorr_jax.linear.ridge.cross_validation import cross_predict as cross_predict
from convcorr_jax.linear.ridge.cross_validation import cross_validate as cross_validate
from convcorr_jax.linear.ridge.cross_validation import cross_validate_statistics as cross_validate_statistics
from convcorr_jax.linear.ridge.cross_validation import fit_best as fit_best
from convcorr_jax.linear.ridge.cross_validation import leave_one_out as leave_one_out
from convcorr_jax.linear.ridge.cross_validation import penalty_grid as penalty_grid
from convcorr_jax.linear.ridge.fold_sums import FoldSums as FoldSums
from convcorr_jax.linear.ridge.fold_sums import empty_fold_sums as empty_fold_sums
from convcorr_jax.linear.ridge.fold_sums import fold_sums as fold_sums
from convcorr_jax.linear.ridge.held_out import HeldOutFit as HeldOutFit
from convcorr_jax.linear.ridge.held_out import fit_held_out as fit_held_out
from convcorr_jax.linear.ridge.low_rank import LowRankRidge as LowRankRidge
from convcorr_jax.linear.ridge.low_rank import Subspace as Subspace
from convcorr_jax.linear.ridge.low_rank import prediction_subspace as prediction_subspace
from convcorr_jax.linear.ridge.low_rank import reduce_rank as reduce_rank
from convcorr_jax.linear.ridge.row_statistics import Statistics as Statistics
from convcorr_jax.linear.ridge.row_statistics import accumulate as accumulate
from convcorr_jax.linear.ridge.row_statistics import add as add
from convcorr_jax.linear.ridge.row_statistics import all_reduce as all_reduce
from convcorr_jax.linear.ridge.row_statistics import empty_statistics as empty_statistics
from convcorr_jax.linear.ridge.row_statistics import gram as gram
from convcorr_jax.linear.ridge.row_statistics import statistics as statistics
from convcorr_jax.linear.ridge.row_statistics import subtract as subtract
from convcorr_jax.linear.ridge.solvers import FeatureRows as FeatureRows
from convcorr_jax.linear.ridge.solvers import Ridge as Ridge
from convcorr_jax.linear.ridge.solvers import TargetRows as TargetRows
from convcorr_jax.linear.ridge.solvers import fit as fit
from convcorr_jax.linear.ridge.solvers import solve as solve

_promote_arrays(globals())  # From here on, callers' arrays are checked and promoted (`convcorr_jax.arrays`).
