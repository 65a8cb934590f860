"""Estimators of scikit-learn's interface, for its pipelines, model selection and metrics.

    probe = make_pipeline(Descriptor(layer="conv4"), RidgeProbe(cv=4))
    scores = cross_val_score(probe, images, targets)

They wrap `convcorr_jax.descriptors` and `convcorr_jax.linear`, take and return NumPy arrays, and hold no JAX
arrays, so that they can be pickled and sent to other processes.
"""

from convcorr_jax.estimators.descriptor import Descriptor as Descriptor
from convcorr_jax.estimators.one_vs_all_svm import OneVsAllSVM as OneVsAllSVM
from convcorr_jax.estimators.ridge_probe import RidgeProbe as RidgeProbe
