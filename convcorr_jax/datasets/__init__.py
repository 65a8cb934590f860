"""Data sets as NumPy records: readers of prepared folders, and two that are made in code.

`records` is what all of them return; `roots` finds prepared folders, which `pf_willow`,
`face_landmarks` and `lspet` read. `synthetic` renders categories and `warped_photographs` makes
pairs with exact flow, both from `photographs` that other packages install. This room knows no
model.
"""

from convcorr_jax.datasets import face_landmarks as face_landmarks
from convcorr_jax.datasets import lspet as lspet
from convcorr_jax.datasets import pf_willow as pf_willow
from convcorr_jax.datasets import photographs as photographs
from convcorr_jax.datasets import roots as roots
from convcorr_jax.datasets import synthetic as synthetic
from convcorr_jax.datasets import warped_photographs as warped_photographs
from convcorr_jax.datasets.records import Pair as Pair
from convcorr_jax.datasets.records import PairSet as PairSet
from convcorr_jax.datasets.records import Record as Record
from convcorr_jax.datasets.records import load_image as load_image
