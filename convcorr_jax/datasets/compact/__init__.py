"""Compact copies of data sets: small images and one annotation file a folder, 0-based already.

One file a layout, each with `read`; `convcorr_jax.datasets.opening` tells the layouts apart. The
official releases are read by `convcorr_jax.datasets.official`.
"""
