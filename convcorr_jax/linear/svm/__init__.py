"""Linear support vector machines for all classes at once, each with a duality gap.

    positive = svm.one_vs_all(labels, classes=3)
    model = svm.fit(features, positive, cost=1.0)
    best_class = model.decisions(new_features).argmax(1)

`cross_validate` fits without each fold for several costs. The objective, its dual and the methods are described
in `convcorr_jax.linear.svm.fitting`.
"""

from convcorr_jax.arrays import promote_arrays as _promote_arrays
from convcorr_jax.linear.svm.fitting import HeldOutDecisions as HeldOutDecisions
from convcorr_jax.linear.svm.fitting import cross_validate as cross_validate
from convcorr_jax.linear.svm.fitting import fit as fit
from convcorr_jax.linear.svm.fitting import one_vs_all as one_vs_all
from convcorr_jax.linear.svm.problem import Least as Least
from convcorr_jax.linear.svm.problem import LinearSVM as LinearSVM
from convcorr_jax.linear.svm.problem import Loss as Loss
from convcorr_jax.linear.svm.problem import Padded as Padded
from convcorr_jax.linear.svm.problem import pad as pad

_promote_arrays(globals())  # From here on, callers' arrays are checked and promoted (`convcorr_jax.arrays`).
