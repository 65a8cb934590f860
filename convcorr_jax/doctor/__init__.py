"""The data doctor: faults of a data set, found before any score is computed from it.

`examine` runs every check; `leaked_rows` finds tested photographs that are also trained on. Each check is a
generator of findings. It takes what it needs of the records without pixels, the thumbnails of their images, the
official counts, and the annotations that could not be turned into records. The doctor changes no data and
treats all data sets alike.
"""

from convcorr_jax.doctor.duplicates import leaked_rows as leaked_rows
from convcorr_jax.doctor.duplicates import rows_of_shared_scenes as rows_of_shared_scenes
from convcorr_jax.doctor.examination import examine as examine
from convcorr_jax.doctor.findings import CHANGES_SCORES as CHANGES_SCORES
from convcorr_jax.doctor.findings import WORTH_A_LOOK as WORTH_A_LOOK
from convcorr_jax.doctor.findings import Case as Case
from convcorr_jax.doctor.findings import Finding as Finding
from convcorr_jax.doctor.findings import Severity as Severity
from convcorr_jax.doctor.findings import changes_scores as changes_scores
