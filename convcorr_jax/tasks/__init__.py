"""The experiments as functions that a script or a notebook calls: records, features, fits and scores.

`read` reads records; `Data`, `Backbone` and `Output` are the options that scripts share. Each task has a room
or a file of its own: ``transfer``, ``keypoints``, ``landmarks``, ``scenes``, ``attributes``, ``patches``,
``pose``, and ``probes`` for the training of ridge probes that are saved.
"""

from convcorr_jax.tasks.reading import COLLECTIONS as COLLECTIONS
from convcorr_jax.tasks.reading import PHOTOGRAPHS as PHOTOGRAPHS
from convcorr_jax.tasks.reading import RENDERED as RENDERED
from convcorr_jax.tasks.reading import Backbone as Backbone
from convcorr_jax.tasks.reading import CategoryData as CategoryData
from convcorr_jax.tasks.reading import Data as Data
from convcorr_jax.tasks.reading import Output as Output
from convcorr_jax.tasks.reading import read as read
