"""Measure label noise from two annotations of the same people: Table 1 and Figure 10 of Tompson et al. 2015.

    python -m eval.label_noise --dataset path/to/lspet        (a release that contains photographs twice)
    python -m eval.label_noise --metric lsp_pck --first joints.mat --second again.npz
    python -m eval.label_noise --metric flic_pck --first examples.mat --second again.npz --scale 0.5

The annotations are two files of joints of the same people, or those of photographs that a data set contains
twice (``convcorr datasets check`` lists them). Neither is the truth: PCK is of the second annotation against
the first.

``result.json`` has, for the annotations ``as_annotated`` and after left and right joints that the annotators
name differently were exchanged (``sides_matched``): ``sigma_px``, the standard deviation of the annotations in
pixels of the network's input, of which ``--scale`` make one pixel of the photographs; ``sigma_normalized``, the
same in units of the length by which PCK divides errors; and ``pck``, in percent, a limit of what a model can be
seen to reach. ``pairs_exchanged`` of ``pairs_compared`` pairs of joints were exchanged. ``published`` is the
paper's label noise with its setting; ours is comparable in the same setting only. ``pck.png`` shows the curves
of PCK.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from convcorr_jax.datasets.poses import Interpretation
from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, write_image
from convcorr_jax.report import joint_curves
from convcorr_jax.report.sections.pose import SPREADS_PX
from convcorr_jax.runtime import plain, run, write_results
from convcorr_jax.tasks import DataRoot, Output, Source, read
from convcorr_jax.tasks.pose import (
    TwoAnnotations,
    annotations_of_duplicates,
    annotations_of_files,
    curve_alphas,
    label_noise,
)
from convcorr_jax.tasks.scoring import Metric


@dataclass(frozen=True)
class Config:
    """Which annotations to compare."""

    dataset: Source | None = None
    """Name or path of a folder of a data set in which photographs occur twice."""
    data_root: DataRoot = None
    """Folder of data sets; by default $CONVCORR_DATA, or else the user's data folder."""
    first: Path | None = None
    """An official file of annotations, in place of a data set."""
    second: Path | None = None
    """Another file of joints of the same people: .npz, .h5 or .mat, NaN where a joint is not annotated."""
    metric: Metric = "lsp_pck"
    """The official rules of the first file."""
    interpretation: Interpretation = Interpretation()
    scale: float = 1.0
    """Pixels of the network's input for one pixel of the photographs; 0.5 for FLIC in the paper."""
    output: Output = Output(Path("runs/label_noise"))


def main(config: Config) -> Path:
    """Compare, and write ``result.json`` and curves; return its path."""
    started = time.perf_counter()
    two = _annotations(config)
    out = make_folder(config.output.out)
    figures, tables = label_noise(two, scale=config.scale)
    result = {
        "dataset": config.dataset,
        "people": len(two.first),
        "protocol": plain(two.protocol),
        "scale": config.scale,
        **figures,
        "published": {
            "setting": "13 people, 10 images of FLIC, sigma along x in pixels of 360 x 240 (scale 0.5)",
            "sigma_x_px": SPREADS_PX["label noise"],
        },
        "notes": list(two.notes),
    }
    curves = {
        name: dict(zip(table.columns, table.shares.tolist(), strict=True)) for name, table in tables.items()
    }
    write_image(out / "pck.png", joint_curves(curves, alphas=curve_alphas(two.protocol)))
    return write_results(out, result, config, started=started)


def _annotations(config: Config) -> TwoAnnotations:
    first, second = config.first, config.second
    if config.dataset is not None and first is None and second is None:
        people = read(config.dataset, data_root=config.data_root, categories=("person",))
        return annotations_of_duplicates(people)
    if config.dataset is None and first is not None and second is not None:
        return annotations_of_files(first, second, metric=config.metric, interpretation=config.interpretation)
    raise InputError("either --dataset, or both --first and --second are expected")


if __name__ == "__main__":
    run(Config, main, __doc__)
