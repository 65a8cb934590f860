"""The choice between the embedded experiments and those of a folder of data sets."""

from pathlib import Path

from convcorr_jax.datasets import loading
from convcorr_jax.report import sections
from eval import receptive_fields
from eval.experiments.embedded import FULL, SMALL, embedded
from eval.experiments.experiment import Experiment, experiment
from eval.experiments.prepared import prepared


def experiments(out: Path, data_root: Path | None, *, full: bool = False) -> tuple[Experiment, ...]:
    """Return the embedded experiments, in their larger sizes if ``full``, or those of a folder's data sets.

    Each experiment has a subfolder of ``out``. A ``data_root`` that does not exist or contains none of the data
    sets is an `InputError`.
    """
    show = sections.correspondence.receptive_fields
    fields = experiment(receptive_fields, show, out / "receptive_fields")
    if data_root is None:
        return (fields, *embedded(out, FULL if full else SMALL))
    chosen = prepared(out, data_root)
    if not chosen:
        # Raises the same error as every other script.
        loading.find_folder("pf_willow", data_root=data_root)
    return (fields, *chosen)
