"""Data sets as NumPy records: readers of prepared folders, and the embedded ones made in code.

`records` is what all of them return; `roots` finds the prepared folders. This room knows no model.
"""

from convcorr_jax.datasets import face_landmarks as face_landmarks
from convcorr_jax.datasets import lspet as lspet
from convcorr_jax.datasets import pf_willow as pf_willow
from convcorr_jax.datasets import roots as roots
from convcorr_jax.datasets.records import Pair as Pair
from convcorr_jax.datasets.records import PairSet as PairSet
from convcorr_jax.datasets.records import Record as Record
from convcorr_jax.datasets.records import load_image as load_image
