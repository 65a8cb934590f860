"""Labels of photographs: records, and the files of the programs that people label with."""

from convcorr_jax.labels.records import Found as Found
from convcorr_jax.labels.records import FoundObject as FoundObject
from convcorr_jax.labels.records import FoundPhotograph as FoundPhotograph
from convcorr_jax.labels.records import LabelledObject as LabelledObject
from convcorr_jax.labels.records import LabelledPhotograph as LabelledPhotograph
from convcorr_jax.labels.records import Labels as Labels
