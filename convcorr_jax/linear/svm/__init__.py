"""Linear support vector machines for all classes at once, with a duality gap."""

from convcorr_jax.linear.svm.cross_validation import CostCurve as CostCurve
from convcorr_jax.linear.svm.cross_validation import cross_validate as cross_validate
from convcorr_jax.linear.svm.fitting import fit as fit
from convcorr_jax.linear.svm.fitting import one_vs_all as one_vs_all
from convcorr_jax.linear.svm.machine import LinearSVM as LinearSVM
from convcorr_jax.linear.svm.machine import Loss as Loss
