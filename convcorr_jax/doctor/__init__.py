"""The data doctor: what is wrong with a data set, found before any score is computed from it.

`examine` runs every check; each check is a function of the records, or of one look at every image, that
yields findings. The doctor changes nothing and knows no data set by name.
"""

from convcorr_jax.doctor.examination import examine as examine
from convcorr_jax.doctor.findings import CHANGES_SCORES as CHANGES_SCORES
from convcorr_jax.doctor.findings import WORTH_A_LOOK as WORTH_A_LOOK
from convcorr_jax.doctor.findings import Case as Case
from convcorr_jax.doctor.findings import Finding as Finding
from convcorr_jax.doctor.findings import changes_scores as changes_scores
