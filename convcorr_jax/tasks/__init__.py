"""The experiments as functions that a script or a notebook calls: records, features, fits and scores.

`read` reads records; `Data`, `Backbone` and `Output` are the options that scripts share. Each task has a room
or a file of its own: ``transfer``, ``keypoints``, ``landmarks``, ``scenes``, ``attributes``, ``patches``,
``pose``, ``probes`` for the training of ridge probes that are saved, and ``scoring`` for files of predicted
poses.

In all of them ``dataset`` is ``rendered``, or the name or path of a data set's folder; ``data_root`` is the
folder of data sets, by default $CONVCORR_DATA, or else the user's data folder; ``weights`` are those of the
network and ``layer`` is one of its layers; results are cached in ``folder``, ``path`` or ``out``, and a later
run with the same settings loads them. All raise `InputError` for files that are missing or damaged, for options
out of range and for records that cannot be fitted or scored, and `WriteError` for files that cannot be written;
docstrings state what is not obvious of these.
"""

from convcorr_jax.tasks.reading import COLLECTIONS as COLLECTIONS
from convcorr_jax.tasks.reading import PHOTOGRAPHS as PHOTOGRAPHS
from convcorr_jax.tasks.reading import RENDERED as RENDERED
from convcorr_jax.tasks.reading import Backbone as Backbone
from convcorr_jax.tasks.reading import CategoryData as CategoryData
from convcorr_jax.tasks.reading import Data as Data
from convcorr_jax.tasks.reading import DataRoot as DataRoot
from convcorr_jax.tasks.reading import Output as Output
from convcorr_jax.tasks.reading import Source as Source
from convcorr_jax.tasks.reading import Sources as Sources
from convcorr_jax.tasks.reading import read as read
