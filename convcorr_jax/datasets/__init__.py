"""Data sets as NumPy records; this room knows no model.

`records` is what every data set becomes. `opening` reads a folder whatever its layout: an official
release (`official`, listed in `catalogue`), a compact copy (`compact`), or what the `prepared` room
wrote for TFDS. The `doctor` examines records. `synthetic` renders categories and
`warped_photographs` makes pairs with exact flow, both from `photographs` that other packages install.
"""

from convcorr_jax import synthetic as synthetic
from convcorr_jax.datasets import photographs as photographs
from convcorr_jax.datasets import roots as roots
from convcorr_jax.datasets.records import Absent as Absent
from convcorr_jax.datasets.records import Pair as Pair
from convcorr_jax.datasets.records import PairSet as PairSet
from convcorr_jax.datasets.records import Record as Record
from convcorr_jax.datasets.records import load_image as load_image
from convcorr_jax.datasets.records import load_label_map as load_label_map
from convcorr_jax.synthetic import warped_photographs as warped_photographs
