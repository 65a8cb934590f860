"""Data sets as NumPy records.

`read_records` and `read_pairs` open a data set by name or path, whatever its layout: an official release
(`official`, listed in `DATASETS`), a compact copy (`compact`), or what the `prepared` room wrote for TFDS.
Every data set becomes a sequence of `Record`. `photographs` are those that other packages install.
The `poses` room reads annotations and predictions of poses to score, from files alone.

Every reader raises `InputError`, which names the file, where a file is missing, damaged or of another layout,
where options contradict the files, and where the parts of a record contradict each other.

Importing this room imports no TFDS; the `prepared` room does.
"""

from convcorr_jax.datasets import selection as selection
from convcorr_jax.datasets.catalogue import DATASETS as DATASETS
from convcorr_jax.datasets.catalogue import DataSet as DataSet
from convcorr_jax.datasets.loading import ROOT_VARIABLE as ROOT_VARIABLE
from convcorr_jax.datasets.loading import batches as batches
from convcorr_jax.datasets.loading import root_folder as root_folder
from convcorr_jax.datasets.opening import read_pairs as read_pairs
from convcorr_jax.datasets.opening import read_records as read_records
from convcorr_jax.datasets.records import IGNORED_LABEL as IGNORED_LABEL
from convcorr_jax.datasets.records import Absent as Absent
from convcorr_jax.datasets.records import Pair as Pair
from convcorr_jax.datasets.records import PairSet as PairSet
from convcorr_jax.datasets.records import Record as Record
from convcorr_jax.datasets.records import Scoring as Scoring
from convcorr_jax.datasets.records import box_lengths as box_lengths
from convcorr_jax.datasets.records import box_of as box_of
from convcorr_jax.datasets.records import load_image as load_image
from convcorr_jax.datasets.records import load_label_map as load_label_map
from convcorr_jax.datasets.selection import GeneratedRecords as GeneratedRecords
from convcorr_jax.datasets.selection import Selection as Selection
from convcorr_jax.datasets.selection import fingerprint as fingerprint
