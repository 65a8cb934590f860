"""Labels of photographs: records, and the files of the programs that people label with.

`read_labels` reads labels of this package, COCO, DeepLabCut, Label Studio and SLEAP as `Labels`; `pair_labels`
reads those of single photographs. Writers write `Found`, what was found in photographs, for the same programs.
Each file's module states its convention of coordinates.
"""

from convcorr_jax.labels.coco import UNCERTAIN as UNCERTAIN
from convcorr_jax.labels.coco import write_coco as write_coco
from convcorr_jax.labels.programs import write_label_studio as write_label_studio
from convcorr_jax.labels.reading import merge as merge
from convcorr_jax.labels.reading import pair_labels as pair_labels
from convcorr_jax.labels.reading import read_labels as read_labels
from convcorr_jax.labels.records import Found as Found
from convcorr_jax.labels.records import FoundObject as FoundObject
from convcorr_jax.labels.records import FoundPhotograph as FoundPhotograph
from convcorr_jax.labels.records import LabelledObject as LabelledObject
from convcorr_jax.labels.records import LabelledPhotograph as LabelledPhotograph
from convcorr_jax.labels.records import Labels as Labels
from convcorr_jax.labels.tables import point_values as point_values
from convcorr_jax.labels.tables import write_deeplabcut as write_deeplabcut
from convcorr_jax.labels.tables import write_table as write_table
