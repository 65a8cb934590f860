"""Data sets in the format of TFDS, written once and then read by any program.

`prepare` writes records in shards of the array_record format, which TFDS and Grain read without TensorFlow.
`read_prepared` returns exactly the records that were written; `convcorr_jax.datasets.batches` loads them while
the caller computes. `builder` returns a TFDS builder of a catalogued data set. `read_foreign` reads what TFDS's
own builders prepared. All raise `InputError` for a folder or a source that cannot be read. This room
needs the extra ``datasets``.
"""

from convcorr_jax.errors import InputError

try:
    from convcorr_jax.datasets.prepared.reading import PreparedRecords as PreparedRecords
    from convcorr_jax.datasets.prepared.reading import read_foreign as read_foreign
    from convcorr_jax.datasets.prepared.reading import read_prepared as read_prepared
    from convcorr_jax.datasets.prepared.tfds_builder import PreparedBuilder as PreparedBuilder
    from convcorr_jax.datasets.prepared.tfds_builder import builder as builder
    from convcorr_jax.datasets.prepared.tfds_builder import builder_class as builder_class
    from convcorr_jax.datasets.prepared.writing import Prepared as Prepared
    from convcorr_jax.datasets.prepared.writing import is_prepared as is_prepared
    from convcorr_jax.datasets.prepared.writing import prepare as prepare
except ModuleNotFoundError as error:
    raise InputError(
        f"prepared data sets need {error.name}; "
        "pip install tensorflow-datasets array-record importlib-resources"
    ) from error
