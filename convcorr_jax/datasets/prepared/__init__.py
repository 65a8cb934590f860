"""Data sets written once as TFDS keeps them, and read from there by any program.

`prepare` writes records in shards of the array_record format, which TFDS and Grain read without
TensorFlow; `read` gives the records back exactly, and `batches` loads them ahead of a computation.
`builder` makes a TFDS builder of every catalogued data set; `foreign` reads what TFDS's own
builders prepared. Needs the extra ``datasets``.
"""

from convcorr_jax.errors import InputError

try:
    from convcorr_jax.datasets.prepared.loading import batches as batches
    from convcorr_jax.datasets.prepared.reading import read as read
    from convcorr_jax.datasets.prepared.writing import Prepared as Prepared
    from convcorr_jax.datasets.prepared.writing import is_prepared as is_prepared
    from convcorr_jax.datasets.prepared.writing import prepare as prepare
except ModuleNotFoundError as missing:
    raise InputError(
        f"prepared data sets need {missing.name}; pip install 'convcorr_jax[datasets]' brings it"
    ) from missing
