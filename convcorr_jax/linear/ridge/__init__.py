"""Ridge regression from rows or from statistics that stream, with exact cross-validation."""

from convcorr_jax.linear.ridge.penalty import PenaltyCurve as PenaltyCurve
from convcorr_jax.linear.ridge.penalty import cross_predict as cross_predict
from convcorr_jax.linear.ridge.penalty import cross_validate as cross_validate
from convcorr_jax.linear.ridge.penalty import cross_validate_statistics as cross_validate_statistics
from convcorr_jax.linear.ridge.penalty import fit_best as fit_best
from convcorr_jax.linear.ridge.penalty import leave_one_out as leave_one_out
from convcorr_jax.linear.ridge.penalty import penalty_grid as penalty_grid
from convcorr_jax.linear.ridge.solvers import Ridge as Ridge
from convcorr_jax.linear.ridge.solvers import fit as fit
from convcorr_jax.linear.ridge.solvers import solve as solve
from convcorr_jax.linear.ridge.statistics import Statistics as Statistics
from convcorr_jax.linear.ridge.statistics import accumulate as accumulate
from convcorr_jax.linear.ridge.statistics import add as add
from convcorr_jax.linear.ridge.statistics import all_sum as all_sum
from convcorr_jax.linear.ridge.statistics import empty as empty
from convcorr_jax.linear.ridge.statistics import statistics as statistics
from convcorr_jax.linear.ridge.statistics import subtract as subtract
