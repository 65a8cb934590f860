"""Linear models of feature vectors: ridge regression, support vector machines, and cross-validation folds.

`ridge` and `svm` are packages; call their functions by the package's name: ``ridge.fit``, ``svm.fit``.
"""

from convcorr_jax.linear import ridge as ridge
from convcorr_jax.linear import svm as svm
from convcorr_jax.linear.folds import grouped_folds as grouped_folds
from convcorr_jax.linear.folds import stratified_folds as stratified_folds
from convcorr_jax.linear.folds import warn_of_absent_labels as warn_of_absent_labels
