"""Compact copies of data sets: small images and one annotation file in a folder, with 0-based coordinates.

These layouts are this project's own, one small reader each; `find_reader` tells them apart. A folder that holds
an official release of a catalogued data set is never read as a compact copy (see
`convcorr_jax.datasets.opening`). The readers raise `InputError`, which names the file, where the annotation
file is missing, damaged or of another layout, or where an image is missing, or named by a path that leads out
of the folder.
"""

from convcorr_jax.datasets.compact.layouts import find_reader as find_reader
from convcorr_jax.datasets.compact.layouts import has_pairs as has_pairs
from convcorr_jax.datasets.compact.scenes import read_pairs as read_pairs
